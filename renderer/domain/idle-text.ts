/** How long a slice has been idle, in words. Pure; the clock comes in. */
import { duration } from '../../model/units.ts';

const MINUTE_MS = 60_000;

export interface Idle {
  readonly sinceMs: number;
  /** It may have been idle before that already. */
  readonly atLeast: boolean;
}

/** null: busy, unknown, or not idle for long enough to be worth a word. */
export function idleLong(idle: Idle | null, nowMs: number, minutes: number): string | null {
  if (idle === null || nowMs - idle.sinceMs < minutes * MINUTE_MS) return null;
  return `${idle.atLeast ? 'at least ' : ''}${duration(nowMs - idle.sinceMs)}`;
}
