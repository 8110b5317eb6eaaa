/** Lets at most `width` pass at a time, in order. Handshakes are the expensive part of connecting to many hosts. */
export class Gate {
  private readonly waiting: (() => void)[] = [];
  private free: number;

  constructor(width: number) {
    this.free = width;
  }

  /** `stepAside` gives the place up while its argument runs: a host that waits for an answer holds nobody else up. */
  async pass<T>(work: (stepAside: <U>(wait: () => Promise<U>) => Promise<U>) => Promise<T>): Promise<T> {
    await this.enter();
    let inside = true;
    let holding = true;
    let waits = 0;
    const step = (wants: boolean): void => {
      if (holding && !wants) this.leave();
      holding = wants;
    };
    try {
      return await work(async (wait) => {
        // A connection may ask again long after it has passed.
        if (!inside) return wait();
        waits += 1;
        step(false);
        try {
          return await wait();
        } finally {
          waits -= 1;
          if (waits === 0 && inside) {
            await this.enter();
            // It may have been given up meanwhile: a place that nobody gives back is lost to all hosts.
            if (inside) step(true);
            else this.leave();
          }
        }
      });
    } finally {
      inside = false;
      step(false);
    }
  }

  private async enter(): Promise<void> {
    if (this.free > 0) this.free -= 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  private leave(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.free += 1;
  }
}
