export const root: string;
export const appVersion: string;
export function checkNode(): void;
export function installPackages(options: { readonly tools: boolean }): void;
export function buildAll(): Promise<void>;
