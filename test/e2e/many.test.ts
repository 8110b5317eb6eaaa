/** 20 hosts × 8 GPUs × 10 slices: what a window of that size may cost while somebody looks, and while nobody does. */
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';

const LOOK_MS = 4000;

describe.skipIf(cannotRun)('a large lab', () => {
  const fake = useFakePage();

  /** Share of one core that the page's own thread works, samples of the fake lab included. */
  async function busyShare(): Promise<number> {
    const session = await fake.page.context().newCDPSession(fake.page);
    await session.send('Performance.enable');
    const task = async (): Promise<number> => {
      const { metrics } = await session.send('Performance.getMetrics');
      return metrics.find((metric) => metric.name === 'TaskDuration')?.value ?? 0;
    };
    const [before, startedAt] = [await task(), Date.now()];
    await fake.page.waitForTimeout(LOOK_MS);
    return ((await task()) - before) / ((Date.now() - startedAt) / 1000);
  }

  it.each([
    ['one host as bars', []],
    ['all hosts as bars', ['h']],
    ['all hosts as charts', ['h', 'Alt+2']],
    ['all hosts as a table of 1600 rows', ['h', 'Alt+3']],
    ['all people', ['h', 'Alt+4']],
  ] as const)('%s leaves most of a core free', async (name, keys) => {
    const page = await fake.open({ scene: 'many', sampleMs: 1000 });
    for (const key of keys) await page.keyboard.press(key);
    await page.waitForTimeout(1500);
    const share = await busyShare();
    console.log(`${name}: ${(share * 100).toFixed(1)} % of a core`);
    // On two shared cores; the fake lab in the same thread makes 1600 readings a second of it.
    expect(share).toBeLessThan(0.4);
  });

  it('keeps few elements in the page, however many slices there are', async () => {
    const page = await fake.open({ scene: 'many', sampleMs: 1000 });
    await page.keyboard.press('h');
    await page.keyboard.press('Alt+3');
    await expect.poll(() => page.locator('main > [role=grid]').getAttribute('aria-rowcount')).toBe('1621');
    expect(await page.locator('main > [role=grid] .data-row').count()).toBeLessThan(80);
    await page.keyboard.press('Alt+1');
    await expect.poll(() => page.getByRole('article').count()).toBeGreaterThan(3);
    expect(await page.getByRole('article').count()).toBeLessThan(25);
  });

  // A list that grows by a pixel while it is scrolled would have the style of everything in it worked out anew.
  it.each([
    ['bars', 'Alt+1', '.virtual-body *'],
    ['table', 'Alt+3', '.data-row *'],
  ])('hands no place of a long list down to what is in it, %s', async (_name, key, inside) => {
    const page = await fake.open({ scene: 'many', sampleMs: 1000 });
    await page.keyboard.press('h');
    await page.keyboard.press(key);
    const found = page.locator(inside).nth(20);
    await found.waitFor({ state: 'attached' });
    const seen = await found.evaluate((element) => {
      const style = getComputedStyle(element);
      return [style.getPropertyValue('--height'), style.getPropertyValue('--top')];
    });
    expect(seen).toEqual(['0px', '0px']);
  });

  it('opens the palette with some of each kind, and finds the others by typing', async () => {
    const page = await fake.open({ scene: 'many', sampleMs: 1000 });
    await page.keyboard.press('Control+k');
    const palette = page.locator('.palette');
    const options = palette.getByRole('option');
    await options.first().waitFor();
    const listed = Number(await options.first().getAttribute('aria-setsize'));
    expect(listed).toBeGreaterThan(100);
    expect(listed).toBeLessThan(260);
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('INPUT');
    const more = palette.getByText(/^Slices · \d+ more, found by typing$/);
    for (let press = 0; press < listed && (await more.count()) === 0; press += 1)
      await page.keyboard.press('PageDown');
    await more.waitFor();
    // However far one goes: what is out of sight is not in the page.
    expect(await options.count()).toBeLessThan(40);
  });
});
