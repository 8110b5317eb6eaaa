/** Bars, charts, table and people, over one host and over all. */
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';

describe.skipIf(cannotRun)('views', () => {
  const fake = useFakePage();
  const rows = () => fake.page.locator('main > [role=grid]').getByRole('row');
  const cells = async (column: number): Promise<string[]> =>
    (await fake.page.locator('main > [role=grid] .data-row').all()).length === 0
      ? []
      : fake.page.locator(`main > [role=grid] .data-row > :nth-child(${String(column)})`).allTextContents();

  it('shows all hosts on one screen, filtered by any word', async () => {
    const page = await fake.open();
    await page.keyboard.press('h');
    await expect.poll(() => page.locator('h1').textContent()).toBe('All hosts');
    expect(await page.locator('.host-head').textContent()).toMatch(
      /GiB free.*allocated.*used.*6 GPUs on 3 hosts/,
    );
    await page.keyboard.press('/');
    await page.keyboard.type('l40s wei');
    await expect.poll(() => page.getByRole('article').count()).toBe(1);
    expect(await page.getByRole('article').getAttribute('aria-label')).toContain('L40S');
    await page.keyboard.press('Control+a');
    await page.keyboard.type('nothing at all');
    await page.getByRole('button', { name: 'Clear filter' }).last().click();
    await expect.poll(() => page.getByRole('article').count()).toBeGreaterThan(2);
  });

  it('groups by tag, and saves the view under a name', async () => {
    const page = await fake.open();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('tags');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Tags of hopper' }).waitFor();
    await page.keyboard.type('basement');
    await page.keyboard.press('Enter');
    await page.keyboard.press('h');
    await page.getByRole('button', { name: 'Group: By host' }).click();
    await page.getByRole('menuitemradio', { name: 'By tag' }).click();
    await expect.poll(() => page.locator('.fleet-group h2').first().textContent()).toBe('basement');
    await page.getByRole('button', { name: 'Saved views' }).click();
    await page.getByRole('menuitem', { name: 'Save this view…' }).click();
    await page.getByRole('dialog').waitFor();
    await page.keyboard.type('Rooms');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Control+2');
    await page.keyboard.press('Control+k');
    await page.keyboard.type('rooms');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('.fleet-group h2').first().textContent()).toBe('basement');
  });

  it('sorts the table, unknown last, and picks several rows', async () => {
    const page = await fake.open();
    await page.keyboard.press('Alt+3');
    await rows().first().waitFor();
    const limits = (await cells(4)).map(Number).filter((n) => !Number.isNaN(n));
    expect(limits.length).toBeGreaterThan(3);
    expect(limits).toEqual([...limits].sort((a, b) => b - a));
    expect((await cells(4)).at(-1)).toBe('—');
    await page
      .locator('main > [role=grid]')
      .getByRole('columnheader', { name: /^Slice/ })
      .getByRole('button')
      .click();
    await expect.poll(async () => (await cells(1))[0]).toBe('embed');
    expect(
      await page
        .locator('main > [role=grid]')
        .getByRole('columnheader', { name: /^Slice/ })
        .getAttribute('aria-sort'),
    ).toBe('ascending');
    await page
      .locator('main > [role=grid]')
      .getByRole('row', { name: /finetune/ })
      .focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Control+Space');
    await expect.poll(() => page.locator('main > [role=grid] .data-row[aria-selected=true]').count()).toBe(2);
    await page.keyboard.press('g');
    await page.keyboard.type('lab');
    await page.keyboard.press('Enter');
    await expect.poll(() => fake.toast().textContent()).toMatch(/^(2 slices|finetune) given to lab/);
    await page.keyboard.press('Control+z');
    await expect
      .poll(async () => (await fake.calls('slice:undo')).length)
      .toBe((await fake.calls('slice:assign')).length);
  });

  it('keeps only the rows in sight in the page', async () => {
    const page = await fake.open({ scene: 'crowd', height: 700 });
    await page.keyboard.press('h');
    await page.keyboard.press('Alt+3');
    await rows().first().waitFor();
    const grid = page.locator('main > [role=grid]');
    const count = Number(await grid.getAttribute('aria-rowcount'));
    expect(count).toBeGreaterThan(50);
    expect(await page.locator('main > [role=grid] .data-row').count()).toBeLessThan(count);
    await page.locator('main > [role=grid] .data-row').first().focus();
    await page.keyboard.press('End');
    await expect
      .poll(() => page.evaluate(() => document.activeElement?.getAttribute('aria-rowindex')))
      .toBe(String(count));
  });

  it('remembers columns, sorting, view and selection', async () => {
    const page = await fake.open();
    await page.keyboard.press('Alt+3');
    await page.getByRole('button', { name: 'Columns' }).click();
    await page.getByRole('menuitemcheckbox', { name: 'Owner' }).click();
    await page
      .locator('main > [role=grid]')
      .getByRole('row', { name: /nightly/ })
      .click();
    await page.reload();
    await page.locator('main > [role=grid]').waitFor();
    expect(await page.getByRole('columnheader', { name: 'Owner' }).count()).toBe(0);
    await expect.poll(() => page.locator('.inspector h2').textContent()).toBe('nightly');
  });

  it('sums people over all hosts: allocated beside used, and where', async () => {
    const page = await fake.open();
    await page.keyboard.press('h');
    await page.keyboard.press('Alt+4');
    const tom = page.locator('main > [role=grid]').getByRole('row', { name: /^tom/ });
    await tom.waitFor();
    const text = (await tom.getByRole('gridcell').allTextContents()).map((cell) => cell.trim());
    expect(text[1]).toBe('88.5');
    expect(Number(text[2])).toBeGreaterThan(10);
    expect(Number(text[2])).toBeLessThan(88.5);
    expect(text.at(-1)).toBe('hopper 0 · ada 0');
    // Of the last seven days, over both hosts; asked for when this was opened.
    await expect.poll(() => tom.getByRole('gridcell').allTextContents()).toContain('42.5');
    const gone = page.locator('main > [role=grid]').getByRole('row', { name: /^gone/ });
    expect(await gone.getByRole('gridcell').allTextContents()).toContain('1.0');
    await tom.click();
    await expect.poll(() => page.locator('.view-foot').textContent()).toContain('3 slices selected');
  });

  it('draws every GPU of a host as charts with a sentence for those who cannot see them', async () => {
    const page = await fake.open();
    await page.keyboard.press('Alt+2');
    await expect.poll(() => page.locator('.gpu-charts canvas').count()).toBe(6);
    await expect
      .poll(() => page.locator('.gpu-charts canvas').first().getAttribute('aria-label'))
      .toMatch(/^Memory, 15m: from \d+\.\d to \d+\.\d GiB/);
  });

  it('tells what is cut off to whoever points at it, and only that', async () => {
    const page = await fake.open({ scene: 'crowd', width: 1024, height: 700 });
    const long = 'abcdefghijklmnopqrstuvwxyz-0123456789-abc';
    const slices = page.locator('.dock').getByRole('columnheader', { name: /^Slice/ });
    await slices.getByRole('button').click();
    const row = page.locator('.dock .data-row').filter({ hasText: long });
    const name = row.getByRole('gridcell').filter({ hasText: long });
    expect(await name.getAttribute('title')).toBeNull();
    await name.hover();
    await expect.poll(() => name.getAttribute('title')).toBe(long);
    await row.getByRole('gridcell').first().hover();
    expect(await row.getByRole('gridcell').first().getAttribute('title')).toBeNull();
    // With room for it there is nothing left to tell.
    await page.setViewportSize({ width: 1900, height: 1000 });
    await name.hover();
    await expect.poll(() => name.getAttribute('title')).toBeNull();
  });
});
