/** Nothing moves under the pointer when samples arrive: the browser's own layout shifts, over several ticks in each view. */
import { describe, expect, it } from 'vitest';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';

const TICKS = 6;
const TICKS_TIMEOUT_MS = 20_000;

interface Source {
  readonly node: Node | null;
  readonly previousRect: DOMRect;
  readonly currentRect: DOMRect;
}
interface Shift extends PerformanceEntry {
  readonly hadRecentInput: boolean;
  readonly sources: readonly Source[];
}

describe.skipIf(cannotRun)('samples', () => {
  const fake = useFakePage();

  /** What moved while figures changed so many times, by element. */
  const moved = (): Promise<readonly string[]> =>
    fake.page.evaluate(
      async ([ticks, timeoutMs]) => {
        const shifts: string[] = [];
        const by = (one: Source, key: 'x' | 'y'): number => one.currentRect[key] - one.previousRect[key];
        // Less than a pixel is how a glyph is rounded, and nobody sees it.
        const isSeen = (one: Source): boolean => Math.abs(by(one, 'x')) >= 1 || Math.abs(by(one, 'y')) >= 1;
        const nameOf = (one: Source): string => {
          const at = one.node instanceof Element ? one.node : one.node?.parentElement;
          const text = one.node?.textContent?.slice(0, 30) ?? '';
          return `${at?.tagName ?? '?'}.${at?.className ?? ''} “${text}” by ${by(one, 'x').toFixed(1)}, ${by(one, 'y').toFixed(1)}`;
        };
        const watch = new PerformanceObserver((list) => {
          for (const entry of list.getEntries() as Shift[])
            if (!entry.hadRecentInput) shifts.push(...entry.sources.filter(isSeen).map(nameOf));
        });
        watch.observe({ type: 'layout-shift' });
        await new Promise<void>((resolve, reject) => {
          let seen = 0;
          let lastMs = 0;
          const changes = new MutationObserver(() => {
            const nowMs = performance.now();
            if (nowMs - lastMs < 200) return; // one tick is drawn in several frames
            lastMs = nowMs;
            seen += 1;
            if (seen < ticks) return;
            changes.disconnect();
            resolve();
          });
          changes.observe(document.body, { subtree: true, characterData: true, childList: true });
          setTimeout(() => reject(new Error(`only ${String(seen)} ticks were drawn`)), timeoutMs);
        });
        watch.disconnect();
        return shifts;
      },
      [TICKS, TICKS_TIMEOUT_MS] as const,
    );

  const places: readonly (readonly [string, () => Promise<void>])[] = [
    ['one host', () => Promise.resolve()],
    ['all hosts', () => fake.page.keyboard.press('h')],
    ['a slice with its charts', () => fake.slider('resnet-sweep').click()],
  ];
  it.each(places)('move nothing: %s', async (_where, go) => {
    const page = await fake.open();
    await page.getByRole('article').first().waitFor();
    await go();
    for (const view of ['Alt+1', 'Alt+2', 'Alt+3', 'Alt+4']) {
      await page.keyboard.press(view);
      expect(await moved(), view).toEqual([]);
    }
  });
});
