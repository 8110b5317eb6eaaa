export interface Took {
  readonly name: string;
  readonly ms: number;
}
export function readTimes(text: string): readonly Took[];
export function timesTable(times: readonly Took[]): string;
