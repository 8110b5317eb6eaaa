export const EXCEPTIONS: readonly (readonly [path: string, may: RegExp, why: string])[];
export function vendorWords(files: ReadonlyMap<string, string>): string[];
export function readVendorFiles(root: string): Map<string, string>;
