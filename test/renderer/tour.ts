/** Every screen in every theme and both sizes, for eyes: `npm run tour`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { startHarness } from './e2e-harness.ts';
import { PICTURES } from './pictures.ts';

const SIZES = [
  [1600, 1000],
  [1024, 700],
] as const;
const THEMES = ['dark', 'light', 'contrast'] as const;
type Theme = (typeof THEMES)[number];
const STEP_TIMEOUT_MS = 4000;
/** Two ticks of samples: charts and bars have been drawn. */
const SETTLE_MS = 700;

/** Without opening the page anew: a drag that is held stays held. */
async function wear(page: Page, theme: Theme): Promise<void> {
  await page.evaluate((name) => {
    document.documentElement.dataset['theme'] = name;
  }, theme);
  await page.waitForTimeout(120);
}

function contactSheet(names: readonly string[]): string {
  const rows = names.map((name) => {
    const shots = SIZES.flatMap(([width, height]) =>
      THEMES.map(
        (theme) => `<img loading="lazy" src="${String(width)}x${String(height)}/${theme}/${name}.png">`,
      ),
    );
    return `<h2>${name}</h2><div>${shots.join('')}</div>`;
  });
  return `<!doctype html><meta charset="utf-8"><title>Tour</title>
<style>body{font:14px sans-serif;margin:24px}div{display:flex;gap:8px;overflow-x:auto}img{height:300px}</style>
${rows.join('\n')}\n`;
}

export async function tour(folder: string, only: readonly string[]): Promise<readonly string[]> {
  const harness = await startHarness();
  const problems: string[] = [];
  const wanted = PICTURES.filter(({ name }) => only.length === 0 || only.includes(name));
  try {
    for (const [width, height] of SIZES) {
      const size = `${String(width)}x${String(height)}`;
      for (const theme of THEMES) mkdirSync(join(folder, size, theme), { recursive: true });
      for (const { name, options, act } of wanted) {
        const page = await harness.open({ ...options, width, height, dark: true });
        page.setDefaultTimeout(STEP_TIMEOUT_MS);
        await act?.(page).catch((error: unknown) => problems.push(`${size} ${name}: ${String(error)}`));
        await page.waitForTimeout(SETTLE_MS);
        for (const theme of THEMES) {
          await wear(page, theme);
          await page.screenshot({ path: join(folder, size, theme, `${name}.png`) });
        }
        const seen = await page.evaluate(() => {
          const w = window as unknown as { __cspViolations: string[]; __errors: string[] };
          return [...w.__cspViolations, ...w.__errors];
        });
        problems.push(...seen.map((line) => `${size} ${name}: ${line}`));
        await page.context().close();
      }
    }
  } finally {
    await harness.close();
  }
  writeFileSync(join(folder, 'index.html'), contactSheet(wanted.map(({ name }) => name)));
  return problems;
}
