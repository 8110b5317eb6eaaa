/** Tells when a config file, or one that it includes, was written: editors replace files, so it is folders that are watched. */
import { watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';

/** An editor writes, renames and sets modes in one go. */
const SETTLE_MS = 200;
/** Folders: more than anybody spreads a config over. */
const FOLDERS_MAX = 16;

export class ConfigWatch {
  private readonly onChange: () => void;
  private readonly watchers = new Map<string, FSWatcher>();
  private names = new Set<string>();
  private timer: NodeJS.Timeout | null = null;

  constructor(onChange: () => void) {
    this.onChange = onChange;
  }

  /** These files from now on. A folder that is not there is not watched, until the next look at the config. */
  set(files: readonly string[]): void {
    this.names = new Set(files.map((file) => basename(file)));
    const folders = new Set(files.map((file) => dirname(file)).slice(0, FOLDERS_MAX));
    for (const [folder, watcher] of this.watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.watchers.delete(folder);
    }
    for (const folder of folders) if (!this.watchers.has(folder)) this.add(folder);
  }

  close(): void {
    this.set([]);
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
  }

  private add(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        // A file that an Include pattern may match can have any name; what is written all the time has not.
        if (name === null || this.names.has(name) || !/^known_hosts|\.sock|\.swp$|~$/.test(name)) this.soon();
      });
      watcher.on('error', () => {
        watcher.close();
        this.watchers.delete(folder);
      });
      this.watchers.set(folder, watcher);
    } catch {
      // Not there, or not watchable: the config is read again whenever the list is asked for.
    }
  }

  private soon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.onChange();
    }, SETTLE_MS);
  }
}
