/** What a hand can do with slices beside resizing: trade, carry, cut at once, end, and see what is idle. */
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';
import { carryOver, takeEdge } from '../renderer/gestures.ts';

const GIB = 1024 ** 3;

describe.skipIf(cannotRun)('hands', () => {
  const fake = useFakePage();
  const { gib: value } = fake;

  it('trades with the neighbour while Alt is held, as one Undo', async () => {
    const page = await fake.open();
    const { x, y } = await takeEdge(page, 'serve-7b');
    await page.keyboard.down('Alt');
    await page.mouse.move(x + 40, y, { steps: 4 });
    await expect
      .poll(() => page.locator('.tip.is-on').textContent())
      .toMatch(/20\.0 → \d+\.\d GiB nb-wei 8\.0 → \d/);
    await page.mouse.up();
    await page.keyboard.up('Alt');
    await expect.poll(() => fake.toast().textContent()).toMatch(/nb-wei gave \d\.\d GiB to serve-7b/);
    await expect.poll(async () => (await value('serve-7b')) + (await value('nb-wei'))).toBe(28);
    expect(await value('serve-7b')).toBeGreaterThan(20);
    await page.keyboard.press('Control+z');
    await expect.poll(() => value('serve-7b')).toBe(20);
    await expect.poll(() => value('nb-wei')).toBe(8);
  });

  it('trades by keys: Alt with the arrows, or typed', async () => {
    const page = await fake.open();
    await fake.slider('finetune').focus();
    await page.keyboard.press('Alt+ArrowRight');
    await page.keyboard.press('Enter');
    // The last slice trades with the one before it.
    await expect.poll(() => value('finetune')).toBe(16.5);
    await expect.poll(() => value('nightly')).toBe(23.5);
    await page.keyboard.press('Space');
    await page.keyboard.press('x');
    await page.getByRole('dialog', { name: /Trade memory between finetune and nightly/ }).waitFor();
    await page.keyboard.type('17');
    await page.keyboard.press('Enter');
    await expect.poll(() => value('nightly')).toBe(23);
  });

  it('selects the slice whose edge is taken, and shows focus and selection apart', async () => {
    const page = await fake.open();
    await fake.slider('nightly').click();
    const { x, y } = await takeEdge(page, 'finetune');
    await page.mouse.move(x + 20, y, { steps: 3 });
    await expect.poll(() => page.locator('.inspector h2').textContent()).toBe('finetune');
    await page.keyboard.press('Escape');
    await page.mouse.up();
    await fake.slider('nightly').focus();
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Tab');
    const outlines = (name: string) =>
      fake.slider(name).evaluate((element) => getComputedStyle(element).outlineStyle);
    expect(await outlines('nightly')).toBe('dashed');
    expect(await outlines('finetune')).toBe('solid');
  });

  it('shows where a carried slice would stand, and refuses with the reason', async () => {
    const page = await fake.open();
    const bar = page.getByRole('article', { name: /GPU 1/ }).locator('.bar');
    await carryOver(page, fake.slider('finetune'), bar, { x: 200, y: 40 });
    await expect.poll(() => page.locator('.drop-ghost.is-refused').count()).toBe(1);
    expect(await page.locator('.tip.is-refused').textContent()).toContain('process runs in finetune');
    await page.mouse.up();
    expect(await fake.calls('slice:delete')).toEqual([]);
    await expect.poll(() => page.locator('.drop-ghost').count()).toBe(0);
  });

  it('says what a drop on a person would do before it is done', async () => {
    const page = await fake.open();
    const tom = page.locator('.people li', { hasText: 'tom' });
    await carryOver(page, fake.slider('finetune'), tom, { x: 20, y: 8 });
    await expect
      .poll(() => page.locator('.drop-words').textContent())
      .toBe('finetune to tom, who then has 60.0 GiB');
    await page.mouse.up();
    await expect.poll(() => fake.calls('slice:assign')).toMatchObject([{ owner: 'tom' }]);
  });

  it('moves an empty slice by dropping it on another GPU', async () => {
    const page = await fake.open();
    await page.getByRole('button', { name: /^Quarter 6/ }).click();
    await expect.poll(() => page.locator('.inspector h2').textContent()).toMatch(/^mira-/);
    const name = (await page.locator('.inspector h2').textContent()) ?? '';
    await fake.slider(name).dragTo(page.getByRole('article', { name: /GPU 2/ }).locator('.bar'));
    await expect.poll(() => fake.toast().textContent()).toContain(`${name} moved to GPU 2`);
    await expect.poll(() => fake.slider(name).getAttribute('aria-label')).toContain('GPU 2');
    expect(await fake.calls('slice:move')).toHaveLength(1);
    expect(await fake.calls('slice:delete')).toEqual([]);
    expect(await page.locator('.inspector h2').textContent()).toBe(name);
    await page.keyboard.press('Control+z');
    await expect.poll(() => fake.slider(name).getAttribute('aria-label')).not.toContain('GPU 2');
  });

  it('makes it again where the agent is older, and says what that costs', async () => {
    const page = await fake.open({ olderAgent: true });
    await page.getByRole('button', { name: /^Quarter 6/ }).click();
    await expect.poll(() => page.locator('.inspector h2').textContent()).toMatch(/^mira-/);
    const name = (await page.locator('.inspector h2').textContent()) ?? '';
    await fake.slider(name).dragTo(page.getByRole('article', { name: /GPU 2/ }).locator('.bar'));
    await expect
      .poll(() => fake.toast().textContent())
      .toContain(`${name} made again on GPU 2: the agent is older and cannot move it with its history`);
    expect(await fake.calls('slice:create')).toMatchObject([
      {},
      { name, memoryLimitBytes: 6141 * 1024 ** 2, computeLimitPercent: 25 },
    ]);
  });

  it.each([
    ['Halves', 2],
    ['Quarters', 4],
    ['70 / 30', 2],
  ])('cuts an empty GPU at once: %s', async (word, count) => {
    const page = await fake.open({ scene: 'bare' });
    await page.getByRole('button', { name: word, exact: true }).click();
    await expect.poll(() => page.getByRole('slider').count()).toBe(count);
    const made = (await fake.calls('slice:create')) as {
      memoryLimitBytes: number;
      computeLimitPercent: number;
    }[];
    expect(made.reduce((sum, s) => sum + s.computeLimitPercent, 0)).toBe(100);
    const sum = made.reduce((all, s) => all + s.memoryLimitBytes, 0);
    // Two GiB are held by the driver here: what is cut is what is free, to the MiB.
    expect(sum).toBeLessThanOrEqual(40 * GIB);
    expect(sum).toBeGreaterThan(37 * GIB);
    await page.keyboard.press('Control+z');
    await expect.poll(() => page.getByRole('slider').count()).toBe(0);
  });

  it('sets an end, shows it on the slice, and takes it away', async () => {
    const page = await fake.open();
    await fake.slider('resnet-sweep').click();
    await page.getByLabel('Until').selectOption({ label: 'Friday 18:00' });
    await expect
      .poll(() => fake.slider('resnet-sweep').textContent())
      .toMatch(/until (\w{3}|\d+ \w{3}) 18:00/);
    await page.getByLabel('Until').selectOption({ label: 'Another time…' });
    const sheet = page.getByRole('dialog');
    await sheet.locator('input').fill('2020-01-01T10:00');
    expect(await sheet.textContent()).toContain('passed already');
    await sheet.locator('input').fill('2099-01-01T10:00');
    await page.keyboard.press('Enter');
    await expect.poll(() => fake.toast().textContent()).toContain('ends 1 Jan 10:00');
    await page.getByLabel('Until').selectOption({ label: 'No end' });
    await expect.poll(() => fake.toast().textContent()).toContain('has no end any more');
  });

  it('picks several with Ctrl, and asks before deleting them, with names and PIDs', async () => {
    const page = await fake.open();
    await fake.slider('finetune').click();
    await fake.slider('nb-wei').click({ modifiers: ['Control'] });
    await expect.poll(() => page.locator('.inspector h2').textContent()).toBe('2 slices');
    await page.keyboard.press('Delete');
    const dialog = page.getByRole('dialog', { name: 'Delete 2 slices?' });
    await dialog.waitFor();
    expect(await dialog.textContent()).toMatch(/finetune, wei.*nb-wei, wei.*2 processes of wei run.*\d{5}/s);
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Cancel');
    await dialog.getByRole('button', { name: 'Delete 2 slices' }).click();
    await expect
      .poll(() => fake.calls('slice:delete'))
      .toMatchObject([{ withProcesses: true }, { withProcesses: true }]);
    await expect.poll(() => fake.toast().textContent()).toContain('2 slices deleted');
    await page.keyboard.press('Control+z');
    await fake.slider('finetune').waitFor();
    await fake.slider('nb-wei').waitFor();
  });

  it('asks for the name of the host before removing an agent that others use', async () => {
    const page = await fake.open();
    await page.getByRole('button', { name: 'Remove agent…' }).click();
    const dialog = page.getByRole('dialog');
    expect(await dialog.textContent()).toMatch(
      /6 slices end with it: resnet-sweep of mira.*processes of.*run in them/s,
    );
    await dialog.getByRole('button', { name: 'Remove agent' }).click({ force: true });
    expect(await fake.calls('host:remove-agent')).toEqual([]);
    await dialog.getByRole('textbox').fill('hopper');
    await dialog.getByRole('button', { name: 'Remove agent' }).click();
    await expect.poll(() => fake.calls('host:remove-agent')).toHaveLength(1);
  });

  it('says since when a slice is held but idle', async () => {
    const page = await fake.open({ scene: 'idle' });
    await expect
      .poll(() => page.getByRole('article', { name: /GPU 0/ }).textContent())
      .toMatch(/sleeper has held 8\.0 GiB idle for 3 h 1\d min/);
    await fake.slider('sleeper').click();
    await expect.poll(() => page.locator('.idle-line').textContent()).toMatch(/idle for 3 h 1\d min/);
    await page.keyboard.press('Alt+3');
    await expect
      .poll(() =>
        page
          .locator('main > [role=grid]')
          .getByRole('row', { name: /sleeper/ })
          .textContent(),
      )
      .toMatch(/3 h 1\d min/);
    await page.keyboard.press('Alt+4');
    const wei = page.locator('main > [role=grid]').getByRole('row', { name: /^wei/ });
    expect(await wei.getByRole('gridcell').nth(3).textContent()).toBe('8.0');
  });
});
