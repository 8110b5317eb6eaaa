/** What breaks the rules of the floors below `root`, in sentences; none: the house stands. */
export function findFaults(root: string): string[];
