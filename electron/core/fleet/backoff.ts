/** When to try again: every second for the first 30 s, then ever more slowly. Pure. */

const EAGER_MS = 30_000;
const EAGER_DELAY_MS = 1_000;
/** As many attempts fit into the eager phase. */
export const EAGER_ATTEMPTS = EAGER_MS / EAGER_DELAY_MS;
const LATER_DELAYS_MS = [2_000, 5_000, 15_000, 60_000] as const;

/** `lostForMs`: since the link was lost; `laterAttempts`: attempts made after the eager phase. */
export function retryDelayMs(lostForMs: number, laterAttempts: number): number {
  if (lostForMs < EAGER_MS) return EAGER_DELAY_MS;
  return LATER_DELAYS_MS[Math.min(laterAttempts, LATER_DELAYS_MS.length - 1)] ?? 60_000;
}

/** Up to a quarter sooner, so that hosts that were lost together do not all come back in the same instant. */
export const withJitter = (delayMs: number, random: number): number => delayMs * (1 - random / 4);
/** Hosts restored on start: spread, so that a gateway that all of them share is not hit at once. */
export const RESTORE_SPREAD_MS = 250;
