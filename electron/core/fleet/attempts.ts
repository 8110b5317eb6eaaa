/** What is remembered of the attempts to reach one host: since when it is lost, and when the next one is due. */
import type { Failure } from '../../../model/errors.ts';
import { EAGER_LIMITS, EAGER_MS, isEager, retryDelayMs } from './backoff.ts';

/** Failures that another try cannot mend. */
const FINAL_CODES = new Set<Failure['code']>([
  'authentication-failed',
  'authentication-cancelled',
  'sign-in-needs-you',
  'host-key-unknown',
  'host-key-changed',
  'host-key-revoked',
  'ssh-config-invalid',
  'bad-host-name',
  'agent-version-mismatch',
  'cancelled',
  'unsupported-system',
]);

/** A host that was there for this long is lost anew when it goes. */
const STEADY_MS = 10_000;

export class Attempts {
  private wasReached = false;
  /** Since when the link that was there is gone; null while it is there, and before the first. */
  private lostAtMs: number | null = null;
  private count = 0;
  /** When the host was seen last; null: not in this attempt. */
  private seenAtMs: number | null = null;
  /** The loss before, which goes on if the host is not there for long. */
  private lostBeforeAtMs: number | null = null;
  /** Those made after the eager phase. */
  private later = 0;
  private lastAtMs = 0;

  /** The user asks for the host. `patient`: one restored on start counts as reached before. */
  restart(patient: boolean): void {
    this.wasReached ||= patient;
    this.lostAtMs = null;
    this.count = 0;
    this.later = 0;
  }

  begin(): void {
    this.count += 1;
    this.lastAtMs = Date.now();
    this.seenAtMs = null;
    if (this.isLost && !this.isEagerNow) this.later += 1;
  }

  /** The network is another one: what was put off may be tried eagerly again. */
  networkChanged(): void {
    this.lostAtMs = Date.now();
    this.later = 0;
  }

  /** The host has answered: from now on it is waited for. */
  reached(): void {
    this.wasReached = true;
  }

  /** It can be looked at. */
  found(): void {
    this.wasReached = true;
    this.seenAtMs ??= Date.now();
    this.lostBeforeAtMs = this.lostAtMs ?? this.lostBeforeAtMs;
    this.lostAtMs = null;
  }

  /** Signed in, and nothing came of it: each further try is another sign-in, so they follow each other slowly. */
  inVain(): void {
    this.lostAtMs = Date.now() - EAGER_MS;
  }

  /** Whether this attempt ended before the host could be looked at. */
  sawNothing(): boolean {
    return this.seenAtMs === null;
  }

  /** Its agent is followed: the next loss begins to count anew. */
  live(): void {
    this.found();
    this.count = 0;
    this.later = 0;
  }

  get everReached(): boolean {
    return this.wasReached;
  }

  get isLost(): boolean {
    return this.lostAtMs !== null;
  }

  /** A host that was never reached is not waited for: the user is told what is wrong. */
  isWorthAnother(failure: Failure): boolean {
    return this.wasReached && !FINAL_CODES.has(failure.code);
  }

  /** Shorter limits for an attempt that another follows at once; null where there is time. */
  get limits(): typeof EAGER_LIMITS | null {
    return this.isEagerNow ? EAGER_LIMITS : null;
  }

  /** An attempt or the link failed. How often was tried, and when it is tried again: `atMs` is in ms of `Date.now()`. */
  next(): { readonly attempt: number; readonly delayMs: number; readonly atMs: number } {
    const now = Date.now();
    // One that ends soon each time is not eagerly tried for ever: its loss goes on from where it was.
    const wasSteady = this.seenAtMs !== null && now - this.seenAtMs >= STEADY_MS;
    if (wasSteady) this.lostBeforeAtMs = null;
    this.lostAtMs ??= this.lostBeforeAtMs ?? now;
    const delayMs = retryDelayMs({
      lostForMs: now - this.lostAtMs,
      attemptAgoMs: now - this.lastAtMs,
      laterAttempts: this.later,
      random: Math.random(),
    });
    return { attempt: this.count, delayMs, atMs: now + delayMs };
  }

  private get isEagerNow(): boolean {
    return this.lostAtMs !== null && isEager(Date.now() - this.lostAtMs);
  }
}
