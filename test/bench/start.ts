/**
 * From the start of a process to a list of hosts that can be clicked on, warm: the app has been started before on this
 * machine. The page says when the frame after the one with the hosts began (renderer/wiring.ts); a window counts from
 * when it is shown, if that is later.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext } from 'playwright-core';
import { prepareDesktop, runtimeFolder, whyNoRuntime } from '../e2e/desktop.ts';
import { shareFolder, unprivilegedLauncher } from '../e2e/unprivileged.ts';
import { repository } from '../integration/support/private-root.ts';
import { chromiumPath } from '../renderer/e2e-harness.ts';
import { attachToMain, debuggerOf } from './bare-app.ts';
import { makeFigure, median, type Figure } from './report.ts';

const ROUNDS = 5;
const WARM_UP_ROUNDS = 1;
const LINE_TIMEOUT_MS = 20_000;
const END_TIMEOUT_MS = 10_000;
const MARK = 'tranche:hosts-drawn';
const SSH_CONFIG = 'Host atelier\n  HostName 127.0.0.1\n  Port 9\n';

/** In ms of this machine's clock, when hosts were drawn; waits for it. */
const DRAWN_AT = `new Promise((resolve) => {
  const tell = () => {
    const [mark] = performance.getEntriesByName('${MARK}');
    if (mark === undefined || document.querySelector('[data-host-row]') === null) setTimeout(tell, 5);
    else resolve(performance.timeOrigin + mark.startTime);
  };
  tell();
})`;

/** Resolves with what a line of stdout matched, and when it came. */
function lineOf(child: ChildProcess, pattern: RegExp): Promise<{ match: RegExpExecArray; atMs: number }> {
  return new Promise((resolve, reject) => {
    let said = '';
    const timer = setTimeout(
      () => reject(new Error(`no ${String(pattern)} in time: ${said}`)),
      LINE_TIMEOUT_MS,
    );
    child.once('exit', () => reject(new Error(`it ended: ${said}`)));
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const match = pattern.exec(said);
      if (match === null) return;
      clearTimeout(timer);
      resolve({ match, atMs: Date.now() });
    });
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = once(child, 'exit', { signal: AbortSignal.timeout(END_TIMEOUT_MS) });
  child.kill('SIGTERM');
  await over;
}

async function rounds(one: () => Promise<number>): Promise<readonly number[]> {
  const times: number[] = [];
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    const seconds = (await one()) / 1000;
    if (round >= WARM_UP_ROUNDS) times.push(seconds);
  }
  return times;
}

async function electronTimes(): Promise<readonly number[]> {
  const prepared = await prepareDesktop({ sshConfig: SSH_CONFIG });
  try {
    return await rounds(async () => {
      const startedAtMs = Date.now();
      const child = spawn(prepared.launcher, ['--inspect=127.0.0.1:0', ...prepared.args], {
        env: { ...prepared.environment(), TRANCHE_SAY_READY: '1' },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      try {
        const [ready, address] = await Promise.all([lineOf(child, /^TRANCHE-READY$/m), debuggerOf(child)]);
        const inspector = await attachToMain(address);
        const drawnAtMs = await inspector.page<number>(DRAWN_AT);
        inspector.close();
        return Math.max(ready.atMs, drawnAtMs) - startedAtMs;
      } finally {
        await end(child);
      }
    });
  } finally {
    prepared.stop();
  }
}

/** One start of `serve`, and a new tab in a browser that is open already. */
async function served(browser: BrowserContext, folder: string): Promise<number> {
  const startedAtMs = Date.now();
  const child = spawn(process.execPath, [join(repository, 'dist/serve.cjs')], {
    env: {
      ...process.env,
      HOME: folder,
      TRANCHE_SSH_CONFIG: join(folder, 'config'),
      TRANCHE_DATA_DIR: join(folder, 'data'),
      TRANCHE_NO_BROWSER: '1',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const { match } = await lineOf(child, /^Open this address in a browser on this computer: (\S+)$/m);
    const page = await browser.newPage();
    await page.goto(match[1] ?? '', { waitUntil: 'commit' });
    // The address has a token that is exchanged: the page that stays is another one.
    await page.locator('[data-host-row]').first().waitFor();
    const drawnAtMs = await page.evaluate<number>(DRAWN_AT);
    await page.close();
    return drawnAtMs - startedAtMs;
  } finally {
    await end(child);
  }
}

async function serveTimes(): Promise<readonly number[]> {
  const executablePath = chromiumPath();
  if (executablePath === null) throw new Error('no Chromium: set CHROMIUM_PATH');
  const folder = shareFolder(mkdtempSync(join(tmpdir(), 'tranche-start-bench-')));
  writeFileSync(join(folder, 'config'), SSH_CONFIG);
  const browser = await chromium.launch({
    executablePath: unprivilegedLauncher(executablePath, folder),
    chromiumSandbox: true,
    args: ['--disable-gpu', '--disable-background-networking'],
  });
  try {
    // One profile with a tab that stays, as in a browser that somebody has open.
    const context = await browser.newContext();
    await context.newPage();
    return await rounds(() => served(context, folder));
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function figure(id: string, what: string, times: readonly number[], targetS: number): Figure {
  console.log(`${id}: ${times.map((time) => time.toFixed(2)).join(', ')} s`);
  return makeFigure(id, `${what}, median of ${String(ROUNDS)}`, median(times), 's', targetS);
}

export async function benchStarts(): Promise<readonly Figure[]> {
  if (runtimeFolder === null) throw new Error(`no Electron starts here${whyNoRuntime}`);
  return [
    figure(
      'start.electron',
      'warm start of Electron → hosts drawn in the shown window',
      await electronTimes(),
      2,
    ),
    figure(
      'start.serve',
      'warm start of serve → hosts drawn in a tab of an open browser',
      await serveTimes(),
      1,
    ),
  ];
}
