/** A packaged app, started as somebody without rights would: its fuses set, its sandbox on, its page over the DevTools. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { startDisplay } from './desktop.ts';
import { shareFolder, unprivilegedLauncher } from './unprivileged.ts';

const WINDOW_TIMEOUT_MS = 30_000;
const END_TIMEOUT_MS = 10_000;

export interface Packaged {
  readonly page: Page;
  /** What it printed so far. */
  said(): string;
  close(): Promise<void>;
}

export interface PackagedOptions {
  readonly executable: string;
  /** Its home, data and temporary files go below; shared with the unprivileged user. */
  readonly folder: string;
  /** Put before the command, as `nsenter …`. */
  readonly enter?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** Playwright's own way into Electron is --inspect, which a fuse has closed. */
function devToolsAddress(child: ChildProcess, said: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const give = (why: string): void => reject(new Error(`${why}: ${said()}`));
    const timer = setTimeout(() => give('no page came in time'), WINDOW_TIMEOUT_MS);
    child.once('exit', () => give('it ended'));
    child.stderr?.on('data', () => {
      const found = /DevTools listening on (ws:\S+)/.exec(said())?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(found);
    });
  });
}

export async function startPackaged(options: PackagedOptions): Promise<Packaged> {
  const { executable, folder, enter = [] } = options;
  for (const own of ['data', 'tmp', 'home', 'home/.ssh']) shareFolder(join(folder, own));
  const config = join(folder, 'home/.ssh/config');
  writeFileSync(config, 'Host hopper-from-config\n  HostName 127.0.0.1\n  Port 9\n');
  chmodSync(config, 0o644);
  const display = await startDisplay();
  const words = [...enter, unprivilegedLauncher(executable, folder)];
  const [command = ''] = words;
  const child = spawn(
    command,
    [...words.slice(1), '--disable-gpu', '--remote-debugging-port=0', '--inspect=0'],
    {
      env: {
        PATH: process.env['PATH'] ?? '',
        DISPLAY: display.name,
        HOME: join(folder, 'home'),
        TMPDIR: join(folder, 'tmp'),
        TRANCHE_DATA_DIR: join(folder, 'data'),
        ...options.environment,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (more: string) => (text += more));
  const said = (): string => text;
  let browser: Browser | null = null;
  const close = async (): Promise<void> => {
    await browser?.close();
    if (child.exitCode === null && child.signalCode === null) {
      const over = once(child, 'exit', { signal: AbortSignal.timeout(END_TIMEOUT_MS) });
      child.kill('SIGTERM');
      await over;
    }
    display.server.kill();
  };
  try {
    const address = await devToolsAddress(child, said);
    browser = await chromium.connectOverCDP(address, { timeout: WINDOW_TIMEOUT_MS, noDefaults: true });
    const [context] = browser.contexts();
    if (context === undefined) throw new Error('no context');
    const page = context.pages()[0] ?? (await context.waitForEvent('page', { timeout: WINDOW_TIMEOUT_MS }));
    await page.locator('.app').waitFor({ timeout: WINDOW_TIMEOUT_MS });
    return { page, said, close };
  } catch (error) {
    await close();
    throw new Error(`The app said: ${text}`, { cause: error });
  }
}
