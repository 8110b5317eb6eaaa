/** Desktop manners: settings, notices, links, diagnostics, zoom. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';

describe.skipIf(cannotRun)('manners', () => {
  const fake = useFakePage();
  const push = (event: unknown): Promise<void> =>
    fake.page.evaluate((sent) => {
      (window as unknown as { __trancheFake: { push(event: unknown): void } }).__trancheFake.push(sent);
    }, event);

  it('finds a setting by typing, applies it at once and keeps it', async () => {
    const page = await fake.open();
    await page.keyboard.press('Control+,');
    const sheet = page.getByRole('dialog', { name: 'Settings' });
    await sheet.waitFor();
    await page.keyboard.type('high contrast dark');
    await expect.poll(() => sheet.locator('.setting').count()).toBe(1);
    await sheet.getByRole('button', { name: 'High contrast' }).click();
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(0, 0, 0)');
    await page.reload();
    await page.locator('.app').waitFor();
    expect(await page.evaluate(() => document.documentElement.dataset['theme'])).toBe('contrast');
  });

  it('lets bare letters be letters for those who want that', async () => {
    const page = await fake.open();
    await page.keyboard.press('Control+,');
    await page.keyboard.type('single');
    await page.getByRole('switch', { name: 'Single-letter keys' }).click();
    await page.keyboard.press('Escape');
    await page.keyboard.press('n');
    await page.keyboard.press('h');
    expect(await page.getByRole('dialog').count()).toBe(0);
    expect(await page.locator('h1').textContent()).toBe('hopper');
    await page.keyboard.press('Control+n');
    await page.getByRole('dialog', { name: 'New slice on hopper' }).waitFor();
  });

  it('makes everything denser', async () => {
    const page = await fake.open();
    const height = async (): Promise<number> =>
      (await page.locator('.bar').first().boundingBox())?.height ?? 0;
    expect(await height()).toBe(80);
    await page.keyboard.press('Control+,');
    await page.getByRole('button', { name: 'Compact' }).click();
    await page.keyboard.press('Escape');
    expect(await height()).toBe(56);
  });

  it('gives notices with a switch for each, and none while paused', async () => {
    const page = await fake.open();
    const notice = {
      event: 'notice',
      data: {
        hostId: 'ssh:hopper',
        atMs: 1,
        code: 'denied',
        sliceId: 's-GPU-hopper-0-resnet-sweep',
        message: 'no room',
      },
    };
    await push(notice);
    await expect
      .poll(() => fake.calls('notice:show'))
      .toMatchObject([
        {
          title: 'resnet-sweep was denied memory',
          link: expect.stringMatching(/^tranche:\/\/host\/hopper\/gpu\//),
        },
      ]);
    await page.keyboard.press('Control+k');
    await page.keyboard.type('pause notices');
    await page.keyboard.press('Enter');
    await expect
      .poll(() => page.evaluate(() => localStorage.getItem('tranche.settings')))
      .toContain('"noticesPaused":true');
    await push({
      event: 'host:changed',
      data: {
        id: 'ssh:ada',
        name: 'ada',
        source: 'ssh-config',
        address: null,
        connection: {
          kind: 'reconnecting',
          attempt: 1,
          nextAttemptAtMs: null,
          failure: { code: 'connection-lost', message: 'gone', detail: null },
        },
        gpus: [],
        slices: [],
        people: [],
        lastSample: null,
      },
    });
    await page.waitForTimeout(200);
    expect(await fake.calls('notice:show')).toHaveLength(1);
  });

  it('follows a link to a slice, and connects to nothing that it does not know', async () => {
    const page = await fake.open();
    await push({
      event: 'navigate',
      data: { link: 'tranche://host/ada/gpu/GPU-ada-1/slice/s-GPU-ada-1-mira-3' },
    });
    await expect.poll(() => page.locator('.inspector h2').textContent()).toBe('mira-3');
    await push({ event: 'navigate', data: { link: 'tranche://host/evil.example' } });
    await expect.poll(() => fake.toast().textContent()).toContain('Nothing was connected');
    expect(await fake.calls('host:connect')).toEqual([]);
    expect(await fake.calls('host:add')).toEqual([]);
  });

  it('shows the diagnostics before they are saved, without names', async () => {
    const page = await fake.open();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('diagnostics');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Diagnostics' });
    await dialog.waitFor();
    const shown = await dialog.locator('pre').textContent();
    expect(shown).not.toMatch(/hopper|mira|nightly/);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      dialog.getByRole('button', { name: 'Save file' }).click(),
    ]);
    expect(await readFile(await download.path(), 'utf8')).toBe(shown);
  });

  it('tells the tray when it is chosen', async () => {
    const page = await fake.open();
    await page.keyboard.press('Control+,');
    expect(await fake.calls('tray:show')).toEqual([]);
    await page.evaluate(() =>
      localStorage.setItem('tranche.settings', JSON.stringify({ tray: true, notices: {} })),
    );
    await page.reload();
    await expect
      .poll(async () => (await fake.calls('tray:show')).slice(-1), { timeout: 8000 })
      .toMatchObject([
        {
          tray: {
            worst: 'bad',
            hosts: expect.arrayContaining([
              { label: 'hopper: 32.0 GiB free', link: 'tranche://host/hopper' },
            ]),
          },
        },
      ]);
  });

  it.each([
    ['twice the size of a laptop screen', 720, 450],
    ['the smallest window', 1024, 700],
  ])('can be used at %s', async (_name, width, height) => {
    const page = await fake.open({ width, height });
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth + 1);
    expect(sideways).toBe(false);
    await fake.slider('nightly').scrollIntoViewIfNeeded();
    await fake.slider('nightly').click();
    await page.locator('.inspector [data-field=memory]').scrollIntoViewIfNeeded();
    await page.locator('.inspector [data-field=memory]').fill('20');
    await page.keyboard.press('Enter');
    await expect.poll(() => fake.calls('slice:resize')).toHaveLength(1);
    for (const label of ['Search and run', 'More commands']) {
      const box = await page.getByRole('button', { name: label }).boundingBox();
      expect(box === null ? -1 : box.x + box.width).toBeGreaterThan(0);
      expect(box === null ? 1e9 : box.x + box.width).toBeLessThanOrEqual(width);
    }
  });
});
