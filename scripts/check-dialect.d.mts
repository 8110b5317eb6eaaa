export function brokenRules(files: ReadonlyMap<string, string>): string[];
export function readOurs(root: string): Map<string, string>;
