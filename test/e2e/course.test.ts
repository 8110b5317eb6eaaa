/** A course by hand: seen before, made with one Undo over all hosts, kept for the next term, and said where it is not whole. */
import { describe, expect, it } from 'vitest';
import type { Locator } from 'playwright-core';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';
import { fromPalette } from '../renderer/picture-acts.ts';

const GIB = 1024 ** 3;

describe.skipIf(cannotRun)('a course', () => {
  const fake = useFakePage();

  /** From the screen of all hosts, so that all of them are chosen. */
  async function sheet(everywhere = true): Promise<Locator> {
    const { page } = fake;
    if (everywhere) await page.keyboard.press('h');
    await fromPalette(page, 'Cut for a course');
    const dialog = page.getByRole('dialog', { name: 'Cut for a course' });
    await dialog.waitFor();
    return dialog;
  }
  /** The window again, with its hosts: before, no key finds anything to act on. */
  const reload = async (): Promise<void> => {
    await fake.page.reload();
    await fake.page.locator('[data-host-row]').first().waitFor();
  };
  const fill = async (dialog: Locator, people: string): Promise<void> => {
    await dialog.getByLabel('Course', { exact: true }).fill('ml');
    await dialog.getByLabel(/^People/).fill(people);
  };
  const rows = (dialog: Locator): Promise<readonly string[]> =>
    dialog
      .locator('tbody tr')
      .evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.textContent).join(' | ')));
  const made = async (): Promise<readonly string[]> =>
    ((await fake.calls('slice:create')) as { hostId: string; name: string; owner: string }[]).map(
      ({ hostId, name, owner }) => `${hostId} ${name} ${owner}`,
    );

  it('is shown before anything is sent, made, and taken back by one Undo over two hosts', async () => {
    const page = await fake.open();
    const dialog = await sheet();
    await fill(dialog, 'mira, tom\nwei, lab zoe');
    await dialog.getByLabel('Memory limit each').fill('10');
    await dialog.getByLabel('Until').selectOption('week');
    expect(await rows(dialog)).toEqual([
      'lab | no room left on hopper and ada',
      'zoe | is not among the people of hopper or ada',
      'mira | hopper | GPU 1 · NVIDIA GeForce RTX 4090 | 10.0 GiB',
      'tom | hopper | GPU 1 · NVIDIA GeForce RTX 4090 | 10.0 GiB',
      'wei | ada | GPU 1 · NVIDIA L40S | 10.0 GiB',
    ]);
    expect(await dialog.textContent()).toContain(
      '3 of 5 fit, 10.0 GiB each. For 1 more 10.0 GiB are missing on hopper and ada.',
    );
    expect(await fake.calls('slice:create')).toEqual([]);
    await dialog.getByRole('button', { name: 'Create 3 slices' }).click();
    await expect.poll(() => fake.toast().textContent()).toContain('3 slices cut for ml on hopper and ada');
    expect(await made()).toEqual(['ssh:hopper ml-mira mira', 'ssh:hopper ml-tom tom', 'ssh:ada ml-wei wei']);
    const [first] = (await fake.calls('slice:create')) as { expiresAtMs: number; memoryLimitBytes: number }[];
    expect(first?.memoryLimitBytes).toBe(10 * GIB);
    expect(first?.expiresAtMs).toBeGreaterThan(Date.now());
    await expect.poll(() => fake.slider('ml-wei').count()).toBe(1);
    await page.getByRole('button', { name: /^Undo/ }).click();
    await expect.poll(() => fake.toast().textContent()).toContain('Undone: 3 slices cut for ml');
    await expect.poll(() => page.locator('[role=slider][aria-label^="ml-"]').count()).toBe(0);
    expect(await fake.calls('slice:undo')).toHaveLength(3);
    await page.keyboard.press('Control+Shift+z');
    await expect.poll(() => page.locator('[role=slider][aria-label^="ml-"]').count()).toBe(3);
  });

  it('is one choice the next time, leaves who has one, and can be forgotten', async () => {
    const page = await fake.open();
    await fill(await sheet(), 'mira');
    await page.getByRole('button', { name: 'Create 1 slice', exact: true }).click();
    await expect.poll(() => fake.toast().textContent()).toContain('1 slice cut for ml on hopper');
    const again = await sheet();
    await again.getByLabel('As before').selectOption('ml');
    expect(await again.getByLabel(/^People/).inputValue()).toBe('mira');
    expect(await rows(again)).toEqual(['mira | has ml-mira on hopper already']);
    await page.keyboard.press('Escape');
    await reload();
    const kept = await sheet();
    await kept.getByLabel('As before').selectOption('ml');
    await kept.getByRole('button', { name: 'Forget' }).click();
    expect(await kept.getByLabel('As before').count()).toBe(0);
    await page.keyboard.press('Escape');
    await reload();
    expect(await (await sheet()).getByLabel('As before').count()).toBe(0);
  });

  it('says who got none where one person is refused, and Undo takes back the others', async () => {
    const page = await fake.open({ createFails: { tom: 'unknown-owner' } });
    await fill(await sheet(false), 'mira tom wei');
    await page.getByRole('button', { name: 'Create 3 slices' }).click();
    await expect
      .poll(() => fake.toast().textContent())
      .toMatch(
        /2 of 3 slices cut for ml\. None for tom: hopper says no for tom\. Undo takes back the 2 slices/,
      );
    expect(await made()).toHaveLength(3);
    await page.getByRole('button', { name: /^Undo/ }).click();
    await expect.poll(() => fake.slider('ml-mira').count()).toBe(0);
    expect(await fake.slider('ml-wei').count()).toBe(0);
    await page.getByRole('tab', { name: 'Events' }).click();
    await expect.poll(() => page.locator('.dock').textContent()).toContain('No slice for tom in ml');
  });

  it('asks a host that is lost for nothing more, and goes on with the next', async () => {
    await fake.open({ createFails: { mira: 'connection-lost' } });
    const dialog = await sheet();
    await fill(dialog, 'mira tom wei');
    await dialog.getByLabel('Memory limit each').fill('10');
    await dialog.getByRole('button', { name: 'Create 3 slices' }).click();
    await expect
      .poll(() => fake.toast().textContent())
      .toMatch(/1 of 3 slices cut for ml\. None for mira and tom: hopper says no/);
    expect(await made()).toEqual(['ssh:hopper ml-mira mira', 'ssh:ada ml-wei wei']);
  });

  it('takes back the others where one of the slices cannot be, and says so', async () => {
    const page = await fake.open();
    await fill(await sheet(false), 'mira tom wei');
    await page.getByRole('button', { name: 'Create 3 slices' }).click();
    await expect.poll(() => fake.toast().textContent()).toContain('3 slices cut for ml on hopper');
    // Another window was there before: the second of the three.
    await page.evaluate(() => {
      const { __trancheFake: lab } = window as unknown as {
        __trancheFake: { request(channel: string, args: object): Promise<unknown> };
      };
      return lab.request('slice:undo', { hostId: 'ssh:hopper', undoToken: 'u2' });
    });
    await page.getByRole('button', { name: /^Undo/ }).click();
    await expect
      .poll(() => fake.toast().textContent())
      .toContain('can no longer be undone. 2 of 3 edits went through; the rest is as it was.');
    await expect.poll(() => fake.slider('ml-wei').count()).toBe(0);
    expect(await fake.slider('ml-mira').count()).toBe(0);
  });

  it('says so where nothing was made, and keeps no course', async () => {
    const page = await fake.open({ refuse: 'state-not-saved' });
    await fill(await sheet(false), 'mira');
    await page.getByRole('button', { name: 'Create 1 slice', exact: true }).click();
    await expect
      .poll(() => fake.toast().textContent())
      .toContain('Nothing was changed. Cut for the course again');
    expect(await fake.toast().getByRole('button', { name: /^Undo/ }).count()).toBe(0);
    expect(await (await sheet(false)).getByLabel('As before').count()).toBe(0);
  });

  it('is offered with the commands of a host, for that host', async () => {
    const page = await fake.open();
    await page.locator('[data-host-row][aria-label^="ada"]').click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Cut for a course…' }).click();
    const dialog = page.getByRole('dialog', { name: 'Cut for a course' });
    expect(await dialog.getByLabel('ada').isChecked()).toBe(true);
    expect(await dialog.getByLabel('hopper').isChecked()).toBe(false);
    expect(await dialog.getByLabel('noether').isDisabled()).toBe(true);
  });
});
