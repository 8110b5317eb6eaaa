/**
 * The story that Tranche must tell, tried as a new user would: demo lab, live GPUs, an edge dragged and met by the
 * program behind it, a slice by one click, one handed over and taken back, the run command pasted on the host, a
 * terminal in the slice.
 * The same steps run in Electron and in Chromium over serve.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';

/** The lab starts, deploys two agents and runs programs: seconds on an idle machine. */
const LAB_TIMEOUT_MS = 60_000;
const STEP_TIMEOUT_MS = 20_000;

export interface Stage {
  readonly page: Page;
  /** Everything that this run starts lives below here; finds the lab's own root. */
  readonly folder: string;
  /** Names the pictures in test-results/. */
  readonly name: string;
}

const pictures = fileURLToPath(new URL('../../test-results/', import.meta.url));

export async function picture({ page, name }: Stage, step: string): Promise<void> {
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}-${step}.png`) });
}

const sliceBar = (page: Page, name: string): Locator =>
  page.getByRole('slider', { name: new RegExp(`^${name},`) });
const limitOf = async (page: Page, name: string): Promise<number> =>
  Number(await sliceBar(page, name).getAttribute('aria-valuenow'));
/** `20.0 GiB, 15.3 GiB in use…` → 15.3 */
async function usedBy(page: Page, name: string): Promise<number> {
  const text = (await sliceBar(page, name).getAttribute('aria-valuetext')) ?? '';
  return Number(/([\d.]+) GiB in use/.exec(text)?.[1] ?? Number.NaN);
}

export async function openLab(stage: Stage): Promise<void> {
  const { page } = stage;
  await page.getByText('hopper-from-config').first().waitFor({ timeout: STEP_TIMEOUT_MS });
  await picture(stage, '1-hosts');
  await page.getByRole('button', { name: 'Demo lab' }).click();
  for (const host of ['demo-hopper', 'demo-ada'])
    await page.getByText(host).first().waitFor({ timeout: LAB_TIMEOUT_MS });
  await page.getByRole('button', { name: /^demo-ada,/ }).click();
  await sliceBar(page, 'nightly').waitFor({ timeout: LAB_TIMEOUT_MS });
  // Programs run in their slices, with memory in use. That of nightly goes from 17.8 GiB to its limit and back about once a
  // second, so that a sample a second can meet the same moment for a long time.
  await expect.poll(() => usedBy(page, 'finetune'), { timeout: LAB_TIMEOUT_MS }).toBeGreaterThan(1);
  await expect.poll(() => usedBy(page, 'nightly'), { timeout: LAB_TIMEOUT_MS }).toBeGreaterThan(15);
  await picture(stage, '2-live');
}

/** Drags the right edge of `name` by `gib`, in steps as a hand would. */
async function dragEdge(page: Page, name: string, gib: number): Promise<void> {
  const slider = sliceBar(page, name);
  const box = await slider.boundingBox();
  const limit = await limitOf(page, name);
  if (!box) throw new Error(`${name} is not on screen`);
  const [x, y] = [box.x + box.width, box.y + box.height / 2];
  const target = x + (box.width / limit) * gib;
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move((x + target) / 2, y, { steps: 5 });
  await page.mouse.move(target, y, { steps: 5 });
}

export async function dragMeetsProgram(stage: Stage): Promise<void> {
  const { page } = stage;
  const before = await limitOf(page, 'nightly');
  await dragEdge(page, 'nightly', 5);
  await picture(stage, '3-dragging');
  expect(await limitOf(page, 'nightly'), 'nothing is sent before release').toBeGreaterThanOrEqual(before);
  await page.mouse.up();
  await expect.poll(() => limitOf(page, 'nightly'), { timeout: STEP_TIMEOUT_MS }).toBeCloseTo(before + 5, 0);
  // The greedy program behind the edge takes what it was given: beyond the old limit, never beyond the new one.
  await expect.poll(() => usedBy(page, 'nightly'), { timeout: STEP_TIMEOUT_MS }).toBeGreaterThan(before + 1);
  expect(await usedBy(page, 'nightly')).toBeLessThanOrEqual((await limitOf(page, 'nightly')) + 0.6);
  await sliceBar(page, 'nightly').click({ position: { x: 60, y: 20 } });
  await page.getByRole('group', { name: 'Slice nightly' }).waitFor();
  await picture(stage, '4-resized');
}

export async function escapeLeavesItAlone({ page }: Stage): Promise<void> {
  const before = await limitOf(page, 'nightly');
  await dragEdge(page, 'nightly', -4);
  await page.keyboard.press('Escape');
  await page.mouse.up();
  expect(await limitOf(page, 'nightly')).toBe(before);
}

export async function resizeByKeyboard({ page }: Stage): Promise<void> {
  const slider = sliceBar(page, 'finetune');
  const before = await limitOf(page, 'finetune');
  await slider.focus();
  for (let press = 0; press < 4; press += 1) await page.keyboard.press('ArrowLeft');
  await expect.poll(() => limitOf(page, 'finetune'), { timeout: STEP_TIMEOUT_MS }).toBe(before - 2);
  await page
    .getByText(/finetune (shrunk|will shrink) from/)
    .first()
    .waitFor();
  await page.keyboard.press('Control+z');
  await expect.poll(() => limitOf(page, 'finetune'), { timeout: STEP_TIMEOUT_MS }).toBe(before);
}

export async function oneClickGivesASlice(stage: Stage): Promise<void> {
  const { page } = stage;
  const count = await page.getByRole('slider').count();
  await page
    .getByRole('button', { name: /^Quarter/ })
    .first()
    .click();
  await expect.poll(() => page.getByRole('slider').count(), { timeout: STEP_TIMEOUT_MS }).toBe(count + 1);
  await picture(stage, '5-created');
  await page.getByRole('button', { name: /^Undo/ }).click();
  await expect.poll(() => page.getByRole('slider').count(), { timeout: STEP_TIMEOUT_MS }).toBe(count);
}

export async function handOverAndUndo(stage: Stage): Promise<void> {
  const { page } = stage;
  await sliceBar(page, 'finetune').click({ position: { x: 60, y: 20 } });
  const inspector = page.getByRole('group', { name: 'Slice finetune' });
  await inspector.getByRole('button', { name: 'More commands' }).click();
  await page.getByRole('menuitem', { name: 'mira' }).click();
  await page.getByRole('slider', { name: /^finetune, mira,/ }).waitFor({ timeout: STEP_TIMEOUT_MS });
  await picture(stage, '6-given');
  await page.getByRole('button', { name: /^Undo/ }).click();
  await page.getByRole('slider', { name: /^finetune, wei,/ }).waitFor({ timeout: STEP_TIMEOUT_MS });
}

/** Environment and user of the lab host's agent: what a terminal on that host would have. */
function terminalOn(host: string, folder: string): { env: Record<string, string>; uid: number } {
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const pairs = readFileSync(`/proc/${pid}/environ`, 'utf8')
        .split('\0')
        .filter((pair) => pair.includes('='));
      const env = Object.fromEntries(
        pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const),
      );
      const root = env['TRANCHE_ROOT'] ?? '';
      if (!root.startsWith(folder) || !root.endsWith(`/${host}`)) continue;
      const uid = Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
      return { env, uid };
    } catch {
      // gone meanwhile, or another user's
    }
  }
  throw new Error(`no process of ${host} below ${folder}`);
}

export async function runCommandLandsInTheSlice(stage: Stage): Promise<void> {
  const { page, folder } = stage;
  const inspector = page.getByRole('group', { name: 'Slice finetune' });
  const command = (await inspector.locator('.run code').textContent()) ?? '';
  // No link was made: in full, so that it works in any shell of this host.
  expect(command).toMatch(/^\/\S+\/current\/tranche run --slice finetune -- python train\.py$/);
  await inspector.getByRole('button', { name: 'Copy the run command' }).click();
  const { env, uid } = terminalOn('demo-ada', folder);
  const workload = join(env['TRANCHE_DRIVER_DIR'] ?? '', 'tranche-sim-workload');
  // On a simulated host there is no python with a GPU in it: the simulated notebook stands for train.py.
  const pasted = command.replace(
    'python train.py',
    `${workload} notebook --memory 1073741824 --process-title pasted-train.py`,
  );
  const terminal = spawn('/bin/sh', ['-c', `exec ${pasted}`], {
    env,
    stdio: 'ignore',
    ...(process.getuid?.() === 0 && uid !== 0 ? { uid, gid: uid } : {}),
  });
  try {
    const row = page.getByRole('row', { name: /pasted-train\.py/ }).first();
    await row.waitFor({ timeout: STEP_TIMEOUT_MS });
    expect(await row.textContent()).toContain('finetune');
    await picture(stage, '7-pasted');
  } finally {
    terminal.kill('SIGKILL');
  }
}

export async function aTerminalIsInTheSlice(stage: Stage): Promise<void> {
  const { page } = stage;
  await page
    .getByRole('group', { name: 'Slice finetune' })
    .getByRole('button', { name: 'Open terminal' })
    .click();
  const screen = page.locator('.terminal-place .xterm-rows');
  const says = (): Promise<string> => screen.innerText().then((text) => text.replaceAll(/\s+/g, ' '));
  await expect.poll(says, { timeout: STEP_TIMEOUT_MS }).toMatch(/[$#>%] ?$/);
  await page.keyboard.type('echo "in-$TRANCHE_SLICES"; stty size');
  await page.keyboard.press('Enter');
  await expect.poll(says, { timeout: STEP_TIMEOUT_MS }).toMatch(/in-s-[0-9a-f]{16} \d+ \d+/);
  // By its name alone, too, without any link.
  await page.keyboard.type('tranche version');
  await page.keyboard.press('Enter');
  await expect.poll(says, { timeout: STEP_TIMEOUT_MS }).toMatch(/tranche version (tranche )?\d+\.\d+\.\d+/);
  await picture(stage, '8-terminal');
  await page.keyboard.type('exit');
  await page.keyboard.press('Enter');
  await page.locator('.terminal-tab').waitFor({ state: 'detached', timeout: STEP_TIMEOUT_MS });
}

const CHAPTERS = [
  openLab,
  dragMeetsProgram,
  escapeLeavesItAlone,
  resizeByKeyboard,
  oneClickGivesASlice,
  handOverAndUndo,
  runCommandLandsInTheSlice,
  aTerminalIsInTheSlice,
];

export async function tellStory(stage: Stage): Promise<void> {
  for (const chapter of CHAPTERS) {
    try {
      await chapter(stage);
    } catch (error) {
      await picture(stage, 'failed');
      throw error;
    }
  }
}
