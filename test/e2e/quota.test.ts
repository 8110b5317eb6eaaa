/** Quotas by hand: set, seen, told before an edit that goes beyond one, and gone beyond only on purpose. */
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';

const GIB = 1024 ** 3;

describe.skipIf(cannotRun)('quotas', () => {
  const fake = useFakePage();

  async function setQuota(subject: string, memory: string, slices = ''): Promise<void> {
    const { page } = fake;
    await page.keyboard.press('Control+k');
    await page.keyboard.type('Set quota');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Quotas on hopper' });
    await dialog.getByLabel('For: a user, @group, or default').fill(subject);
    await dialog.getByLabel('Memory, all slices together').fill(memory);
    await dialog.getByLabel('Slices', { exact: true }).fill(slices);
    await page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'detached' });
  }

  it('are set by a command, shown beside what is held, and taken away', async () => {
    const page = await fake.open();
    await setQuota('tom', '40', '2');
    expect(await fake.calls('quota:set')).toMatchObject([
      { subject: 'tom', memoryBytesMax: 40 * GIB, slicesMax: 2, remove: false },
    ]);
    await expect
      .poll(() => fake.toast().textContent())
      .toContain('Quota of tom on hopper: 40.0 GiB, 2 slices');
    await page.keyboard.press('Alt+4');
    const table = page.locator('main > [role=grid]');
    const tom = table.getByRole('row', { name: /^tom/ });
    await expect.poll(() => tom.textContent()).toContain('44.0 / 40.0');
    expect(await tom.locator('[title*="tom)"]').getAttribute('title')).toBe(
      'hopper: 44.0 / 40.0 GiB, 2 / 2 slices (tom)',
    );
    expect(await table.getByRole('row', { name: /^mira/ }).textContent()).toContain('—');
    await page.getByRole('button', { name: 'Set quota…' }).click();
    const dialog = page.getByRole('dialog', { name: 'Quotas on hopper' });
    await dialog.getByRole('button', { name: 'tom', exact: true }).click();
    expect(await dialog.getByLabel('Memory, all slices together').inputValue()).toBe('40.0');
    expect(await dialog.textContent()).toContain('tom holds 44.0 GiB in 2 slices now. What is held stays.');
    await dialog.getByRole('button', { name: 'Remove the quota of tom' }).click();
    await expect.poll(() => tom.textContent()).not.toContain('/ 40.0');
  });

  it('says what is wrong before anything is sent', async () => {
    const page = await fake.open();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('Set quota');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Quotas on hopper' });
    await dialog.getByLabel('Slices', { exact: true }).fill('1.5');
    expect(await dialog.textContent()).toContain('Slices are a whole number up to 504');
    await page.keyboard.press('Enter');
    await dialog.getByLabel('Slices', { exact: true }).fill('');
    await dialog.getByLabel('For: a user, @group, or default').fill('@');
    expect(await dialog.textContent()).toContain('Say for whom');
    expect(await fake.calls('quota:set')).toEqual([]);
  });

  it('a new slice beyond one is told before, and made over it on purpose', async () => {
    const page = await fake.open();
    await setQuota('mira', '40');
    await page.keyboard.press('n');
    const sheet = page.getByRole('dialog', { name: 'New slice on hopper' });
    await sheet.getByLabel('Memory limit').fill('20');
    expect(await sheet.textContent()).toContain('Over the quota: mira would hold 52.0 of 40.0 GiB');
    await sheet.getByRole('button', { name: 'Create over the quota' }).click();
    await expect.poll(() => fake.calls('slice:create')).toMatchObject([{ overQuota: true }]);
    await expect.poll(() => fake.toast().textContent()).toContain('created for mira');
  });

  it('a slice given beyond one is asked about, with the figures and Cancel first', async () => {
    const page = await fake.open();
    await setQuota('default', '50');
    const give = async (): Promise<void> => {
      await fake.slider('finetune').click();
      await page.keyboard.press('g');
      await page.keyboard.type('tom');
      await expect
        .poll(() => page.locator('.palette-row', { hasText: 'tom' }).textContent())
        .toContain('tom would hold 60.0 of 50.0 GiB');
      await page.keyboard.press('Enter');
    };
    await give();
    const dialog = page.getByRole('dialog', { name: 'Go over the quota?' });
    await dialog.waitFor();
    expect(await dialog.textContent()).toMatch(
      /tom holds 44\.0 GiB in 2 other slices.*50\.0 GiB that each person here/,
    );
    await page.keyboard.press('Enter'); // Cancel has the focus
    await dialog.waitFor({ state: 'detached' });
    await expect.poll(() => fake.toast().textContent()).toContain('Nothing was changed');
    expect(await fake.slider('finetune').getAttribute('aria-label')).toContain('wei');
    await give();
    await page.getByRole('button', { name: 'Do it over the quota' }).click();
    await expect.poll(() => fake.slider('finetune').getAttribute('aria-label')).toContain('tom');
    expect(await fake.calls('slice:assign')).toMatchObject([{}, {}, { overQuota: true }]);
  });

  it('an edge that is pulled beyond one says so under the hand', async () => {
    const page = await fake.open();
    await setQuota('mira', '33');
    await fake.slider('resnet-sweep').focus();
    for (let i = 0; i < 3; i += 1) await page.keyboard.press('ArrowRight');
    await expect
      .poll(() => page.locator('.tip.is-on').textContent())
      .toContain('over the quota: mira would hold 33.5 of 33.0 GiB');
    await page.keyboard.press('Escape');
    expect(await fake.calls('slice:resize')).toEqual([]);
  });
});
