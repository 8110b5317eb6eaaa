/** The built desktop app in a real Electron on a display of its own, as an unprivileged user, its sandbox on. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { _electron, type ElectronApplication, type Page } from 'playwright-core';
import { ensureElectronRuntime } from '../../scripts/electron-runtime.mjs';
import { shareFolder, unprivilegedLauncher } from './unprivileged.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const WINDOW_TIMEOUT_MS = 30_000;

export const isBuilt = existsSync(join(root, 'dist/electron/main.cjs'));

/** What keeps Electron from starting on this machine, or null. */
function missingHere(): string | null {
  if (spawnSync('Xvfb', ['-help']).error) return 'Xvfb is not installed';
  return null;
}

function missingLibraries(folder: string): string | null {
  const listed = spawnSync('ldd', [join(folder, 'electron')], { encoding: 'utf8' });
  const missing = [...(listed.stdout ?? '').matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1]);
  return missing.length > 0 ? `system libraries are missing: ${missing.join(', ')}` : null;
}

const obtained = missingHere() === null ? await ensureElectronRuntime().catch(() => null) : null;
const why =
  missingHere() ?? (obtained === null ? 'its runtime cannot be obtained' : missingLibraries(obtained));
/** The runtime's folder where Electron can start, else null. */
export const runtimeFolder: string | null = why === null ? obtained : null;
/** Appended to a suite's name, so that a skip says why. */
export const whyNoRuntime = why === null ? '' : ` (${why})`;

export interface Desktop {
  readonly folder: string;
  readonly launcher: string;
  readonly app: ElectronApplication;
  readonly page: Page;
  environment(): Record<string, string>;
  close(): Promise<void>;
}

/** A display of our own, its number told by the server itself. */
export function startDisplay(): Promise<{ readonly name: string; readonly server: ChildProcess }> {
  const server = spawn(
    'Xvfb',
    ['-displayfd', '1', '-screen', '0', '1600x1000x24', '-nolisten', 'tcp', '-ac'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.on('exit', (code) => {
      reject(new Error(`Xvfb ended with ${String(code)}`));
    });
    server.stdout.once('data', (text: Buffer) => {
      resolve({ name: `:${text.toString().trim()}`, server });
    });
  });
}

export interface PreparedDesktop {
  readonly folder: string;
  readonly launcher: string;
  /** What the launcher is given: the app, in a copy that everybody can read. */
  readonly args: readonly string[];
  environment(): Record<string, string>;
  stop(): void;
}

export interface DesktopOptions {
  readonly sshConfig?: string;
  readonly agents?: boolean;
}

/** Everything but the start of the app. `sshConfig` becomes ~/.ssh/config of the user that it runs as. */
export async function prepareDesktop(options: DesktopOptions = {}): Promise<PreparedDesktop> {
  const folder = mkdtempSync(join(tmpdir(), 'tranche-desktop-'));
  shareFolder(folder);
  // The checkout may lie where nobody else can read.
  cpSync(runtimeFolder ?? '', join(folder, 'runtime'), { recursive: true });
  const parts = ['dist', 'package.json', ...(options.agents === true ? ['build/agent'] : [])];
  for (const part of parts) cpSync(join(root, part), join(folder, 'app', part), { recursive: true });
  for (const own of ['data', 'tmp', 'home']) shareFolder(join(folder, own));
  const launcher = unprivilegedLauncher(join(folder, 'runtime/electron'), folder);
  if (options.sshConfig !== undefined) {
    const config = join(shareFolder(join(folder, 'home/.ssh')), 'config');
    writeFileSync(config, options.sshConfig);
    chmodSync(config, 0o644);
  }
  const display = await startDisplay();
  return {
    folder,
    launcher,
    args: ['--disable-gpu', join(folder, 'app')],
    environment: () => ({
      ...(process.env as Record<string, string>),
      DISPLAY: display.name,
      HOME: join(folder, 'home'),
      TMPDIR: join(folder, 'tmp'),
      TRANCHE_DATA_DIR: join(folder, 'data'),
    }),
    stop: () => {
      display.server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function launchDesktop(options: DesktopOptions = {}): Promise<Desktop> {
  const prepared = await prepareDesktop(options);
  const { folder, launcher, args } = prepared;
  const environment = () => prepared.environment();
  const app = await _electron.launch({
    executablePath: launcher,
    args: [...args],
    env: environment(),
    timeout: WINDOW_TIMEOUT_MS,
    chromiumSandbox: true,
  });
  // What the app says of itself belongs to a failing test's output.
  app.process().stderr?.on('data', (text: Buffer) => {
    if (/Tranche|demo-|core|lab/.test(text.toString())) console.error(text.toString());
  });
  const page = await app.firstWindow();
  await page.locator('.app').waitFor();
  return {
    folder,
    launcher,
    app,
    page,
    environment,
    close: async () => {
      await app.close().catch(() => undefined); // a test may have closed it
      prepared.stop();
    },
  };
}
