/** Every screen in every theme and all sizes, for eyes: `npm run tour`. What a script can see, it says. */
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { CDPSession, Page } from 'playwright-core';
import { startHarness } from './e2e-harness.ts';
import type { Harness } from './e2e-harness.ts';
import { pictureFaults } from './picture-faults.ts';
import { PICTURES } from './pictures.ts';
import type { Picture } from './picture-acts.ts';
import { THEMES, wear } from './themes.ts';
import type { Theme } from './themes.ts';

const SIZES = [
  [1600, 1000],
  // What a window opens with (electron/main/window-options.ts).
  [1440, 900],
  [1024, 700],
] as const;
type Size = (typeof SIZES)[number];
/** Of one step on a machine that others use too; a page may take this long to come. */
const STEP_TIMEOUT_MS = 30_000;
/** A screen that did not come is asked for once more, in a page of its own. */
const TRIES = 2;
/** Two ticks of samples: charts and bars have been drawn. */
const SETTLE_MS = 700;
/** Most of a picture's time is waiting, so there are more pages than processors; with too many, steps time out. */
const PAGES_AT_ONCE = Math.min(6, availableParallelism() * 2);

async function shoot(session: CDPSession, path: string): Promise<void> {
  // Twice as fast as Playwright's own, which packs each picture as small as it gets.
  const { data } = await session.send('Page.captureScreenshot', { format: 'png', optimizeForSpeed: true });
  writeFileSync(path, Buffer.from(data, 'base64'));
}

/** Size and theme are the tour's: pictures that differ in nothing else are one. */
function screens(only: readonly string[]): readonly Picture[] {
  const seen = new Set<string>();
  const acts = new Map<Picture['act'], number>();
  return PICTURES.filter(({ name, options: { width: _w, height: _h, dark: _d, ...options }, act }) => {
    if (only.length > 0) return only.includes(name);
    acts.set(act, acts.get(act) ?? acts.size);
    const key = `${String(acts.get(act))} ${JSON.stringify(options)}`;
    const known = seen.has(key);
    seen.add(key);
    return !known;
  });
}

const folderOf = (folder: string, [width, height]: Size, theme: Theme): string =>
  join(folder, `${String(width)}x${String(height)}`, theme);

/** One page, used for one picture after the other. */
class Photographer {
  private page: Page | null = null;
  private session: CDPSession | null = null;
  constructor(
    private readonly harness: Harness,
    private readonly folder: string,
  ) {}

  private async open([width, height]: Size, options: Picture['options']): Promise<Page> {
    const { dark: _dark, ...lab } = options;
    if (this.page === null) {
      this.page = await this.harness.open({ ...lab, width, height, dark: true });
      this.page.setDefaultTimeout(STEP_TIMEOUT_MS);
      this.session = await this.page.context().newCDPSession(this.page);
    } else await this.harness.openAgain(this.page, { ...lab, width, height });
    return this.page;
  }

  private async close(): Promise<void> {
    const { page } = this;
    this.page = null;
    this.session = null;
    // What is wrong with a page that hangs has been said; whether it still closes says nothing about the screen.
    await page
      ?.context()
      .close()
      .catch(() => undefined);
  }

  /** Gives what is wrong with the screen; one that cannot be had is a fault of it, and not the end of the others. */
  async take(size: Size, picture: Picture): Promise<readonly string[]> {
    for (let left = TRIES; ; left -= 1) {
      try {
        return await this.once(size, picture);
      } catch (error) {
        await this.close();
        if (left > 1) continue;
        return [`${size.join('x')} ${picture.name}: no picture: ${String(error)}`];
      }
    }
  }

  private async once(size: Size, { name, options, act }: Picture): Promise<readonly string[]> {
    const problems: string[] = [];
    const page = await this.open(size, options);
    await act?.(page).catch((error: unknown) => problems.push(String(error)));
    await page.waitForTimeout(SETTLE_MS);
    for (const theme of THEMES) {
      await wear(page, theme);
      if (this.session !== null)
        await shoot(this.session, join(folderOf(this.folder, size, theme), `${name}.png`));
    }
    problems.push(...(await pictureFaults(page)));
    const seen = await page.evaluate(() => {
      const w = window as unknown as { __cspViolations: string[]; __errors: string[] };
      return [...w.__cspViolations, ...w.__errors];
    });
    return [...problems, ...seen].map((problem) => `${size.join('x')} ${name}: ${problem}`);
  }
}

function contactSheet(names: readonly string[]): string {
  const rows = names.map((name) => {
    const shots = SIZES.flatMap((size) =>
      THEMES.map((theme) => `<img loading="lazy" src="${folderOf('.', size, theme)}/${name}.png">`),
    );
    return `<h2>${name}</h2><div>${shots.join('')}</div>`;
  });
  return `<!doctype html><meta charset="utf-8"><title>Tour</title>
<style>body{font:14px sans-serif;margin:24px}div{display:flex;gap:8px;overflow-x:auto}img{height:300px}</style>
${rows.join('\n')}\n`;
}

export async function tour(folder: string, only: readonly string[]): Promise<readonly string[]> {
  const harness = await startHarness();
  const wanted = screens(only);
  const left = SIZES.flatMap((size) => wanted.map((picture) => [size, picture] as const));
  const problems: string[] = [];
  const kept = join(folder, 'problems.txt');
  rmSync(kept, { force: true });
  for (const size of SIZES)
    for (const theme of THEMES) mkdirSync(folderOf(folder, size, theme), { recursive: true });
  const walk = async (): Promise<void> => {
    const photographer = new Photographer(harness, folder);
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const found = await photographer.take(...next);
      problems.push(...found);
      // As they come: what was found is known, whatever becomes of the rest.
      if (found.length > 0) appendFileSync(kept, `${found.join('\n')}\n`);
    }
  };
  try {
    await Promise.all(Array.from({ length: PAGES_AT_ONCE }, walk));
  } finally {
    await harness.close();
  }
  writeFileSync(join(folder, 'index.html'), contactSheet(wanted.map(({ name }) => name)));
  return problems.sort();
}
