/** One registry behind palette, menus, keys and the sheet: reached by keys alone, and saying why it refuses. */
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';

describe.skipIf(cannotRun)('palette', () => {
  const fake = useFakePage();
  const options = () => fake.page.locator('.palette').getByRole('option');
  const openPalette = async (keys = 'Control+k'): Promise<void> => {
    await fake.page.keyboard.press(keys);
    await fake.page.getByRole('dialog').waitFor();
  };

  it('answers a size with the places where it fits, and Enter fills the sheet', async () => {
    const page = await fake.open();
    await openPalette();
    await page.keyboard.type('20g');
    await expect.poll(() => options().first().textContent()).toMatch(/20\.0 GiB on (hopper|ada)/);
    const titles = await options().allTextContents();
    expect(titles.filter((text) => text.includes('on hopper · GPU 0'))).toEqual([]);
    const [first] = titles;
    await page.keyboard.press('Enter');
    const sheet = page.getByRole('dialog');
    await sheet.getByText(/New slice on/).waitFor();
    expect(first).toContain(
      (await sheet.getByRole('heading').textContent())?.replace('New slice on ', '') ?? '',
    );
    expect(await sheet.getByLabel('Memory limit').inputValue()).toBe('20.0');
    await page.keyboard.press('Enter');
    await expect.poll(() => fake.calls('slice:create')).toMatchObject([{ memoryLimitBytes: 20 * 1024 ** 3 }]);
  });

  it('says where the largest place is when nothing fits', async () => {
    const page = await fake.open();
    await openPalette('Control+Shift+p');
    await page.keyboard.type('200 GiB');
    await expect
      .poll(() => options().first().textContent())
      .toMatch(/largest free place is 24\.0 GiB on hopper/);
    await page.keyboard.press('Enter');
    expect(await page.getByRole('dialog').count()).toBe(1);
  });

  it('goes to a slice on another host, and shows what was picked lately first', async () => {
    const page = await fake.open();
    await openPalette();
    await page.keyboard.type('mira3');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('.inspector h2').textContent()).toBe('mira-3');
    expect(await page.locator('h1').textContent()).toBe('ada');
    await openPalette();
    await expect.poll(() => options().first().textContent()).toContain('mira-3');
  });

  it('shows keys, and refuses with the reason', async () => {
    const page = await fake.open({ scene: 'crowd' });
    await openPalette();
    await page.keyboard.type('rename');
    await expect.poll(() => options().first().textContent()).toMatch(/Rename….*Select a slice first.*F2/);
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
  });

  it('covers the page without making it inert, and gives the focus back', async () => {
    const page = await fake.open();
    await fake.slider('nightly').focus();
    await openPalette();
    const layer = page.locator('.palette-layer');
    // A modal one costs the style of the whole page, twice: npm run bench:ui -- hands.
    expect(await layer.evaluate((element) => element.matches(':modal'))).toBe(false);
    expect(await layer.getAttribute('aria-modal')).toBe('true');
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute('role'));
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('combobox');
    await page.keyboard.press('Shift+Tab');
    expect(await focused()).toBe('combobox');
    // On its own ground, beside the list: nothing below is hit, and the keys stay.
    await page.mouse.click(page.viewportSize()!.width / 2, 180, { button: 'right' });
    expect(await focused()).toBe('combobox');
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toMatch(
      /^nightly,/,
    );
    await openPalette();
    const row = await page.locator('[data-host-row][aria-label^="ada"]').boundingBox();
    await page.mouse.click((row?.x ?? 0) + 10, (row?.y ?? 0) + 10);
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
    expect(await page.locator('h1').textContent()).toBe('hopper');
  });

  it('lies over a sheet that was open, and leaves it there', async () => {
    const page = await fake.open();
    await page.keyboard.press('Control+,');
    await page.getByRole('dialog', { name: 'Settings' }).waitFor();
    await page.evaluate(() => {
      const { __trancheFake: lab } = window as unknown as {
        __trancheFake: { push(event: unknown): void };
      };
      lab.push({ event: 'command', data: { id: 'palette.open' } });
    });
    await page.getByRole('dialog', { name: 'Search and run' }).waitFor();
    await page.keyboard.type('ada');
    await expect.poll(() => options().first().textContent()).toContain('ada');
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('.palette-layer').count()).toBe(0);
    expect(await page.getByRole('dialog', { name: 'Settings' }).count()).toBe(1);
  });

  it('goes up and down with the keys, names the row to readers, and runs what is on', async () => {
    const page = await fake.open();
    await openPalette();
    const on = () => page.locator('.palette [role=option][aria-selected=true]');
    const named = async (): Promise<string | null> => {
      const id = await page.locator('.palette input').getAttribute('aria-activedescendant');
      return page.evaluate(
        (of) => document.getElementById(of ?? '')?.getAttribute('aria-selected') ?? null,
        id,
      );
    };
    await page.keyboard.press('End');
    await expect.poll(() => on().getAttribute('aria-posinset')).toBe(await on().getAttribute('aria-setsize'));
    expect(await named()).toBe('true');
    await page.keyboard.press('ArrowDown');
    await expect.poll(() => on().getAttribute('aria-posinset')).toBe('1');
    await page.keyboard.type('charts');
    await page.keyboard.press('ArrowDown');
    const title = (await on().locator('.palette-title').textContent()) ?? '';
    expect(title).not.toBe('');
    expect(await named()).toBe('true');
    await on().hover();
    await options().first().hover();
    await expect.poll(() => on().getAttribute('aria-posinset')).toBe('1');
  });

  it('gives a slice to somebody by keys alone', async () => {
    const page = await fake.open();
    await fake.slider('finetune').focus();
    await page.keyboard.press('Space');
    await page.keyboard.press('g');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.type('tom');
    await page.keyboard.press('Enter');
    await expect.poll(() => fake.calls('slice:assign')).toMatchObject([{ owner: 'tom' }]);
  });

  it('moves an idle slice by keys, as one edit with one Undo, and refuses one in which somebody runs', async () => {
    const page = await fake.open();
    await fake.slider('finetune').focus();
    await page.keyboard.press('Space');
    await page.keyboard.press('m');
    await expect.poll(() => options().first().textContent()).toContain('process runs in finetune');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /^Quarter 6/ }).click();
    await expect.poll(() => page.locator('.inspector h2').textContent()).toMatch(/^mira-/);
    const name = (await page.locator('.inspector h2').textContent()) ?? '';
    await page.keyboard.press('m');
    // The GPU it is on is refused, and not what Enter would take.
    await expect.poll(() => options().first().textContent()).toMatch(/^GPU [02]/);
    expect(await options().first().getAttribute('aria-selected')).toBe('true');
    await page.keyboard.type('GPU 0');
    await page.keyboard.press('Enter');
    await expect.poll(() => fake.toast().textContent()).toContain(`${name} moved to GPU 0`);
    await page.keyboard.press('Control+z');
    await expect.poll(() => fake.calls('slice:undo')).toHaveLength(1);
    await expect.poll(() => fake.slider(name).getAttribute('aria-label')).toContain('GPU 1');
  });

  it('offers the same commands under the right button', async () => {
    const page = await fake.open();
    await fake.slider('nightly').click({ button: 'right' });
    const menu = page.getByRole('menu');
    await menu.waitFor();
    expect(await menu.getByRole('menuitem').allTextContents()).toEqual(
      expect.arrayContaining(['Rename…F2', 'Give to…G', 'Move to…M', 'DeleteDel']),
    );
    await menu.getByText('Until…').click();
    await options().filter({ hasText: 'Friday' }).click();
    await expect.poll(() => fake.toast().textContent()).toMatch(/nightly ends .* 18:00/);
    const [call] = (await fake.calls('slice:resize')) as { expiresAtMs: number }[];
    expect(new Date(call?.expiresAtMs ?? 0).getDay()).toBe(5);
    expect(await page.locator('.inspector').textContent()).toContain('18:00');
  });

  it('offers the commands of a GPU and of a host under the right button', async () => {
    const page = await fake.open();
    await page.getByRole('article', { name: /GPU 1/ }).locator('header').click({ button: 'right' });
    await page.getByRole('menuitem', { name: /New slice/ }).click();
    await page.getByRole('dialog', { name: 'New slice on hopper' }).waitFor();
    expect(await page.getByRole('dialog').getByRole('combobox').first().inputValue()).toBe('GPU-hopper-1');
    await page.keyboard.press('Escape');
    await page.locator('[data-host-row][aria-label^="hilbert"]').click({ button: 'right' });
    const items = page.getByRole('menu').getByRole('menuitem');
    await expect.poll(() => items.first().textContent()).toBe('Connect');
    const off = page.getByRole('menuitem', { name: 'Disconnect' });
    expect(await off.getAttribute('aria-disabled')).toBe('true');
    expect(await off.getAttribute('title')).toBe('hilbert is not connected.');
    await items.first().click();
    await expect.poll(() => fake.calls('host:connect')).toEqual([{ hostId: 'ssh:hilbert' }]);
  });

  it('lists every key in the sheet', async () => {
    const page = await fake.open();
    await page.keyboard.press('?');
    const sheet = page.getByRole('dialog');
    await sheet.waitFor();
    expect(await sheet.textContent()).toMatch(/New slice….*Ctrl N.*Search and run….*Ctrl K.*Until…U/s);
  });

  it('lets a key be changed, refuses one that is taken, and keeps it', async () => {
    const page = await fake.open();
    await page.keyboard.press('?');
    const sheet = page.getByRole('dialog', { name: 'Keys' });
    await sheet.getByRole('button', { name: 'Change the keys of Settings…' }).click();
    await page.keyboard.press('Control+k');
    await expect
      .poll(() => sheet.getByRole('status').textContent())
      .toContain('Ctrl K is taken by “Search and run…”');
    await sheet.getByRole('button', { name: 'Change the keys of Settings…' }).click();
    await page.keyboard.press('F4');
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
    await page.reload();
    await page.locator('.app').waitFor();
    await page.keyboard.press('Control+,');
    expect(await page.getByRole('dialog').count()).toBe(0);
    await page.keyboard.press('F4');
    await page.getByRole('dialog', { name: 'Settings' }).waitFor();
    await expect
      .poll(async () => JSON.stringify((await fake.calls('menu:state')).at(-1)))
      .toContain('{"id":"app.settings","keys":"F4"}');
  });

  it('tells the menu bar what is refused and why', async () => {
    const page = await fake.open();
    await expect.poll(async () => (await fake.calls('menu:state')).length).toBeGreaterThan(0);
    await fake.slider('finetune').click();
    await expect
      .poll(async () => JSON.stringify((await fake.calls('menu:state')).at(-1)))
      .not.toContain('slice.rename');
    await page.evaluate(() => {
      const { __trancheFake: lab } = window as unknown as {
        __trancheFake: { push(event: unknown): void };
      };
      lab.push({ event: 'command', data: { id: 'slice.rename' } });
    });
    await page.getByRole('dialog', { name: 'Rename finetune' }).waitFor();
  });
});
