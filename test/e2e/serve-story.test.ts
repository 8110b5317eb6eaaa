/** The story in Chromium over `serve`, both as an unprivileged user, and what the page must never do meanwhile. */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chromiumPath } from '../renderer/e2e-harness.ts';
import { tellStory } from './story.ts';
import { isRoot, shareFolder, unprivilegedLauncher } from './unprivileged.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const browserPath = chromiumPath();
const START_TIMEOUT_MS = 20_000;
const UNPRIVILEGED_ID = 65534;

describe.skipIf(browserPath === null)('serve', () => {
  let folder: string;
  let server: ChildProcess;
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tranche-serve-'));
    shareFolder(folder);
    const home = shareFolder(join(folder, 'home'));
    const temporary = shareFolder(join(folder, 'tmp'));
    shareFolder(join(home, '.ssh'));
    writeFileSync(join(home, '.ssh/config'), 'Host hopper-from-config\n  HostName 127.0.0.1\n  Port 9\n');
    chmodSync(join(home, '.ssh/config'), 0o644);
    // The checkout may lie where nobody else can read.
    for (const name of ['dist', 'build/agent'])
      cpSync(join(root, name), join(folder, 'app', name), { recursive: true });
    mkdirSync(join(folder, 'data'));
    shareFolder(join(folder, 'data'));
    server = spawn(process.execPath, [join(folder, 'app/dist/serve.cjs')], {
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: home,
        TMPDIR: temporary,
        TRANCHE_NO_BROWSER: '1',
        TRANCHE_DATA_DIR: join(folder, 'data'),
        TRANCHE_APP_VERSION: '0.1.0',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
      ...(isRoot() ? { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID } : {}),
    });
    const url = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error('serve printed no address'));
      }, START_TIMEOUT_MS);
      server.stdout?.on('data', (chunk: Buffer) => {
        const found = /http:\/\/127\.0\.0\.1:\S+/.exec(chunk.toString());
        if (!found) return;
        clearTimeout(timer);
        resolve(found[0]);
      });
    });
    browser = await chromium.launch({
      executablePath: unprivilegedLauncher(browserPath ?? '', folder),
      chromiumSandbox: true,
      args: [
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    page = await browser.newPage({ viewport: { width: 1600, height: 1000 }, colorScheme: 'dark' });
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => {
        console.error(`CSP ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    page.on('console', (message) => {
      if (message.type() === 'error' && !/favicon/.test(message.location().url))
        complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(url);
  });
  afterAll(async () => {
    await browser?.close();
    if (server?.exitCode === null) {
      const over = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      await over;
    }
    rmSync(folder, { recursive: true, force: true });
  });

  it('tells the whole story', async () => {
    await tellStory({ page, folder, name: 'serve' });
  });

  it('made no complaint meanwhile: no error, no CSP violation', () => {
    expect(complaints).toEqual([]);
  });

  it('keeps the token out of the address bar and takes it once', async () => {
    expect(page.url()).not.toContain('token');
    const again = await page.evaluate(
      async () => (await fetch('/session', { method: 'POST', body: '{"token":"used"}' })).status,
    );
    expect(again).toBe(403);
  });
});
