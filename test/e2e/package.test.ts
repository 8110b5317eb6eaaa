/** The packaged app: what is in it, what its fuses forbid, and that it works with all of them set. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isBuilt, runtimeFolder, startDisplay, whyNoRuntime } from './desktop.ts';
import { isSandboxed, processesOf } from './processes.ts';
import { openLab } from './story.ts';
import { shareFolder, unprivilegedLauncher } from './unprivileged.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const PACKAGE_TIMEOUT_MS = 60_000;
const WINDOW_TIMEOUT_MS = 30_000;
const END_TIMEOUT_MS = 10_000;
/** electron-builder's own: what it sets is read back by the same packages. */
const require = createRequire(createRequire(import.meta.url).resolve('electron-builder'));
const asar = require('@electron/asar') as { listPackage(archive: string, options: object): string[] };
const fuses = require('@electron/fuses') as {
  getCurrentFuseWire(file: string): Promise<Record<string, number | string>>;
};
const [OFF, ON] = [48, 49];

describe.skipIf(runtimeFolder === null || !isBuilt)(`the packaged app${whyNoRuntime}`, () => {
  let folder: string;
  let app: string;
  let executable: string;
  let display: Awaited<ReturnType<typeof startDisplay>>;
  let running: ChildProcess | null = null;
  let browser: Browser | null = null;
  let page: Page;
  let said = '';

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tranche-package-'));
    shareFolder(folder);
    const packaging = spawn(
      process.execPath,
      [join(root, 'scripts/package.mjs'), '--dir', '--test-runtime', '--output', join(folder, 'release')],
      { stdio: ['ignore', 'ignore', 'inherit'], timeout: PACKAGE_TIMEOUT_MS },
    );
    expect(await once(packaging, 'exit')).toEqual([0, null]);
    app = join(folder, 'release/linux-unpacked');
    executable = join(app, 'tranche');
  });
  afterAll(async () => {
    await browser?.close();
    if (running !== null && running.exitCode === null) {
      const over = once(running, 'exit', { signal: AbortSignal.timeout(END_TIMEOUT_MS) });
      running.kill('SIGTERM');
      await over;
    }
    display?.server.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  it('holds the bundles and nothing of node_modules', () => {
    const names = asar.listPackage(join(app, 'resources/app.asar'), {});
    expect(names).toEqual(
      expect.arrayContaining(['/dist/electron/main.cjs', '/dist/lab.cjs', '/dist/renderer/index.html']),
    );
    expect(names.filter((name) => /node_modules|\.(ts|map)$/.test(name))).toEqual([]);
    expect(existsSync(join(app, 'resources/app'))).toBe(false);
  });

  it.each(['x86_64/tranche', 'aarch64/tranche', 'aarch64/libtranche.so', 'x86_64/sim/libcuda.so.1'])(
    'carries agent/%s outside the archive',
    (name) => expect(existsSync(join(app, 'resources/agent', name))).toBe(true),
  );

  it('has its fuses set', async () => {
    const { version, ...wire } = await fuses.getCurrentFuseWire(executable);
    expect(version).toBe('1');
    expect(wire).toEqual({
      0: OFF, // run as Node
      1: ON, // cookies encrypted
      2: OFF, // NODE_OPTIONS
      3: OFF, // --inspect
      4: ON, // integrity of the archive
      5: ON, // only from the archive
      6: OFF, // a V8 snapshot of its own
    });
  });

  it('opens its page, whatever the environment wants Node to do', async () => {
    for (const own of ['data', 'tmp', 'home', 'home/.ssh']) shareFolder(join(folder, own));
    const config = join(folder, 'home/.ssh/config');
    writeFileSync(config, 'Host hopper-from-config\n  HostName 127.0.0.1\n  Port 9\n');
    chmodSync(config, 0o644);
    display = await startDisplay();
    const launcher = unprivilegedLauncher(executable, folder);
    const child = spawn(launcher, ['--disable-gpu', '--remote-debugging-port=0', '--inspect=0'], {
      env: {
        PATH: process.env['PATH'] ?? '',
        DISPLAY: display.name,
        HOME: join(folder, 'home'),
        TMPDIR: join(folder, 'tmp'),
        TRANCHE_DATA_DIR: join(folder, 'data'),
        ELECTRON_RUN_AS_NODE: '1',
        NODE_OPTIONS: '--require /nowhere/evil.cjs',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    running = child;
    const address = await new Promise<string>((resolve, reject) => {
      const give = (why: string): void => reject(new Error(`${why}: ${said}`));
      const timer = setTimeout(() => give('no page came in time'), WINDOW_TIMEOUT_MS);
      child.once('exit', () => give('it ended'));
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        const found = /DevTools listening on (ws:\S+)/.exec(said)?.[1];
        if (found === undefined) return;
        clearTimeout(timer);
        resolve(found);
      });
    });
    // Playwright's own way into Electron is --inspect, which the fuse has closed.
    browser = await chromium.connectOverCDP(address, { timeout: WINDOW_TIMEOUT_MS, noDefaults: true });
    const [context] = browser.contexts();
    if (context === undefined) throw new Error('no context');
    page = context.pages()[0] ?? (await context.waitForEvent('page', { timeout: WINDOW_TIMEOUT_MS }));
    await page.locator('.app').waitFor({ timeout: WINDOW_TIMEOUT_MS });
    expect(page.url()).toBe('app://bundle/index.html');
    expect(said).not.toContain('Debugger listening');
  });

  it('runs its page in the sandbox', () => {
    const pages = processesOf(executable, '--type=renderer');
    expect(pages).toHaveLength(1);
    expect(pages.every(isSandboxed)).toBe(true);
    expect(processesOf(executable, '--no-sandbox')).toEqual([]);
  });

  // The simulator and the agents can only come from resources/agent, where a packaged app alone looks.
  it('starts the demo lab from its own resources', async () => {
    await openLab({ page, folder, name: 'packaged' });
    expect(existsSync(join(folder, 'build'))).toBe(false);
  });
});
