export interface ClassifiedFunction {
  name: string;
  state: 'hooked' | 'forwarded' | 'unclassified';
  reason: string;
}
export interface Table {
  hooked: Set<string>;
  forwards: { pattern: string; reason: string; matches: RegExp }[];
}
export function declaredFunctions(text: string, prefix: 'cu' | 'nvml'): string[];
export function readTable(hooksText: string, forwardsText: string): Table;
export function classify(names: readonly string[], table: Table): ClassifiedFunction[];
