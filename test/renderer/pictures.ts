/** Takes the picture of every screen into the folder given: for eyes, not for comparison. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { startHarness } from './e2e-harness.ts';
import { carryOver, takeEdge } from './gestures.ts';
import {
  COMPACT,
  VIEW_KEYS,
  chosen,
  fleet,
  fromPalette,
  host,
  palette,
  slider,
  view,
} from './picture-acts.ts';
import type { Options, Picture } from './picture-acts.ts';
import { MORE_PICTURES } from './pictures-more.ts';

/** Not said three times: the tour takes each screen once in its own sizes and themes. */
const nightly = chosen('nightly');
const nothing = (name: keyof typeof VIEW_KEYS) => async (page: Page) => {
  await fleet(name)(page);
  await page.keyboard.press('/');
  await page.keyboard.type('zzz');
};
const updates = (page: Page): Promise<void> => fromPalette(page, 'check for updates');
const diagnostics = (page: Page): Promise<void> => fromPalette(page, 'save diagnostics');
const tagsSheet = (page: Page): Promise<void> => fromPalette(page, 'tags…');
/** A scene whose host has a gate that was proved. */
const GATED: Options = { scene: 'gated' };
/** A scene whose host has quotas: one held to, one gone beyond, one counting slices only. */
const QUOTAS: Options = { scene: 'quotas' };
async function overQuota(page: Page): Promise<void> {
  await slider(page, 'finetune').click();
  await page.keyboard.press('g');
  await page.locator('.palette input').waitFor();
  await page.keyboard.type('tom');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: /over the quota/ }).waitFor();
}
const line = async (page: Page, text: string): Promise<void> => {
  await page.keyboard.type(text);
  await page.keyboard.press('Enter');
};
async function terminal(page: Page): Promise<void> {
  await slider(page, 'resnet-sweep').click();
  await fromPalette(page, 'open terminal in slice');
  await page.locator('.xterm-rows', { hasText: 'mira@hopper' }).waitFor();
  await line(page, 'colours');
  await line(page, 'evil');
}
async function terminals(page: Page): Promise<void> {
  await terminal(page);
  await fromDock(page);
  await fromPalette(page, 'new terminal');
  await page.locator('.terminal-tab').nth(1).waitFor();
  await page.locator('.xterm-rows', { hasNotText: 'colour', hasText: 'mira@hopper' }).waitFor();
  await line(
    page,
    'title python train.py --a-name-that-goes-on --out /data/runs/2026-11-26/with/a/long/path',
  );
}
/** Out of the terminal, whose keys are all the shell's. */
const fromDock = (page: Page): Promise<void> => page.keyboard.press('Control+`');
const noTerminals = (page: Page): Promise<void> => page.getByRole('tab', { name: /^Terminal/ }).click();
async function terminalLost(page: Page): Promise<void> {
  await terminal(page);
  await page.evaluate(() => {
    const { __trancheFake: lab } = window as unknown as {
      __trancheFake: { breakLink(hostId: string): void };
    };
    lab.breakLink('ssh:hopper');
  });
}
async function terminalClose(page: Page): Promise<void> {
  await terminal(page);
  await line(page, 'sleep');
  await page.getByRole('button', { name: 'Close terminal' }).click();
  await page.getByRole('dialog').waitFor();
}
async function terminalPaste(page: Page): Promise<void> {
  await terminal(page);
  await page.locator('.terminal-screen textarea').evaluate((area) => {
    const data = new DataTransfer();
    data.setData('text/plain', 'cd /data/runs\nrm -rf *\n');
    area.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
  });
  await page.getByRole('dialog').waitFor();
}
async function tagged(page: Page): Promise<void> {
  await tagsSheet(page);
  await page.getByRole('dialog').waitFor();
  await page.keyboard.type('basement, fast');
  await page.keyboard.press('Enter');
  await fleet('bars')(page);
  await page.getByRole('button', { name: 'Group: By host' }).click();
  await page.getByRole('menuitemradio', { name: 'By tag' }).click();
}
async function zoomed(page: Page): Promise<void> {
  await slider(page, 'nightly').click();
  const box = await page.locator('.inspector canvas').first().boundingBox();
  if (box === null) throw new Error('no chart');
  await page.mouse.move(box.x + 120, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + 250, box.y + 30, { steps: 4 });
  await page.mouse.up();
  await page.mouse.move(box.x + 90, box.y + 30);
}
async function points(page: Page): Promise<void> {
  await slider(page, 'nightly').click();
  await page.getByRole('button', { name: 'GPU time: more' }).click();
  await page.getByRole('menuitem', { name: 'View as table' }).click();
}
const answer = (key: string) => async (page: Page) => {
  await slider(page, 'finetune').click();
  await page.keyboard.press(key);
};
async function picked(page: Page): Promise<void> {
  await slider(page, 'finetune').click();
  await slider(page, 'nb-wei').click({ modifiers: ['Control'] });
}
async function deleteMany(page: Page): Promise<void> {
  await picked(page);
  await page.keyboard.press('Delete');
}
async function carried(page: Page): Promise<void> {
  const bar = page.getByRole('article', { name: /GPU 1/ }).locator('.bar');
  await carryOver(page, slider(page, 'finetune'), bar, { x: 208, y: 30 });
}

