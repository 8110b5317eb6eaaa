/** Graphs people trust: zoom, pause, gaps, what they say without being seen, what can be taken from them. */
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';

describe.skipIf(cannotRun)('charts', () => {
  const fake = useFakePage();
  const canvas = () => fake.page.locator('.inspector .plot canvas').first();
  const drag = async (from: number, to: number): Promise<void> => {
    const box = await canvas().boundingBox();
    if (box === null) throw new Error('no chart');
    await fake.page.mouse.move(box.x + from, box.y + 30);
    await fake.page.mouse.down();
    await fake.page.mouse.move(box.x + to, box.y + 30, { steps: 5 });
    await fake.page.mouse.up();
  };

  it('zooms into what is dragged over, all charts alike, and goes back on a double click', async () => {
    const page = await fake.open();
    await fake.slider('nightly').click();
    await expect.poll(() => canvas().getAttribute('aria-label')).toContain('Memory, 15m');
    const before = await fake.calls('history:get');
    await drag(60, 160);
    await expect.poll(async () => (await fake.calls('history:get')).length).toBeGreaterThan(before.length);
    const asked = (await fake.calls('history:get')).at(-1) as { fromMs: number; toMs: number };
    expect(asked.toMs - asked.fromMs).toBeLessThan(400_000);
    expect(asked.toMs - asked.fromMs).toBeGreaterThan(200_000);
    await expect.poll(() => page.locator('.inspector .xs').first().textContent()).not.toContain('now');
    await canvas().dblclick();
    await expect.poll(() => page.locator('.inspector .xs').first().textContent()).toContain('now');
  });

  it('goes through time by keys and by the wheel, and is live again at the newest', async () => {
    const page = await fake.open();
    await fake.slider('nightly').click();
    const axis = page.locator('.inspector .xs').first();
    await expect.poll(() => axis.textContent()).toContain('now');
    await page.keyboard.press('[');
    await expect.poll(() => axis.textContent()).not.toContain('now');
    await expect
      .poll(async () => {
        const { fromMs, toMs } = (await fake.calls('history:get')).at(-1) as { fromMs: number; toMs: number };
        return [Math.round((toMs - fromMs) / 60_000), Math.round((Date.now() - toMs) / 60_000)];
      })
      .toEqual([15, 8]);
    await page.keyboard.press(']');
    await expect.poll(() => axis.textContent()).toContain('now');
    await canvas().hover();
    await page.mouse.wheel(-60, 0);
    await expect.poll(() => axis.textContent()).not.toContain('now');
    await page.keyboard.press('0');
    await expect.poll(() => axis.textContent()).toContain('now');
  });

  it('asks the agent for a week', async () => {
    const page = await fake.open();
    await fake.slider('nightly').click();
    await page.getByRole('button', { name: '7d', exact: true }).click();
    await expect
      .poll(async () => {
        const { fromMs, toMs } = (await fake.calls('history:get')).at(-1) as { fromMs: number; toMs: number };
        return toMs - fromMs;
      })
      .toBe(604_800_000);
    await expect.poll(() => canvas().getAttribute('aria-label')).toMatch(/^Memory, 7d: from /);
    expect(await page.locator('.inspector .xs').first().textContent()).toMatch(/\d+ \w{3}/);
    expect(await page.locator('.inspector .source').first().textContent()).toContain('a point every');
  });

  it('shows its points as a table, and copies them as CSV and as a picture', async () => {
    const page = await fake.open();
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await fake.slider('nightly').click();
    const more = page.getByRole('button', { name: 'Memory: more' });
    await more.click();
    await page.getByRole('menuitem', { name: 'View as table' }).click();
    const dialog = page.getByRole('dialog', { name: /hopper nightly: Memory, GiB/ });
    await dialog.waitFor();
    expect(Number(await dialog.getByRole('grid').getAttribute('aria-rowcount'))).toBeGreaterThan(300);
    await page.keyboard.press('Escape');
    await more.click();
    await page.getByRole('menuitem', { name: 'Copy as CSV' }).click();
    await expect
      .poll(() =>
        page.evaluate(
          () => (window as unknown as { __trancheFake: { copied: string } }).__trancheFake.copied,
        ),
      )
      .toMatch(/^"time","Memory GiB","limit GiB","throttled %"\r\n"20\d\d-[\dT:.Z-]+",\d+\.\d+,/);
    await more.click();
    await page.getByRole('menuitem', { name: 'Copy as picture' }).click();
    await expect.poll(() => fake.toast().textContent()).toContain('Memory copied as a picture');
    const types = await page.evaluate(async () =>
      (await navigator.clipboard.read()).flatMap((item) => item.types),
    );
    expect(types).toContain('image/png');
  });

  it('says what the shim counts, what NVML shows, and why they differ', async () => {
    const page = await fake.open();
    await fake.slider('nightly').click();
    expect(await page.locator('.why').textContent()).toMatch(
      /Asked for by the programs counted by the shim\d+\.\d.*the rest0\.7.*nvidia-smi NVML\d+\.\d GiB/s,
    );
  });

  it('draws heat, power and clock of a GPU from the moment it is looked at', async () => {
    const page = await fake.open();
    await page.getByRole('button', { name: 'GPU 2', exact: true }).click();
    const charts = page.locator('.vital-charts canvas');
    await expect.poll(() => charts.count()).toBe(3);
    await expect
      .poll(() => charts.first().getAttribute('aria-label'))
      .toMatch(/^Temperature, 15m: from \d+ to \d+ °C/);
    await expect.poll(() => charts.nth(1).getAttribute('aria-label')).toMatch(/^Power.* W/);
  });

  it('greys what is old', async () => {
    const page = await fake.open();
    await page.locator('[data-host-row][aria-label^="turing"]').click();
    await fake.slider('turing-1').click();
    await page.locator('.inspector .plot.is-old').first().waitFor();
  });

  it('redraws at most twice a second, and nothing that is out of sight', async () => {
    const page = await fake.open({ sampleMs: 50, height: 700 });
    await page.keyboard.press('h');
    await page.keyboard.press('Alt+2');
    await page.locator('.gpu-charts canvas').first().waitFor();
    await page.evaluate(() => {
      const counts = new Map<string, number>();
      (window as unknown as { __draws: Map<string, number> }).__draws = counts;
      const { prototype } = CanvasRenderingContext2D;
      const original = Object.getOwnPropertyDescriptor(prototype, 'clearRect')?.value as (
        ...args: number[]
      ) => void;
      prototype.clearRect = function counted(this: CanvasRenderingContext2D, ...args: number[]) {
        const label = this.canvas.closest('article')?.getAttribute('aria-label') ?? '';
        const key = `${label} ${this.canvas.getAttribute('aria-label')?.split(',')[0] ?? ''}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
        original.apply(this, args);
      };
    });
    // What a chart draws when it is made (its size, its history) is not its pace: counted from a second later.
    await page.waitForTimeout(1000);
    await page.evaluate(() => {
      const w = window as unknown as { __draws: Map<string, number>; __since: number };
      w.__draws.clear();
      w.__since = performance.now();
    });
    await page.waitForTimeout(3000);
    const { draws, seconds } = await page.evaluate(() => {
      const w = window as unknown as { __draws: Map<string, number>; __since: number };
      return { draws: [...w.__draws], seconds: (performance.now() - w.__since) / 1000 };
    });
    expect(draws.length).toBeGreaterThan(0);
    // On a busy machine the page is asked later than it was to be.
    expect(Math.max(...draws.map(([, count]) => count))).toBeLessThanOrEqual(Math.floor(2 * seconds) + 1);
    const unseen = await page.evaluate(() => {
      const list = document.querySelector('.virtual')?.getBoundingClientRect();
      return [...document.querySelectorAll('.virtual canvas')]
        .filter((chart) => chart.getBoundingClientRect().top > (list?.bottom ?? 0))
        .map((chart) => chart.closest('article')?.getAttribute('aria-label') ?? '');
    });
    expect(unseen.length).toBeGreaterThan(0);
    expect(draws.filter(([key]) => unseen.some((label) => key.startsWith(label)))).toEqual([]);
  });
});
