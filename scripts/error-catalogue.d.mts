export interface ExplainedCode {
  readonly code: string;
  readonly means: string;
  readonly act: string;
}
export function readErrors(source: string, list: string): readonly ExplainedCode[];
export function codesInC(name: string, text: string): readonly string[];
export function codesInScript(text: string): readonly string[];
export function compareCodes(
  listed: readonly string[],
  said: ReadonlyMap<string, readonly string[]>,
  where: string,
): readonly string[];
export function catalogue(agent: readonly ExplainedCode[], core: readonly ExplainedCode[]): string;
