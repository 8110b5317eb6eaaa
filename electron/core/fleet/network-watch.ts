/**
 * Tells when it is worth trying again at once: this computer has slept, or has got another address. Looked at only while
 * a host waits for its next attempt, since nothing else depends on it.
 */
import { networkInterfaces } from 'node:os';

const LOOK_MS = 1_000;
/** A timer that is this late has not been late but asleep. */
const SLEPT_MS = 10_000;

export interface NetworkView {
  readonly nowMs: number;
  /** The addresses of this computer, but for loopback. */
  readonly addresses: readonly string[];
}

export function lookAtNetwork(): NetworkView {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return {
    nowMs: Date.now(),
    addresses: all.flatMap(({ address, internal }) => (internal ? [] : [address])),
  };
}

/** An address that went away is no reason to try: only a new one, or a sleep, is. */
export function isWorthTrying(before: NetworkView, now: NetworkView): boolean {
  return (
    now.nowMs - before.nowMs > SLEPT_MS ||
    now.addresses.some((address) => !before.addresses.includes(address))
  );
}

export class NetworkWatch {
  private readonly onChange: () => void;
  private readonly look: () => NetworkView;
  private timer: NodeJS.Timeout | null = null;
  private last: NetworkView | null = null;

  constructor(onChange: () => void, look: () => NetworkView = lookAtNetwork) {
    this.onChange = onChange;
    this.look = look;
  }

  /** `wanted`: whether somebody waits. */
  set(wanted: boolean): void {
    if (wanted === (this.timer !== null)) return;
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    if (!wanted) return;
    this.last = this.look();
    this.timer = setInterval(() => {
      this.check();
    }, LOOK_MS);
    this.timer.unref();
  }

  private check(): void {
    const { last } = this;
    const now = this.look();
    this.last = now;
    if (last !== null && isWorthTrying(last, now)) this.onChange();
  }
}
