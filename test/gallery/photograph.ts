/** A picture of each part of the gallery in each theme: `npm run gallery`. What a script can see, it says. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { startHarness } from '../renderer/e2e-harness.ts';
import type { Harness } from '../renderer/e2e-harness.ts';
import { pictureFaults } from '../renderer/picture-faults.ts';
import { THEMES, wear } from '../renderer/themes.ts';
import { buildGallery } from './build.ts';
import type { Shot } from './state.ts';

/** Of one step on a machine that others use too. */
const STEP_TIMEOUT_MS = 30_000;
/** Two ticks of samples: charts have been drawn. */
const SETTLE_MS = 1200;
const SECTION = { width: 1280, height: 800 };
/** For what lies over a window: a small one, so that it is large in the picture. */
const ALONE = { width: 760, height: 520 };

/** What there is to see, as the page itself says: its parts are not for Node. */
export async function listShots(harness: Harness): Promise<readonly Shot[]> {
  const page = await harness.open(SECTION);
  try {
    return await page.evaluate(
      () => (window as unknown as { __galleryShots: readonly Shot[] }).__galleryShots,
    );
  } finally {
    await page.context().close();
  }
}

/** Opens what the shot shows, and does to it what its state needs. */
export async function openShot(harness: Harness, { place, alone }: Shot): Promise<Page> {
  const size = alone === null ? SECTION : ALONE;
  const page = await harness.open({ ...size, hash: place, scene: 'faults' });
  page.setDefaultTimeout(STEP_TIMEOUT_MS);
  const opener = page.locator('[data-opens]');
  if (alone?.opens === 'click') await opener.locator('button, input').first().click();
  if (alone?.opens === 'right-click') await opener.click({ button: 'right' });
  if (alone?.types !== undefined) await page.keyboard.type(alone.types);
  return page;
}

/** What the page complained of. */
export const complaintsOf = (page: Page): Promise<readonly string[]> =>
  page.evaluate(() => {
    const w = window as unknown as { __cspViolations: string[]; __errors: string[] };
    return [...w.__cspViolations, ...w.__errors];
  });

const fileOf = (place: string): string => `${place.replace('/', '-')}.png`;

async function shoot(harness: Harness, shot: Shot, folder: string): Promise<readonly string[]> {
  const page = await openShot(harness, shot);
  try {
    await page.waitForTimeout(SETTLE_MS);
    for (const theme of THEMES) {
      await wear(page, theme);
      const path = join(folder, theme, fileOf(shot.place));
      await page.screenshot({ path, fullPage: shot.alone === null });
    }
    const problems = [...(await pictureFaults(page)), ...(await complaintsOf(page))];
    return problems.map((problem) => `${shot.place}: ${problem}`);
  } finally {
    await page.context().close();
  }
}

function contactSheet(shots: readonly Shot[]): string {
  const rows = shots.map(({ place }) => {
    const pictures = THEMES.map((theme) => `<img loading="lazy" src="${theme}/${fileOf(place)}">`);
    return `<h2>${place}</h2><div>${pictures.join('')}</div>`;
  });
  return `<!doctype html><meta charset="utf-8"><title>Gallery</title>
<style>body{font:14px sans-serif;margin:24px}div{display:flex;gap:8px;overflow-x:auto}img{width:640px}</style>
${rows.join('\n')}\n`;
}

const sectionOf = ({ place }: Shot): string => place.split('/')[0] ?? '';

/** Those of the sections that are named; none: all. */
function wanted(shots: readonly Shot[], only: readonly string[]): readonly Shot[] {
  const sections = [...new Set(shots.map(sectionOf))];
  const unknown = only.filter((name) => !sections.includes(name));
  if (unknown.length > 0)
    throw new Error(
      `No section is called ${unknown.join(', ')}. There are: ${sections.join(', ')}. No picture was taken.`,
    );
  return shots.filter((shot) => only.length === 0 || only.includes(sectionOf(shot)));
}

/** `only`: sections by name; none: all. Gives what is wrong with what was drawn. */
export async function photograph(folder: string, only: readonly string[]): Promise<readonly string[]> {
  const site = { folder: join(folder, 'page'), landmark: '.gallery' };
  await buildGallery(site.folder);
  const harness = await startHarness(site);
  try {
    const shots = await listShots(harness);
    const those = wanted(shots, only);
    for (const theme of THEMES) {
      if (only.length === 0) rmSync(join(folder, theme), { recursive: true, force: true });
      mkdirSync(join(folder, theme), { recursive: true });
    }
    const problems: string[] = [];
    for (const shot of those) {
      const found = await shoot(harness, shot, folder).catch((error: unknown) => [
        `${shot.place}: no picture: ${String(error)}`,
      ]);
      problems.push(...found);
    }
    writeFileSync(join(folder, 'index.html'), contactSheet(shots));
    return problems;
  } finally {
    await harness.close();
  }
}
