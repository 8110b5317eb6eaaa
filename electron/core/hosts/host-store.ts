/**
 * What the app remembers about hosts: typed ones, hidden ones, those to reconnect. One small file, written atomically.
 * Two programs may use it at once (the app, and `serve`): each change is made to what the file says at that moment.
 */
import { copyFile, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { NO_HOSTS, readHosts, writeHosts, type SavedHosts } from './saved-hosts.ts';

/** A change takes milliseconds; a lock this old was left by a program that was killed. */
const LOCK_STALE_MS = 10_000;
const LOCK_TIMEOUT_MS = 15_000;
const LOCK_RETRY_MS = 20;

type Change = (hosts: SavedHosts) => SavedHosts;
const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

export class HostStore {
  private readonly path: string;
  private saved: SavedHosts = NO_HOSTS;
  /** Made here and not yet in the file. */
  private readonly pending: Change[] = [];
  private writing: Promise<void> = Promise.resolve();
  /** Why the file must not be written over; null when it may. */
  private kept: string | null = null;

  constructor(folder: string) {
    this.path = join(folder, 'hosts.json');
  }

  get hosts(): SavedHosts {
    return this.saved;
  }

  /** A missing file is a first start. What is broken is kept aside, and the note says so. Never rejects. */
  async load(): Promise<string | null> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      this.kept = `${this.path} cannot be read (${codeOf(error)})`;
      return `${this.kept}; typed hosts are missing, and nothing is saved until that is mended.`;
    }
    const read = readHosts(text);
    this.saved = read?.hosts ?? NO_HOSTS;
    if (read?.dropped === 0) return null;
    const aside = await this.setAside(read === null);
    if (aside === null) {
      this.kept = `${this.path} is damaged and could not be kept aside`;
      return `${this.kept}; nothing is saved until that file is moved away.`;
    }
    return read === null
      ? `${this.path} was damaged and is kept as ${aside}; typed hosts must be typed again.`
      : `${String(read.dropped)} entries of ${this.path} could not be read and were left out; the file as it was is kept as ${aside}.`;
  }

  /** The name it got; null when there is no way. */
  private async setAside(whole: boolean): Promise<string | null> {
    for (const name of ['hosts.json.broken', `hosts.json.broken-${String(Date.now())}`]) {
      const path = join(dirname(this.path), name);
      try {
        await (whole ? rename(this.path, path) : copyFile(this.path, path));
        return name;
      } catch {
        // It may be a folder: the other name is tried, and its failure is told.
      }
    }
    return null;
  }

  /** Applies `change` and writes, one after the other. Rejects when the disk refuses; it holds here all the same. */
  update(change: Change): Promise<void> {
    this.saved = change(this.saved);
    this.pending.push(change);
    const write = this.writing.then(() => this.write(change));
    this.writing = write.catch(() => undefined); // the caller of this update hears of it; the next one starts afresh
    return write;
  }

  private async write(change: Change): Promise<void> {
    try {
      if (this.kept !== null) throw new Error(this.kept);
      await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
      const unlock = await this.lock();
      try {
        const before = await readFile(this.path, 'utf8').catch((error: unknown) => {
          if (codeOf(error) === 'ENOENT') return null;
          throw error;
        });
        const now = change((before === null ? null : readHosts(before)?.hosts) ?? NO_HOSTS);
        await this.replace(writeHosts(now));
        this.saved = this.pending.filter((one) => one !== change).reduce((hosts, next) => next(hosts), now);
      } finally {
        await unlock();
      }
    } finally {
      this.pending.splice(this.pending.indexOf(change), 1);
    }
  }

  private async replace(text: string): Promise<void> {
    const temporary = `${this.path}.new-${String(process.pid)}`;
    try {
      const file = await open(temporary, 'w', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  /** Only one program changes the file at a time. */
  private async lock(): Promise<() => Promise<void>> {
    const path = `${this.path}.lock`;
    const deadline = Date.now() + LOCK_TIMEOUT_MS;
    for (;;) {
      try {
        await (await open(path, 'wx', 0o600)).close();
        return () => rm(path, { force: true });
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error;
        if (Date.now() > deadline)
          throw new Error(`${path} is held by another program of Tranche`, { cause: error });
      }
      const made = await stat(path).catch(() => null); // given back meanwhile
      if (made !== null && Date.now() - made.mtimeMs > LOCK_STALE_MS) await rm(path, { force: true });
      else await delay(LOCK_RETRY_MS);
    }
  }
}
