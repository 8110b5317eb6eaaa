/** Waits that end whatever becomes of what they wait for: after a time, or with a signal. */

export class TookTooLongError extends Error {}
export class AbortedError extends Error {}

export interface Bounds {
  /** In ms; null: only the signal ends the wait. */
  readonly limitMs: number | null;
  readonly signal?: AbortSignal;
}

/**
 * What `work` comes to. Rejects with TookTooLongError or AbortedError as soon as a bound is reached; what `work` brings
 * after that goes to `late`, so that nothing stays open that nobody holds.
 */
export function within<T>(
  work: Promise<T>,
  { limitMs, signal }: Bounds,
  late: (value: T) => void = () => undefined,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let over = false;
    let timer: NodeJS.Timeout | undefined;
    const settle = (then: () => void): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      then();
    };
    const abort = (): void => {
      settle(() => {
        reject(new AbortedError('cancelled'));
      });
    };
    if (limitMs !== null)
      timer = setTimeout(() => {
        settle(() => {
          reject(new TookTooLongError(`it took longer than ${String(limitMs / 1000)} s`));
        });
      }, limitMs);
    work.then(
      (value) => {
        if (over) late(value);
        settle(() => {
          resolve(value);
        });
      },
      (error: unknown) => {
        settle(() => {
          reject(error);
        });
      },
    );
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
  });
}