const jobsBelow = (page: Page): Promise<void> => page.getByRole('tab', { name: /^Jobs/ }).click();
async function logOf(page: Page): Promise<void> {
  await jobsBelow(page);
  await page
    .getByRole('row', { name: /train-7/ })
    .first()
    .click();
  await page.keyboard.press('l');
}
async function runSheet(page: Page): Promise<void> {
  await chosen('resnet-sweep')(page);
  await page.keyboard.press('r');
}
async function cancelSheet(page: Page): Promise<void> {
  await jobsBelow(page);
  await page
    .getByRole('row', { name: /train-7/ })
    .first()
    .click();
  await page.keyboard.press('c');
}

async function dragging(page: Page, label: string, pixels: number): Promise<void> {
  const { x, y } = await takeEdge(page, label);
  await page.mouse.move(x + pixels, y, { steps: 5 });
}

/** Everything there is at once: a course from before, an end of one's own, in the smallest window. */
async function courseFull(page: Page): Promise<void> {
  await course(page);
  const sheet = page.getByRole('dialog', { name: 'Cut for a course' });
  await sheet.getByRole('button', { name: /^Create/ }).click();
  await page.locator('.toast').getByRole('button', { name: /^Undo/ }).waitFor();
  await courseSheet(page);
  await sheet.getByLabel('As before').selectOption('ml-course');
  await sheet.getByLabel('Until').selectOption('other');
  await sheet.getByLabel(/^Ends/).fill('2099-02-01T18:00');
  await sheet.getByLabel('Memory limit each').fill('12');
  await sheet.getByLabel('Course', { exact: true }).fill('ml-course-2');
}
const courseSheet = (page: Page): Promise<void> => fromPalette(page, 'cut for a course');
async function course(page: Page): Promise<void> {
  await fleet('bars')(page);
  await courseSheet(page);
  const sheet = page.getByRole('dialog', { name: 'Cut for a course' });
  await sheet.getByLabel('Course', { exact: true }).fill('ml-course');
  await sheet.getByRole('button', { name: /^Take all/ }).click();
  const people = sheet.getByLabel(/^People/);
  await people.fill(`${await people.inputValue()}, zoe, a-student-whom-no-host-knows-by-this-name`);
}

