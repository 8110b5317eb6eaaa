/** One act is one Undo, wherever it was done and over however many hosts; the key works where the toast offers it. */
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';

/** Every edit that the inspector can make, by the hand that makes it. */
const EDITS: readonly (readonly [label: string, edit: (page: Page) => Promise<unknown>])[] = [
  ['Memory limit', (page) => typeInto(page, 'Memory limit', '17')],
  ['GPU time limit', (page) => typeInto(page, 'GPU time limit', '61')],
  ['Guaranteed', (page) => typeInto(page, 'Guaranteed', '3')],
  ['Owner', (page) => page.locator('.inspector').getByLabel('Owner').selectOption('tom')],
  ['Priority', (page) => page.locator('.inspector').getByLabel('Priority').selectOption('idle')],
  [
    'Until',
    async (page) => {
      const until = page.locator('.inspector').getByLabel('Until');
      await until.focus();
      await until.selectOption({ index: 2 });
    },
  ],
];

async function typeInto(page: Page, label: string, text: string): Promise<void> {
  await page.locator('.inspector').getByLabel(label).focus();
  await page.keyboard.press('Control+a');
  await page.keyboard.type(text);
  await page.keyboard.press('Enter');
}

const pickIn = (page: Page, label: string, value: string): Promise<unknown> =>
  page.locator('.inspector').getByLabel(label).selectOption(value);

describe.skipIf(cannotRun)('undo', () => {
  const fake = useFakePage();

  it.each(EDITS)(
    'takes back an edit of %s with the key, the focus still in its field',
    async (label, edit) => {
      const page = await fake.open();
      await fake.slider('finetune').click();
      await page.locator('.inspector').getByLabel(label).focus();
      await edit(page);
      await expect.poll(() => fake.toast().getByRole('button', { name: /^Undo/ }).count()).toBe(1);
      const inField = () =>
        page.evaluate(() => document.activeElement?.closest('.inspector .field') !== null);
      expect(await inField()).toBe(true);
      await page.keyboard.press('Control+z');
      await expect.poll(() => fake.calls('slice:undo')).toHaveLength(1);
      expect(await inField()).toBe(true);
    },
  );

  it('leaves the text to the field while something is being typed into it', async () => {
    const page = await fake.open();
    await fake.slider('finetune').click();
    await typeInto(page, 'Memory limit', '17');
    await expect.poll(() => fake.gib('finetune')).toBe(17);
    await page.keyboard.type('8');
    await page.keyboard.press('Control+z');
    await page.locator('.filter input').first().click();
    await page.keyboard.type('wei');
    await page.keyboard.press('Control+z');
    expect(await fake.calls('slice:undo')).toEqual([]);
  });

  it('says of a shrink below use that it waits, and that it has not happened', async () => {
    const page = await fake.open();
    await fake.slider('finetune').click();
    await typeInto(page, 'Memory limit', '4');
    await expect
      .poll(() => fake.toast().textContent())
      .toMatch(/finetune will shrink from 16\.0 to 4\.0 GiB when use drops \(1\d\.\d now\)/);
    expect(await page.locator('.inspector .events').textContent()).toContain(
      'will shrink from 16.0 to 4.0 GiB',
    );
    expect(await fake.gib('finetune')).toBe(16);
  });

  it.each([
    ['Owner', 'slice:assign', { owner: 'tom' }, (page: Page) => pickIn(page, 'Owner', 'tom')],
    ['Priority', 'slice:resize', { priority: 'high' }, (page: Page) => pickIn(page, 'Priority', 'high')],
    [
      'Memory limit',
      'slice:resize',
      { memoryLimitBytes: 7 * 1024 ** 3 },
      (page: Page) => typeInto(page, 'Memory limit', '7'),
    ],
    ['Until', 'slice:resize', {}, (page: Page) => pickIn(page, 'Until', 'week')],
  ])(
    'changes %s of all that are picked, says mixed where they differ, as one Undo',
    async (label, channel, to, edit) => {
      const page = await fake.open();
      await fake.slider('finetune').click();
      await fake.slider('embed').click({ modifiers: ['Control'] });
      await expect.poll(() => page.locator('.inspector h2').textContent()).toBe('2 slices');
      const sum = await page.locator('.inspector .sum').textContent();
      expect(sum).toBe('Memory limits in sum40.0 GiB');
      expect(await page.locator('.inspector').getByLabel('Owner').inputValue()).toBe('mixed');
      expect(await page.locator('.inspector').getByLabel('Memory limit').inputValue()).toBe('mixed');
      expect(await page.locator('.inspector').getByLabel('Priority').inputValue()).toBe('normal');
      await page.locator('.inspector').getByLabel(label).focus();
      await edit(page);
      // tom has one of them already.
      const expected = label === 'Owner' ? [to] : [to, to];
      await expect.poll(() => fake.calls(channel)).toMatchObject(expected);
      await fake.toast().getByRole('button', { name: /^Undo/ }).waitFor();
      await page.keyboard.press('Control+z');
      await expect.poll(() => fake.calls('slice:undo')).toHaveLength(expected.length);
    },
  );

  it('says which of the picked ones a limit would not fit', async () => {
    const page = await fake.open();
    await fake.slider('finetune').click();
    await fake.slider('nightly').click({ modifiers: ['Control'] });
    await typeInto(page, 'Memory limit', '90');
    await expect
      .poll(() => page.locator('.inspector .problem').textContent())
      .toMatch(/^(finetune|nightly): /);
    await page.keyboard.press('Escape');
    expect(await fake.calls('slice:resize')).toEqual([]);
  });

  it('takes back one act over slices of several hosts at once, and does it again at once', async () => {
    const page = await fake.open();
    await page.keyboard.press('h');
    await fake.slider('nightly').click();
    await fake.slider('mira-3').click({ modifiers: ['Control'] });
    await page.keyboard.press('g');
    await page.keyboard.type('wei');
    await page.keyboard.press('Enter');
    await expect.poll(() => fake.calls('slice:assign')).toHaveLength(2);
    await expect.poll(() => fake.toast().textContent()).toContain('2 slices given to wei');
    await page.keyboard.press('Control+z');
    await expect
      .poll(async () =>
        ((await fake.calls('slice:undo')) as { hostId: string }[]).map((one) => one.hostId).sort(),
      )
      .toEqual(['ssh:ada', 'ssh:hopper']);
    await expect.poll(() => fake.toast().textContent()).toContain('Undone: 2 slices given to wei');
    await page.keyboard.press('Control+z');
    await page.keyboard.press('Control+Shift+z');
    await expect.poll(() => fake.calls('slice:undo')).toHaveLength(4);
  });
});
