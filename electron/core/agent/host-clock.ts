/**
 * The host's clock and ours. Every absolute time that goes to a host or comes from it passes here once, so that "ends in
 * an hour" is an hour on a host whose clock is wrong, and the window knows one clock only. Pure.
 */

/** Below this the difference is what a message takes, and a time is passed on as it is. */
const SLACK_MS = 2_000;

/** As the protocol calls absolute times; what lasts (`graceMs`, `tierMs`, `usedMs`) is called otherwise. */
const ABSOLUTE = /(?:^a|A)tMs$|^(?:from|to|since|until)Ms$/;

export class HostClock {
  /** By how much the host is ahead of this computer; 0 where nobody could tell. */
  readonly aheadMs: number;

  constructor(aheadMs: number) {
    this.aheadMs = aheadMs;
  }

  /** `hostTimeMs` was told in an answer to what was sent at `sentAtMs` and came at `cameAtMs`. */
  static measured(hostTimeMs: number | null, sentAtMs: number, cameAtMs: number): HostClock {
    if (hostTimeMs === null) return new HostClock(0);
    const aheadMs = Math.round(hostTimeMs - (sentAtMs + cameAtMs) / 2);
    return new HostClock(Math.abs(aheadMs) < SLACK_MS + (cameAtMs - sentAtMs) / 2 ? 0 : aheadMs);
  }

  /** What the host said, in this computer's time. */
  here<T>(said: T): T {
    return this.aheadMs === 0 ? said : (shifted(said, -this.aheadMs) as T);
  }

  /** What is asked of the host, in its own time. */
  there<T>(asked: T): T {
    return this.aheadMs === 0 ? asked : (shifted(asked, this.aheadMs) as T);
  }
}

function shifted(value: unknown, byMs: number, isTime = false): unknown {
  if (typeof value === 'number') return isTime ? Math.max(0, value + byMs) : value;
  if (Array.isArray(value)) return value.map((one) => shifted(one, byMs, isTime));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, shifted(one, byMs, ABSOLUTE.test(key))]),
  );
}
