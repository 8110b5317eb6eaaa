/** Serves dist/renderer, or another page that is built like it, with the app's own CSP and opens it in Chromium with the fake lab in the page. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { CONTENT_SECURITY_POLICY } from '../../electron/main/csp.ts';
import { shareFolder, unprivilegedLauncher } from '../e2e/unprivileged.ts';
import type { FakeOptions } from '../fakes/api.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const pages = join(root, 'dist/renderer');
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};

export const chromiumPath = (): string | null =>
  [process.env['CHROMIUM_PATH'] ?? '', '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
    (path) => path !== '' && existsSync(path),
  ) ?? null;

async function fakeScript(): Promise<string> {
  const built = await build({
    configFile: false,
    root,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      target: 'chrome114',
      lib: { entry: join(root, 'test/fakes/api.ts'), formats: ['iife'], name: 'trancheFakeLab' },
    },
  });
  const [output] = Array.isArray(built) ? built : [built];
  const chunk = output !== undefined && 'output' in output ? output.output[0] : undefined;
  if (chunk?.type !== 'chunk') throw new Error('the fake lab did not build');
  return chunk.code;
}

type PageOptions = FakeOptions & { width?: number; height?: number; dark?: boolean; hash?: string };

/** What is opened: the folder of a built page, and what is there once it has been drawn. */
export interface Site {
  readonly folder: string;
  readonly landmark: string;
}
const APP: Site = { folder: pages, landmark: '.app' };

/** Where a page that is opened again finds its lab's options: it has nothing else that outlives it. */
const OPTIONS_KEY = 'fake-options';

export interface Harness {
  readonly browser: Browser;
  open(options?: PageOptions): Promise<Page>;
  /** The same page with another lab and nothing remembered: a second faster than a page, and its process, of its own. */
  openAgain(page: Page, options: Omit<PageOptions, 'dark' | 'hash'>): Promise<void>;
  close(): Promise<void>;
}

function serve(folder: string): Promise<Server> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://page').pathname);
    const file = join(folder, path === '/' ? 'index.html' : path);
    readFile(file).then(
      (body) => {
        response.writeHead(200, {
          'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
          'content-security-policy': CONTENT_SECURITY_POLICY,
        });
        response.end(body);
      },
      () => response.writeHead(404).end(),
    );
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

export async function startHarness(site: Site = APP): Promise<Harness> {
  const executablePath = chromiumPath();
  if (executablePath === null) throw new Error('no Chromium: set CHROMIUM_PATH');
  const [script, server] = await Promise.all([fakeScript(), serve(site.folder)]);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const folder = shareFolder(mkdtempSync(join(tmpdir(), 'tranche-chromium-')));
  const browser = await chromium.launch({
    executablePath: unprivilegedLauncher(executablePath, folder),
    // Where the browser's own user may write.
    downloadsPath: folder,
    chromiumSandbox: true,
    args: ['--disable-gpu', '--disable-background-networking', '--font-render-hinting=none'],
  });
  return {
    browser,
    async open({ width = 1600, height = 1000, dark = true, hash = '', ...options } = {}) {
      const context = await browser.newContext({
        viewport: { width, height },
        colorScheme: dark ? 'dark' : 'light',
        reducedMotion: 'reduce',
      });
      const page = await context.newPage();
      await page.addInitScript({
        content: `window.__trancheFakeOptions = location.protocol === 'about:' ? {}
          : JSON.parse(sessionStorage.getItem('${OPTIONS_KEY}')) ?? ${JSON.stringify(options)};\n${script}`,
      });
      await page.addInitScript({
        content: `window.__cspViolations = [];
          document.addEventListener('securitypolicyviolation', (e) => window.__cspViolations.push(e.violatedDirective + ' ' + e.blockedURI));
          window.__errors = []; window.addEventListener('error', (e) => window.__errors.push(String(e.message)));`,
      });
      await page.goto(`http://127.0.0.1:${String(address.port)}/#${hash}`);
      await page.locator(site.landmark).waitFor();
      return page;
    },
    async openAgain(page, { width = 1600, height = 1000, ...options }) {
      await page.mouse.up();
      await page.mouse.move(-10, -10);
      await page.evaluate(
        ([key, json]) => {
          localStorage.clear();
          sessionStorage.setItem(key, json);
        },
        [OPTIONS_KEY, JSON.stringify(options)] as const,
      );
      await page.setViewportSize({ width, height });
      await page.goto(`http://127.0.0.1:${String(address.port)}/`);
      await page.locator(site.landmark).waitFor();
    },
    async close() {
      await browser.close();
      rmSync(folder, { recursive: true, force: true });
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
