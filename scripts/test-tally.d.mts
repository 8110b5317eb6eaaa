export interface TallyFailure {
  readonly name: string;
  readonly why: string | null;
}
export function readTally(text: string): {
  readonly counts: { passed: number; failed: number; skipped: number };
  readonly failures: readonly TallyFailure[];
  readonly skipped: readonly { readonly name: string; readonly meta: unknown }[];
  readonly retried: readonly TallyFailure[];
  readonly unended: readonly string[];
};
