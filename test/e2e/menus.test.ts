/** Every entry of a menu that opens something gives it the keyboard: it is picked, typed into, and left with Esc. */
import type { Locator, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';

/** By our own convention an entry that asks for more ends so. */
const ASKS = /…$/;

/** Which menus there are, what each hangs on, and how it is opened. */
const MENUS: readonly (readonly [
  name: string,
  open: (page: Page, slider: (name: string) => Locator) => Promise<void>,
])[] = [
  ['of a slice, at the pointer', (_page, slider) => slider('finetune').click({ button: 'right' })],
  [
    'of a slice, by the menu key',
    async (page, slider) => {
      await slider('finetune').focus();
      await page.keyboard.press('Shift+F10');
    },
  ],
  [
    'of the inspector',
    async (page, slider) => {
      await slider('finetune').click();
      await page.locator('.inspector').getByRole('button', { name: 'More commands' }).click();
    },
  ],
  [
    'of a GPU',
    (page) => page.getByRole('article', { name: /GPU 1/ }).locator('header').click({ button: 'right' }),
  ],
  ['of a host', (page) => page.locator('[data-host-row][aria-label^="hopper"]').click({ button: 'right' })],
  [
    'of free memory',
    (page) =>
      page
        .getByRole('button', { name: /create a slice here/ })
        .first()
        .click(),
  ],
  [
    'of a row of the table',
    async (page) => {
      await page.keyboard.press('Alt+Digit3');
      await page
        .locator('main')
        .getByRole('row', { name: /^finetune/ })
        .click({ button: 'right' });
    },
  ],
  [
    'of a job',
    async (page) => {
      await page.getByRole('tab', { name: /^Jobs/ }).click();
      await page.locator('.dock').getByRole('row').nth(1).click({ button: 'right' });
    },
  ],
];

/** Whatever a menu does after it is gone has been done: its own work is one timer, what it opens one frame. */
const settle = (page: Page): Promise<void> =>
  page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        setTimeout(() =>
          requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(() => resolve()))),
        );
      }),
  );

/** What has the keyboard, and what it holds. */
const focused = (page: Page): Promise<{ in: string; text: string | null }> =>
  page.evaluate(() => {
    const at = document.activeElement;
    const of = at?.closest('dialog[open]')
      ? 'dialog'
      : at?.closest('.inspector') && at instanceof HTMLInputElement
        ? 'field'
        : at?.closest('.terminal-screen')
          ? 'terminal'
          : `nothing that was opened, but ${at?.tagName ?? '—'}`;
    const isText =
      at instanceof HTMLTextAreaElement || (at instanceof HTMLInputElement && at.type === 'text');
    return { in: of, text: isText ? at.value : null };
  });

describe.skipIf(cannotRun)('menus', () => {
  const fake = useFakePage();

  it.each(MENUS)('%s: what its entries open has the keyboard', async (_name, openMenu) => {
    const page = await fake.open();
    const menu = page.getByRole('menu');
    const items = menu.locator('[role^=menuitem]:not([aria-disabled])');
    const open = async (): Promise<void> => {
      await openMenu(page, fake.slider);
      await menu.waitFor();
    };
    await open();
    const labels = await items.locator('.grow').allTextContents();
    await page.keyboard.press('Escape');
    await expect.poll(() => menu.count()).toBe(0);
    const asking = labels.filter((label) => ASKS.test(label));
    expect(asking).not.toEqual([]);
    for (const label of asking) {
      await open();
      await items.filter({ hasText: label }).click();
      await expect.poll(() => menu.count()).toBe(0);
      if (label.includes('terminal')) {
        // The screen is loaded with the first one; every key in it is the shell's, Esc too.
        await expect.poll(async () => (await focused(page)).in, { message: label }).toBe('terminal');
        continue;
      }
      await settle(page);
      const opened = await focused(page);
      expect(opened.in, label).toMatch(/^(dialog|field)$/);
      if (opened.text !== null) {
        await page.keyboard.type('q');
        expect((await focused(page)).text, label).toContain('q');
      }
      await page.keyboard.press('Escape');
      await expect.poll(() => page.locator('dialog[open]').count(), { message: label }).toBe(0);
    }
  });

  it('gives the keyboard back to where the menu hung, before and after what it opened', async () => {
    const page = await fake.open();
    const at = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? '');
    await fake.slider('finetune').focus();
    await page.keyboard.press('Shift+F10');
    await page.getByRole('menuitem', { name: 'Rename…' }).click();
    await page.getByRole('dialog', { name: 'Rename finetune' }).waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(at).toMatch(/^finetune,/);
    await page.locator('.inspector').getByRole('button', { name: 'More commands' }).click();
    await page.getByRole('menuitem', { name: 'Until…' }).click();
    await page.getByRole('dialog', { name: 'Until' }).waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(at).toBe('More commands');
  });

  it('leaves the picker the keyboard, whatever takes it away', async () => {
    const page = await fake.open();
    await fake.slider('finetune').click();
    await page.keyboard.press('g');
    await page.getByRole('dialog', { name: 'Give to' }).waitFor();
    await page.evaluate(() => document.querySelector<HTMLElement>('[role=slider]')?.focus());
    await page.keyboard.type('tom');
    await page.keyboard.press('Enter');
    await expect.poll(() => fake.calls('slice:assign')).toMatchObject([{ owner: 'tom' }]);
  });
});
