/**
 * The only door to electron-updater, a bundle of its own: it is loaded when updates are first looked for, and never
 * without a feed. It decides nothing: it looks, downloads and installs when told to.
 */
import { CancellationToken, DebUpdater, autoUpdater } from 'electron-updater';

export interface FoundUpdate {
  readonly version: string;
  readonly bytes: number | null;
}

export interface UpdaterDoor {
  /** null: nothing newer. Rejects where the feed cannot be asked or understood. */
  check(): Promise<FoundUpdate | null>;
  /** Resolves when the file is here and its SHA-512 is the feed's; `onProgress` in percent. */
  download(onProgress: (percent: number) => void): Promise<void>;
  /** Installs what was downloaded and quits the app. Throws with what the system said, and then nothing has changed. */
  install(): void;
}

const log = (text: unknown): void => console.log(`updates: ${String(text)}`);

export function openUpdater(feed: string): UpdaterDoor {
  autoUpdater.logger = { info: log, warn: log, error: log, debug: () => undefined };
  // A person says when.
  autoUpdater.autoDownload = false;
  autoUpdater.autoInstallOnAppQuit = false;
  autoUpdater.allowDowngrade = false;
  autoUpdater.disableWebInstaller = true;
  // There are no block maps beside a deb or an rpm, and asking for parts of files tells a server more than asking for one.
  autoUpdater.disableDifferentialDownload = true;
  // By itself it sends a number that it has drawn for this installation; ours tells nobody anything.
  autoUpdater.requestHeaders = { 'x-user-staging-id': 'none' };
  autoUpdater.setFeedURL({ provider: 'generic', url: feed });
  // With dpkg, its first choice, a refused password is followed by a second question, for `apt-get install -f`, and if
  // that one is granted, by a success that is none.
  if (autoUpdater instanceof DebUpdater) process.env['ELECTRON_BUILDER_LINUX_PACKAGE_MANAGER'] = 'apt';
  let failure: Error | null = null;
  // Without a listener Node would throw it; the promises below reject with the same.
  autoUpdater.on('error', (error) => (failure = error));
  let onPercent: (percent: number) => void = () => undefined;
  autoUpdater.on('download-progress', ({ percent }) => onPercent(percent));
  return {
    check: async () => {
      if (!autoUpdater.isUpdaterActive())
        throw new Error('This copy of Tranche was not installed by a package that can be updated.');
      const answer = await autoUpdater.checkForUpdates();
      if (answer === null) throw new Error('Nothing was asked: this copy cannot be updated.');
      if (!answer.isUpdateAvailable) return null;
      const sizes = answer.updateInfo.files.flatMap(({ size }) => size ?? []);
      return { version: answer.updateInfo.version, bytes: sizes.length > 0 ? Math.max(...sizes) : null };
    },
    download: async (onProgress) => {
      onPercent = onProgress;
      await autoUpdater.downloadUpdate(new CancellationToken());
    },
    install: () => {
      failure = null;
      autoUpdater.quitAndInstall();
      // The installer runs before this returns; what went wrong came as an event meanwhile.
      if (failure !== null) throw failure as Error;
    },
  };
}
