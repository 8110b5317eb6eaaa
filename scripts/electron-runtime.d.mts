export const ELECTRON_VERSION: string;
export function ensureElectronRuntime(): Promise<string>;
