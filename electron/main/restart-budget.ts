/** How often a dead process is started again: a few times in a row, and afresh once it has held for a while. */
const RESTARTS_MAX = 3;
const WINDOW_MS = 60_000;

export class RestartBudget {
  #taken: number[] = [];

  /** True if one more start is allowed now. */
  take(nowMs: number): boolean {
    this.#taken = this.#taken.filter((at) => nowMs - at < WINDOW_MS);
    if (this.#taken.length >= RESTARTS_MAX) return false;
    this.#taken.push(nowMs);
    return true;
  }
}
