/** What a person sees of an update. test/e2e/package.test.ts has what happens behind it. */
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';

describe.skipIf(cannotRun)('updates', () => {
  const fake = useFakePage();
  const tell = (state: unknown): Promise<void> =>
    fake.page.evaluate((data) => {
      const { __trancheFake: lab } = window as unknown as { __trancheFake: { push(event: unknown): void } };
      lab.push({ event: 'update:changed', data });
    }, state);
  const search = async (words: string): Promise<void> => {
    await fake.page.keyboard.press('Control+k');
    await fake.page.locator('.palette input').fill(words);
  };
  const found = () => fake.page.getByRole('option', { name: /Check for updates/ });

  it('are nowhere to be seen without a feed', async () => {
    const page = await fake.open();
    await search('updates');
    // What the palette finds instead, as settings about notices, is drawn in the same frame.
    await page.locator('.palette-row, .palette-none').first().waitFor();
    expect(await found().count()).toBe(0);
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    expect(await page.getByText('Check for updates').count()).toBe(0);
    await expect.poll(async () => (await fake.calls('menu:state')).length).toBeGreaterThan(0);
    expect((await fake.calls('menu:state')).at(-1)).toMatchObject({ present: [] });
  });

  it('are a question at each step', async () => {
    const page = await fake.open({ update: { kind: 'idle' } });
    await expect
      .poll(async () => (await fake.calls('menu:state')).at(-1))
      .toMatchObject({
        present: ['app.update'],
      });
    await search('updates');
    await found().click();
    const dialog = page.getByRole('dialog', { name: 'Updates' });
    await dialog.waitFor();
    expect(await fake.calls('update:act')).toEqual([{ act: 'check' }]);
    await tell({ kind: 'available', version: '0.2.0', bytes: 91_500_000 });
    await dialog.getByText('Tranche 0.2.0 is there. This is 0.1.0.').waitFor();
    await dialog.getByText('Up to 92 MB').waitFor();
    // The safe answer is the focused one.
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Not now');
    expect(await fake.calls('update:act')).toHaveLength(1);
    await dialog.getByRole('button', { name: 'Download' }).click();
    await tell({ kind: 'downloading', version: '0.2.0', percent: 40 });
    await expect.poll(() => dialog.getByRole('progressbar').getAttribute('value')).toBe('40');
    await tell({ kind: 'ready', version: '0.2.0' });
    await dialog.getByText('Slices and what runs in them are not touched').waitFor();
    expect(await fake.calls('update:act')).toEqual([{ act: 'check' }, { act: 'download' }]);
    await dialog.getByRole('button', { name: 'Install and restart' }).click();
    await expect.poll(() => fake.calls('update:act')).toHaveLength(3);
  });

  it('that failed say why, and can be looked for again', async () => {
    const page = await fake.open({
      update: {
        kind: 'failed',
        doing: 'download',
        message: 'It was thrown away.',
        detail: 'sha512 mismatch',
      },
    });
    await search('updates');
    await found().click();
    const dialog = page.getByRole('dialog', { name: 'Updates' });
    await dialog.getByText('It was thrown away.').waitFor();
    await dialog.getByText('Details').click();
    await dialog.getByText('sha512 mismatch').waitFor();
    await dialog.getByRole('button', { name: 'Look again' }).click();
    await expect.poll(() => fake.calls('update:act')).toHaveLength(2);
  });

  it('found while nobody asked are said in passing', async () => {
    await fake.open({ update: { kind: 'idle' } });
    await expect.poll(() => fake.calls('update:get')).toHaveLength(1);
    await tell({ kind: 'available', version: '0.2.0', bytes: null });
    await fake.toast().getByText('Tranche 0.2.0 is there').waitFor();
    expect(await fake.page.getByRole('dialog').count()).toBe(0);
  });
});
