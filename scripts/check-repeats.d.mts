export const RUN_LINES: number;
export function repeats(files: ReadonlyMap<string, string>): string[];
export function readCode(root: string): Map<string, string>;
