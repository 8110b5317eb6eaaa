/** When to try again: twice a second for the first 30 s, then ever more slowly. Pure. */

/** So long after a loss attempts follow each other eagerly. */
export const EAGER_MS = 30_000;
/** An attempt that nobody answers costs one packet. */
const EAGER_PERIOD_MS = 500;
const LATER_DELAYS_MS = [2_000, 5_000, 15_000, 60_000] as const;
/** Never in the same instant: what made an attempt fail at once needs a moment to change. */
const PAUSE_MIN_MS = 100;
/**
 * While attempts follow each other, none waits longer than this for an answer: after an outage a waiting SYN is repeated
 * ever more seldom, a new one goes out at once.
 */
export const EAGER_LIMITS = { tcpMs: 1_500, handshakeMs: 5_000 } as const;
/** Hosts restored on start: spread, so that a gateway that all of them share is not hit at once. */
export const RESTORE_SPREAD_MS = 250;

export const isEager = (lostForMs: number): boolean => lostForMs < EAGER_MS;

export interface Loss {
  /** Since the link was lost. */
  readonly lostForMs: number;
  /** Since the last attempt began, or since the link had been made. */
  readonly attemptAgoMs: number;
  /** Attempts made after the eager phase. */
  readonly laterAttempts: number;
  /** 0…1: hosts that were lost together do not all come back in the same instant. */
  readonly random: number;
}

export function retryDelayMs({ lostForMs, attemptAgoMs, laterAttempts, random }: Loss): number {
  const sooner = 1 - random / 4;
  if (isEager(lostForMs)) return Math.max(PAUSE_MIN_MS, EAGER_PERIOD_MS * sooner - attemptAgoMs);
  return (LATER_DELAYS_MS[Math.min(laterAttempts, LATER_DELAYS_MS.length - 1)] ?? 60_000) * sooner;
}
