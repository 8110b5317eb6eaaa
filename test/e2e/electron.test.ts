/** The built desktop app in a real Electron, its sandbox on: what the window may do, and what it may not. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ElectronApplication, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PreloadApi } from '../../model/ipc.ts';
import { isBuilt, launchDesktop, runtimeFolder, whyNoRuntime, type Desktop } from './desktop.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

declare global {
  interface Window {
    readonly tranche?: PreloadApi;
  }
}

interface Metric {
  readonly pid: number;
  readonly name?: string;
}

describe.skipIf(runtimeFolder === null || !isBuilt)(`desktop app${whyNoRuntime}`, () => {
  let desktop: Desktop;
  let app: ElectronApplication;
  let page: Page;

  beforeAll(async () => {
    desktop = await launchDesktop();
    ({ app, page } = desktop);
  });
  afterAll(() => desktop?.close());

  const ask = (channel: string, args: unknown): Promise<unknown> =>
    page.evaluate(
      ([c, a]) => (window.tranche as { request(c: unknown, a: unknown): Promise<unknown> }).request(c, a),
      [channel, args],
    );

  it('shows its page, with a core that answers', async () => {
    expect(page.url()).toBe('app://bundle/index.html');
    expect(await ask('fleet:get', {})).toMatchObject({ ok: true });
  });

  it('gives the page one small bridge and nothing of Node', async () => {
    const seen = await page.evaluate(() => [
      typeof (window as { require?: unknown }).require,
      typeof (window as { process?: unknown }).process,
      Object.keys(window.tranche ?? {})
        .sort()
        .join(' '),
      window.tranche?.appVersion,
    ]);
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(seen).toEqual([
      'undefined',
      'undefined',
      'appVersion copyText onEventText platform request transport',
      version,
    ]);
  });

  it('runs the page inside the operating system sandbox', async () => {
    const pid = await app.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()[0]?.webContents.getOSProcessId(),
    );
    const argv = await app.evaluate(() => process.argv.join(' '));
    expect(argv).not.toContain('no-sandbox');
    // Seccomp 2: a system call filter is installed, as only the sandbox does.
    expect(readFileSync(`/proc/${String(pid)}/status`, 'utf8')).toMatch(/^Seccomp:\s+2$/m);
  });

  it('serves the bundle and no other file', async () => {
    const statuses = await app.evaluate(
      async ({ net }, addresses) => Promise.all(addresses.map(async (a) => (await net.fetch(a)).status)),
      [
        'app://bundle/index.html',
        'app://bundle/..%2felectron/main.cjs',
        'app://bundle/%2e%2e%2f%2e%2e%2fpackage.json',
        'app://bundle/missing.js',
        'app://elsewhere/index.html',
      ],
    );
    expect(statuses).toEqual([200, 404, 404, 404, 404]);
  });

  it('does not navigate, open windows or fetch from elsewhere', async () => {
    await page.evaluate(() => {
      location.href = 'https://example.com/';
    });
    expect(await page.evaluate(() => window.open('https://example.com/') === null)).toBe(true);
    const fetched = await page.evaluate(() =>
      fetch('https://example.com/').then(String, (e: unknown) => String(e)),
    );
    expect(fetched).toContain('Failed to fetch');
    expect(page.url()).toBe('app://bundle/index.html');
    expect(app.windows()).toHaveLength(1);
  });

  it('grants no permission', async () => {
    const answers = await page.evaluate(() =>
      Promise.all([
        Notification.requestPermission(),
        navigator.mediaDevices.getUserMedia({ audio: true }).then(
          () => 'granted',
          () => 'denied',
        ),
        navigator.clipboard.readText().then(
          () => 'granted',
          () => 'denied',
        ),
      ]),
    );
    expect(answers).toEqual(['denied', 'denied', 'denied']);
  });

  it('refuses arguments that the contract does not allow', async () => {
    expect(await ask('host:add', { address: 5 })).toMatchObject({
      ok: false,
      error: { code: 'bad-arguments' },
    });
    await expect(ask('evil', {})).rejects.toThrow('no such channel');
  });

  it('answers no page but its own, even through the same bridge', async () => {
    const answered = await app.evaluate(
      async ({ BrowserWindow }, preload) => {
        const other = new BrowserWindow({ show: false, webPreferences: { preload, sandbox: true } });
        await other.loadURL('data:text/html,forged');
        const script = 'window.tranche.request("fleet:get", {}).then((r) => JSON.stringify(r))';
        const result: unknown = await other.webContents.executeJavaScript(script);
        other.destroy();
        return String(result);
      },
      join(desktop.folder, 'app/dist/electron/preload.cjs'),
    );
    expect(JSON.parse(answered)).toMatchObject({ ok: false, error: { code: 'bad-arguments' } });
  });

  it('copies text through the main process', async () => {
    expect(await page.evaluate(() => window.tranche?.copyText('tranche run --slice a -- true'))).toBe(true);
    expect(await app.evaluate(({ clipboard }) => clipboard.readText())).toBe('tranche run --slice a -- true');
  });

  it('fills the menu bar from the commands, says why one is off, and runs what is picked', async () => {
    const item = (id: string) =>
      app.evaluate(({ Menu }, wanted) => {
        const found = Menu.getApplicationMenu()?.getMenuItemById(wanted);
        return found == null ? null : { enabled: found.enabled, why: found.toolTip, keys: found.accelerator };
      }, id);
    await expect
      .poll(() => item('slice.rename'))
      .toMatchObject({ enabled: false, why: 'Select a slice first.' });
    expect(await item('palette.open')).toMatchObject({ enabled: true, keys: 'CmdOrCtrl+K' });
    await app.evaluate(({ Menu }) => Menu.getApplicationMenu()?.getMenuItemById('help.keys')?.click());
    // Asked directly: Playwright still waits for the navigation that was refused above.
    await expect
      .poll(() => page.evaluate(() => document.querySelector('dialog[open] h2')?.textContent))
      .toBe('Keys');
    await page.keyboard.press('Escape');
  });

  it('follows a link that a second start was given, and connects to nothing', async () => {
    const second = spawn(
      desktop.launcher,
      ['--disable-gpu', join(desktop.folder, 'app'), 'tranche://host/nowhere.example'],
      { env: desktop.environment(), stdio: 'ignore' },
    );
    await new Promise((resolve) => second.on('exit', resolve));
    await expect
      .poll(() => page.locator('.toast').textContent())
      .toContain('“nowhere.example”. Nothing was connected');
  });

  it('hides instead of closing while a tray was chosen, and closes without one', async () => {
    const tray = {
      worst: 'warn',
      paused: false,
      hosts: [{ label: 'ada: 12.0 GiB free', link: 'tranche://host/ada' }],
    };
    const state = () =>
      app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().map((window) => window.isVisible()));
    expect(await ask('tray:show', { tray })).toEqual({ ok: true, value: null });
    await app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.close());
    await expect.poll(state).toEqual([false]);
    await app.evaluate(({ app: electron }) => electron.emit('second-instance', {}, []));
    await expect.poll(state).toEqual([true]);
    expect(await ask('tray:show', { tray: null })).toEqual({ ok: true, value: null });
  });

  it('saves a file where the user wants it', async () => {
    const path = join(desktop.folder, 'data/diagnostics.json');
    await app.evaluate(({ session }, to) => {
      session.defaultSession.once('will-download', (_event, item) => item.setSavePath(to));
    }, path);
    await app.evaluate(({ Menu }) => Menu.getApplicationMenu()?.getMenuItemById('app.diagnostics')?.click());
    const pressSave = (): Promise<boolean> =>
      page.evaluate(() => {
        const buttons = [...document.querySelectorAll<HTMLButtonElement>('dialog[open] button')];
        const save = buttons.find((button) => button.textContent === 'Save file');
        save?.click();
        return save !== undefined;
      });
    await expect.poll(pressSave).toBe(true);
    await expect
      .poll(() => {
        try {
          return (JSON.parse(readFileSync(path, 'utf8')) as { app?: { transport?: string } }).app?.transport;
        } catch {
          return null;
        }
      })
      .toBe('electron');
  });

  it('shows a notice of the system without complaint', async () => {
    expect(await ask('notice:show', { title: 'GPU 0 is free', body: 'x', link: null })).toEqual({
      ok: true,
      value: null,
    });
  });

  it('starts the core again when it dies, and the page goes on', async () => {
    const killed = await app.evaluate(({ app: electron }) => {
      const metrics = electron.getAppMetrics() as unknown as Metric[];
      const core = metrics.find((metric) => metric.name === 'Tranche core');
      if (core !== undefined) process.kill(core.pid, 'SIGKILL');
      return core !== undefined;
    });
    expect(killed).toBe(true);
    await expect
      .poll(() => ask('fleet:get', {}).catch(() => null), { timeout: 10_000 })
      .toMatchObject({ ok: true });
    await page.locator('.hosts').waitFor();
  });

  it('lets a second start only bring the first to the front', async () => {
    const second = spawn(desktop.launcher, ['--disable-gpu', join(desktop.folder, 'app')], {
      env: desktop.environment(),
      stdio: 'ignore',
    });
    const code = await new Promise((resolve) => second.on('exit', resolve));
    expect(code).toBe(0);
    expect(app.windows()).toHaveLength(1);
  });

  it('remembers where the window was', async () => {
    await app.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()[0]?.setBounds({ x: 20, y: 30, width: 1200, height: 800 }),
    );
    await app.close();
    expect(JSON.parse(readFileSync(join(desktop.folder, 'data/window.json'), 'utf8'))).toMatchObject({
      width: 1200,
      height: 800,
    });
  });
});
