/** How often something may happen: so many at once, and so many a second after that. Pure: the time comes in. */
export class Pace {
  private readonly burst: number;
  private readonly perSecond: number;
  private left: number;
  private atMs: number | null = null;

  constructor(burst: number, perSecond: number) {
    this.burst = burst;
    this.perSecond = perSecond;
    this.left = burst;
  }

  /** Takes `cost` of what is there. false: it was not enough, and nothing was taken. `nowMs` is any clock that goes on. */
  take(nowMs: number, cost = 1): boolean {
    const sinceMs = this.atMs === null ? 0 : Math.max(0, nowMs - this.atMs);
    this.atMs = nowMs;
    this.left = Math.min(this.burst, this.left + (sinceMs * this.perSecond) / 1000);
    if (this.left < cost) return false;
    this.left -= cost;
    return true;
  }

  /** In how many ms `cost` will be there. */
  waitMs(cost = 1): number {
    return Math.max(0, Math.ceil(((cost - this.left) * 1000) / this.perSecond));
  }
}
