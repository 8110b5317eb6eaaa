/**
 * Looking for a newer version, downloading it, installing it: each step is asked for by a person, except that with a
 * feed somebody looks once a day. Without a feed nothing here does anything, and the updater is not even loaded.
 */
import type { Result } from '../../model/errors.ts';
import { assertNever, fail, ok } from '../../model/errors.ts';
import type { UpdateAct, UpdateState } from '../../model/updates.ts';
import type { Feed } from './feed.ts';
import type { UpdaterDoor } from './updater.ts';

/** A server that has not said in this time which version is newest is treated as away. */
export const CHECK_TIMEOUT_MS = 30_000;
/** 100 MB over a slow line; the request itself is given up when nothing comes for a minute. */
export const DOWNLOAD_TIMEOUT_MS = 3_600_000;
/** Not at the start, when people want their hosts. */
export const FIRST_LOOK_MS = 60_000;
export const LOOK_EVERY_MS = 86_400_000;

export interface UpdatesOptions {
  readonly feed: Feed;
  readonly version: string;
  /** Loads the updater; called once at most, and only with a feed. */
  readonly open: (feed: string) => UpdaterDoor;
  readonly tell: (state: UpdateState) => void;
}

function bounded<T>(work: Promise<T>, limitMs: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`${what} took longer than ${String(limitMs / 1000)} s`)),
      limitMs,
    );
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

export class Updates {
  readonly #options: UpdatesOptions;
  #state: UpdateState;
  #door: UpdaterDoor | null = null;

  constructor(options: UpdatesOptions) {
    this.#options = options;
    this.#state = { kind: options.feed.kind === 'none' ? 'off' : 'idle' };
  }

  get state(): UpdateState {
    return this.#state;
  }

  /** Looks a minute from now and then daily; a person is told of what is found, and nothing is downloaded. */
  lookDaily(): void {
    if (this.#options.feed.kind !== 'set') return;
    const look = (): void => {
      if (this.#refusal('check') === null && this.#state.kind !== 'available') void this.#check();
    };
    setTimeout(look, FIRST_LOOK_MS).unref();
    setInterval(look, LOOK_EVERY_MS).unref();
  }

  /** Starts what was asked for; how it goes is told as states. */
  act(act: UpdateAct): Result<null> {
    const refusal = this.#refusal(act);
    if (refusal !== null) return fail('update-refused', refusal);
    switch (act) {
      case 'check':
        void this.#check();
        return ok(null);
      case 'download':
        void this.#download();
        return ok(null);
      case 'install':
        this.#install();
        return ok(null);
      default:
        return assertNever(act, 'act');
    }
  }

  #refusal(act: UpdateAct): string | null {
    const { kind } = this.#state;
    if (kind === 'off') return 'No update feed is set on this machine. Nothing was asked.';
    if (kind === 'checking' || kind === 'downloading' || kind === 'installing')
      return 'An update is being looked after already.';
    if (act === 'download' && kind !== 'available') return 'There is nothing to download.';
    if (act === 'install' && kind !== 'ready') return 'There is nothing to install.';
    // What was downloaded and verified is not thrown away by looking again.
    if (act === 'check' && kind === 'ready') return 'An update is ready to be installed.';
    return null;
  }

  #set(state: UpdateState): void {
    this.#state = state;
    this.#options.tell(state);
  }

  #failed(doing: UpdateAct, message: string, error: unknown): void {
    const detail = error instanceof Error ? error.message.slice(0, 2000) : String(error);
    this.#set({ kind: 'failed', doing, message, detail });
  }

  async #check(): Promise<void> {
    const { feed, version } = this.#options;
    if (feed.kind !== 'set') {
      const why = feed.kind === 'wrong' ? feed.why : '';
      this.#failed('check', `Updates cannot be looked for: ${why} Nothing was asked.`, why);
      return;
    }
    this.#set({ kind: 'checking' });
    try {
      this.#door ??= this.#options.open(feed.url);
      const found = await bounded(this.#door.check(), CHECK_TIMEOUT_MS, 'The answer');
      this.#set(found === null ? { kind: 'current', atMs: Date.now() } : { kind: 'available', ...found });
    } catch (error) {
      this.#failed(
        'check',
        `${new URL(feed.url).host} did not say which version is newest. Tranche ${version} stays as it is; try again later.`,
        error,
      );
    }
  }

  async #download(): Promise<void> {
    const { version: own } = this.#options;
    if (this.#state.kind !== 'available' || this.#door === null) return;
    const { version } = this.#state;
    this.#set({ kind: 'downloading', version, percent: null });
    try {
      const progress = (percent: number): void => {
        const whole = Math.floor(percent);
        if (this.#state.kind === 'downloading' && this.#state.percent !== whole)
          this.#set({ kind: 'downloading', version, percent: whole });
      };
      await bounded(this.#door.download(progress), DOWNLOAD_TIMEOUT_MS, 'The download');
      this.#set({ kind: 'ready', version });
    } catch (error) {
      this.#failed(
        'download',
        `Tranche ${version} was not downloaded whole, or is not the file that the feed names: it was thrown away. Tranche ${own} stays as it is.`,
        error,
      );
    }
  }

  #install(): void {
    if (this.#state.kind !== 'ready' || this.#door === null) return;
    const { version } = this.#state;
    this.#set({ kind: 'installing', version });
    try {
      // Quits the app when it has succeeded.
      this.#door.install();
    } catch (error) {
      this.#failed(
        'install',
        `Tranche ${version} was not installed: the system refused it, or nobody allowed it. Tranche ${this.#options.version} stays as it is.`,
        error,
      );
    }
  }
}
