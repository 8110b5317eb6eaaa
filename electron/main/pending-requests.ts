/** Requests that wait for the core, each with a bound. */
import type { Result } from '../../model/errors.ts';
import { fail } from '../../model/errors.ts';

/** Longer than any step of the core that a request waits for; what takes longer reports by events. */
export const REQUEST_TIMEOUT_MS = 120_000;

interface Waiting {
  readonly resolve: (result: Result<unknown>) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

export class PendingRequests {
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  get size(): number {
    return this.#waiting.size;
  }

  open(what: string): { readonly id: number; readonly answered: Promise<Result<unknown>> } {
    const id = this.#nextId++;
    const answered = new Promise<Result<unknown>>((resolve) => {
      const timer = setTimeout(
        () =>
          this.settle(id, fail('timed-out', `${what} was not answered in two minutes. It may still happen.`)),
        REQUEST_TIMEOUT_MS,
      );
      this.#waiting.set(id, { resolve, timer });
    });
    return { id, answered };
  }

  settle(id: number, result: Result<unknown>): void {
    const entry = this.#waiting.get(id);
    if (entry === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(entry.timer);
    entry.resolve(result);
  }

  failAll(message: string): void {
    for (const id of Array.from(this.#waiting.keys())) this.settle(id, fail('connection-lost', message));
  }
}
