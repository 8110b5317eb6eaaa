/** Screens behind a second step: small sheets, menus, states in passing, and what is shown where nothing was found. */
import type { Page } from 'playwright-core';
import { COMPACT, chosen, fleet, fromPalette, host, palette, slider } from './picture-acts.ts';
import type { Picture } from './picture-acts.ts';

type Connection = { readonly kind: string; readonly [more: string]: unknown };
const becomes = (hostId: string, connection: Connection) => (page: Page) =>
  page.evaluate(
    ([id, state]) => {
      const { __trancheFake: lab } = window as unknown as {
        __trancheFake: { setConnection(id: string, connection: unknown): void };
      };
      lab.setConnection(id, state);
    },
    [hostId, connection] as const,
  );
const pressed =
  (name: string, ...keys: readonly string[]) =>
  async (page: Page): Promise<void> => {
    await slider(page, name).click();
    for (const key of keys) await page.keyboard.press(key);
    await page.locator('dialog[open]').waitFor();
  };
const typed = (before: string, text: string) => async (page: Page) => {
  await page.keyboard.press(before);
  await page.keyboard.type(text);
};
async function untilOther(page: Page): Promise<void> {
  await slider(page, 'finetune').click();
  await page.keyboard.press('u');
  await page.locator('.palette input').waitFor();
  await page.keyboard.type('another');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: /Until|end/i }).waitFor();
}
async function viewsMenu(page: Page): Promise<void> {
  await fleet('table')(page);
  await page.getByRole('button', { name: 'Saved views' }).click();
}
async function saveView(page: Page): Promise<void> {
  await viewsMenu(page);
  await page.getByRole('menuitem', { name: 'Save this view…' }).click();
  await page.getByRole('dialog').waitFor();
}
async function byModel(page: Page): Promise<void> {
  await fleet('bars')(page);
  await page.getByRole('button', { name: 'Group: By host' }).click();
  await page.getByRole('menuitemradio', { name: 'By model' }).click();
}
async function events(page: Page): Promise<void> {
  for (const owner of ['tom', 'lab', 'wei']) {
    await slider(page, 'finetune').click();
    await page.keyboard.press('g');
    await page.locator('.palette input').waitFor();
    await page.keyboard.type(owner);
    await page.keyboard.press('Enter');
    await page.locator('.palette').waitFor({ state: 'detached' });
  }
  await page.getByRole('tab', { name: 'Events' }).click();
}
async function dense(page: Page): Promise<void> {
  await page.keyboard.press('Control+,');
  await page.getByRole('dialog', { name: 'Settings' }).getByText('Compact', { exact: true }).click();
  await page.keyboard.press('Escape');
}
async function keyChange(page: Page): Promise<void> {
  await page.keyboard.press('?');
  await page
    .getByRole('dialog', { name: 'Keys' })
    .getByRole('button', { name: 'Change the keys of Settings…' })
    .click();
  await page.keyboard.press('Control+k');
}
const rightClick = (of: (page: Page) => ReturnType<Page['locator']>) => async (page: Page) => {
  await of(page).click({ button: 'right' });
  await page.getByRole('menu').waitFor();
};
async function jobMenu(page: Page): Promise<void> {
  await page.getByRole('tab', { name: /^Jobs/ }).click();
  await rightClick((p) => p.getByRole('row', { name: /train-8/ }).first())(page);
}
async function chartMenu(page: Page): Promise<void> {
  await chosen('nightly')(page);
  await page.getByRole('button', { name: 'GPU time: more' }).click();
}

export const MORE_PICTURES: readonly Picture[] = [
  { name: 'rename', options: {}, act: pressed('nightly', 'F2') },
  { name: 'delete-slice', options: { dark: false }, act: pressed('nightly', 'Delete') },
  { name: 'until-other', options: { ...COMPACT }, act: untilOther },
  { name: 'views-menu', options: { dark: false }, act: viewsMenu },
  { name: 'save-view', options: {}, act: saveView },
  {
    name: 'columns-menu',
    options: {},
    act: async (page) => {
      await fleet('table')(page);
      await page.getByRole('button', { name: /Columns/ }).click();
    },
  },
  { name: 'job-menu', options: {}, act: jobMenu },
  {
    name: 'host-menu',
    options: { dark: false },
    act: rightClick((page) => page.locator('[data-host-row][aria-label^="hopper"]')),
  },
  { name: 'chart-menu', options: { ...COMPACT }, act: chartMenu },
  { name: 'key-change', options: { ...COMPACT, dark: false }, act: keyChange },
  { name: 'events', options: {}, act: events },
  { name: 'paused', options: { dark: false }, act: (page) => page.keyboard.press('Space') },
  { name: 'dense', options: {}, act: dense },
  { name: 'fleet-model', options: {}, act: byModel },
  { name: 'fleet-many', options: { scene: 'many' }, act: fleet('bars') },
  { name: 'people-many', options: { scene: 'many', dark: false }, act: fleet('people') },
  { name: 'palette-many', options: { scene: 'many' }, act: palette('student') },
  { name: 'palette-nothing', options: { ...COMPACT, dark: false }, act: palette('zzzz') },
  { name: 'palette-refused', options: {}, act: palette('rename') },
  { name: 'hosts-nothing', options: {}, act: typed('/', 'zzz') },
  { name: 'settings-found', options: { dark: false }, act: typed('Control+,', 'hot') },
  { name: 'settings-nothing', options: {}, act: typed('Control+,', 'zzzz') },
  {
    name: 'disconnected',
    options: {},
    act: async (page) => {
      await host('hilbert')(page);
      await becomes('ssh:hilbert', { kind: 'disconnected' })(page);
    },
  },
  {
    name: 'connecting',
    options: { dark: false },
    act: async (page) => {
      await becomes('ssh:hilbert', {
        kind: 'connecting',
        step: 'Verifying the host key of gate.lab.example',
      })(page);
      await host('hilbert')(page);
    },
  },
  {
    name: 'old-agent-history',
    options: { olderAgent: true },
    act: async (page) => {
      await page.getByRole('tab', { name: 'Audit' }).click();
      await fromPalette(page, 'people');
    },
  },
];