export const PICTURES: readonly Picture[] = [
  { name: 'main-dark', options: {}, act: nightly },
  { name: 'main-light', options: { dark: false }, act: nightly },
  { name: 'compact-dark', options: { ...COMPACT }, act: nightly },
  { name: 'compact-light', options: { ...COMPACT, dark: false }, act: chosen('resnet-sweep') },
  {
    name: 'drag',
    options: {},
    act: async (page) => {
      await chosen('finetune')(page);
      await dragging(page, 'finetune', 70);
    },
  },
  { name: 'drag-compact', options: { ...COMPACT }, act: (page) => dragging(page, 'serve-7b', 30) },
  { name: 'drag-shrink', options: { dark: false }, act: (page) => dragging(page, 'resnet-sweep', -160) },
  {
    name: 'refused',
    options: { refuse: 'changed-since' },
    act: async (page) => {
      await dragging(page, 'finetune', 40);
      await page.mouse.up();
      await page.locator('.toast').waitFor();
    },
  },
  {
    name: 'undo-toast',
    options: {},
    act: async (page) => {
      await dragging(page, 'finetune', 60);
      await page.mouse.up();
      await page.locator('.toast').waitFor();
    },
  },
  { name: 'host-light', options: { dark: false } },
  {
    name: 'gpu-dark',
    options: {},
    act: (page) => page.getByRole('button', { name: 'GPU 2', exact: true }).click(),
  },
  {
    name: 'gpu-faults',
    options: { scene: 'faults', dark: false },
    act: (page) => page.getByRole('button', { name: 'GPU 2', exact: true }).click(),
  },
  {
    name: 'gpu-mig',
    options: { scene: 'faults' },
    act: (page) => page.getByRole('button', { name: 'GPU 1', exact: true }).click(),
  },
  { name: 'suspended', options: { scene: 'faults', dark: false }, act: chosen('embed') },
  { name: 'free-menu', options: {}, act: (page) => page.locator('.room').last().click() },
  {
    name: 'create-sheet',
    options: {},
    act: (page) => page.getByRole('button', { name: 'Custom…' }).first().click(),
  },
  {
    name: 'slice-menu',
    options: { dark: false },
    act: async (page) => {
      await chosen('nightly')(page);
      await page.getByRole('button', { name: 'More commands' }).click();
    },
  },
  {
    name: 'typed-limit',
    options: {},
    act: async (page) => {
      await page.locator('[role=slider][aria-label^="serve-7b"]').focus();
      await page.keyboard.press('Enter');
      await page.keyboard.type('200g');
    },
  },
  {
    name: 'stop-process',
    options: {},
    act: async (page) => {
      await page.locator('.dock .data-row').nth(1).focus();
      await page.keyboard.press('k');
    },
  },
  { name: 'palette', options: {}, act: palette('') },
  { name: 'palette-size', options: { dark: false }, act: palette('20g') },
  { name: 'palette-nowhere', options: { ...COMPACT }, act: palette('200g') },
  { name: 'keys', options: {}, act: (page) => page.keyboard.press('?') },
  { name: 'settings', options: {}, act: (page) => page.keyboard.press('Control+,') },
  {
    name: 'context-menu',
    options: { dark: false },
    act: (page) => slider(page, 'nightly').click({ button: 'right' }),
  },
  { name: 'fleet-bars', options: {}, act: fleet('bars') },
  { name: 'fleet-charts', options: { dark: false }, act: fleet('charts') },
  { name: 'fleet-table', options: {}, act: fleet('table') },
  { name: 'fleet-table-compact', options: { ...COMPACT, dark: false, scene: 'crowd' }, act: fleet('table') },
  { name: 'fleet-people', options: {}, act: fleet('people') },
  { name: 'host-charts', options: {}, act: view('charts') },
  { name: 'host-table', options: { dark: false }, act: view('table') },
  { name: 'host-people', options: { ...COMPACT }, act: view('people') },
  { name: 'quota-people', options: QUOTAS, act: view('people') },
  { name: 'quota-people-light', options: { ...QUOTAS, ...COMPACT, dark: false }, act: view('people') },
  { name: 'quota-dialog', options: QUOTAS, act: (page) => fromPalette(page, 'set quota') },
  { name: 'quota-over', options: { ...QUOTAS, dark: false }, act: overQuota },
  {
    name: 'quota-create',
    options: QUOTAS,
    act: async (page) => {
      await page.keyboard.press('n');
      await page.getByRole('dialog', { name: /New slice/ }).waitFor();
    },
  },
  { name: 'gate-slice', options: GATED, act: (page) => slider(page, 'resnet-sweep').click() },
  { name: 'gate-not-all', options: { ...GATED, dark: false }, act: (page) => slider(page, 'nb-wei').click() },
  { name: 'gate-host', options: GATED, act: view('bars') },
  { name: 'course', options: {}, act: course },
  { name: 'course-light', options: { ...QUOTAS, ...COMPACT, dark: false }, act: courseFull },
  { name: 'course-empty', options: { ...COMPACT }, act: courseSheet },
  { name: 'quota-drag', options: QUOTAS, act: (page) => dragging(page, 'resnet-sweep', 60) },
  { name: 'fleet-nothing', options: {}, act: nothing('bars') },
  { name: 'fleet-table-nothing', options: {}, act: nothing('table') },
  { name: 'fleet-tags', options: {}, act: tagged },
  { name: 'crowd-fleet', options: { scene: 'crowd' }, act: fleet('bars') },
  { name: 'crowd-table', options: { scene: 'crowd' }, act: view('table') },
  { name: 'crowd-people', options: { scene: 'crowd' }, act: view('people') },
  { name: 'bare-table', options: { scene: 'bare' }, act: view('table') },
  { name: 'idle', options: { scene: 'idle' } },
  { name: 'audit', options: {}, act: (page) => page.getByRole('tab', { name: 'Audit' }).click() },
  {
    name: 'audit-empty',
    options: { scene: 'bare' },
    act: (page) => page.getByRole('tab', { name: 'Audit' }).click(),
  },
  {
    name: 'events-empty',
    options: { scene: 'bare' },
    act: (page) => page.getByRole('tab', { name: 'Events' }).click(),
  },
  { name: 'zoomed', options: {}, act: zoomed },
  { name: 'points', options: {}, act: points },
  { name: 'give', options: {}, act: answer('g') },
  { name: 'move', options: { dark: false }, act: answer('m') },
  { name: 'until', options: {}, act: answer('u') },
  { name: 'trade', options: {}, act: answer('x') },
  { name: 'picked', options: {}, act: picked },
  { name: 'delete-many', options: {}, act: deleteMany },
  { name: 'carried', options: {}, act: carried },
  {
    name: 'remove-agent',
    options: {},
    act: (page) => page.getByRole('button', { name: 'Remove agent…' }).click(),
  },
  { name: 'roll-back', options: {}, act: (page) => fromPalette(page, 'go back to the agent') },
  {
    name: 'roll-back-refused',
    options: {
      dark: false,
      rollbackRefusal:
        'It shares memory with programs in layout 2, and those that run use 3: their limits would no longer be held.',
    },
    act: (page) => fromPalette(page, 'go back to the agent'),
  },
  { name: 'diagnostics', options: {}, act: diagnostics },
  {
    name: 'update',
    options: { update: { kind: 'ready', version: '0.2.0' } },
    act: updates,
  },
  {
    name: 'update-downloading-light',
    options: {
      dark: false,
      update: {
        kind: 'downloading',
        version: '0.2.0',
        percent: 40,
      },
    },
    act: updates,
  },
  { name: 'tags', options: {}, act: tagsSheet },
  { name: 'crowd-dark', options: { scene: 'crowd' } },
  { name: 'crowd-compact', options: { scene: 'crowd', ...COMPACT, dark: false }, act: host('workstation') },
  {
    name: 'jobs-dark',
    options: {},
    act: async (page) => {
      await chosen('resnet-sweep')(page);
      await jobsBelow(page);
    },
  },
  { name: 'jobs-light', options: { dark: false }, act: jobsBelow },
  { name: 'jobs-compact', options: { ...COMPACT, dark: false }, act: jobsBelow },
  { name: 'jobs-log', options: {}, act: logOf },
  { name: 'jobs-log-compact', options: { ...COMPACT, dark: false }, act: logOf },
  { name: 'jobs-run', options: {}, act: runSheet },
  { name: 'jobs-run-compact', options: { ...COMPACT, dark: false }, act: runSheet },
  { name: 'jobs-cancel', options: { dark: false }, act: cancelSheet },
  {
    name: 'jobs-none',
    options: { scene: 'bare' },
    act: jobsBelow,
  },
  {
    name: 'jobs-old-agent',
    options: { dark: false },
    act: async (page) => {
      await host('ada')(page);
      await jobsBelow(page);
    },
  },
  { name: 'terminal', options: {}, act: terminal },
  { name: 'terminal-light', options: { dark: false }, act: terminals },
  { name: 'terminal-compact', options: { ...COMPACT }, act: terminals },
  { name: 'terminal-none', options: { dark: false }, act: noTerminals },
  { name: 'terminal-lost', options: {}, act: terminalLost },
  { name: 'terminal-close', options: { dark: false }, act: terminalClose },
  { name: 'terminal-paste', options: {}, act: terminalPaste },
  {
    name: 'terminal-old-agent',
    options: {},
    act: async (page) => {
      await host('ada')(page);
      await noTerminals(page);
    },
  },
  { name: 'empty', options: { scene: 'empty' } },
  { name: 'bare', options: { scene: 'bare', dark: false } },
  { name: 'no-gpu', options: {}, act: host('noether') },
  { name: 'stale', options: {}, act: host('turing') },
  { name: 'reconnecting', options: {}, act: host('lovelace') },
  { name: 'preview', options: {}, act: host('kepler') },
  { name: 'blocked', options: { dark: false }, act: host('fermi') },
  { name: 'failed', options: {}, act: host('gauss') },
  { name: 'deploying', options: { scene: 'deploying' }, act: host('curie') },
  { name: 'prompt-key', options: { scene: 'prompt-key' } },
  { name: 'prompt-password', options: { scene: 'prompt-password', dark: false } },
  { name: 'prompt-keyboard', options: { scene: 'prompt-keyboard' } },
  { name: 'prompt-passphrase', options: { scene: 'prompt-passphrase' } },
  { name: 'upgrade', options: {}, act: host('ada') },
  {
    name: 'connect',
    options: { ...COMPACT },
    act: (page) => page.getByRole('button', { name: 'Connect…' }).click(),
  },
  ...MORE_PICTURES,
];

export async function takePictures(folder: string, only: readonly string[] = []): Promise<readonly string[]> {
  mkdirSync(folder, { recursive: true });
  const harness = await startHarness();
  const problems: string[] = [];
  try {
    for (const { name, options, act } of PICTURES) {
      if (only.length > 0 && !only.includes(name)) continue;
      const page = await harness.open(options);
      page.setDefaultTimeout(4000);
      await act?.(page).catch((error: unknown) => problems.push(`${name}: ${String(error)}`));
      await page.waitForTimeout(700);
      await page.screenshot({ path: join(folder, `${name}.png`) });
      const seen = await page.evaluate(() => {
        const w = window as unknown as { __cspViolations: string[]; __errors: string[] };
        return [...w.__cspViolations, ...w.__errors];
      });
      problems.push(...seen.map((line) => `${name}: ${line}`));
      await page.context().close();
    }
  } finally {
    await harness.close();
  }
  return problems;
}
