/** The gallery of components (`npm run gallery`): each part can be drawn, and complains of nothing. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildGallery } from '../gallery/build.ts';
import { complaintsOf, listShots, openShot } from '../gallery/photograph.ts';
import { chromiumPath, startHarness } from '../renderer/e2e-harness.ts';
import type { Harness } from '../renderer/e2e-harness.ts';

/** What a state that is alone has to show, one of them. */
const OPENED = '.gallery dialog[open], .menu[role=menu], .gallery .toast, .gallery [aria-invalid=true]';

describe.skipIf(chromiumPath() === null)('the gallery of components', () => {
  let harness: Harness;
  const folder = mkdtempSync(join(tmpdir(), 'tranche-gallery-'));
  beforeAll(async () => {
    await buildGallery(folder);
    harness = await startHarness({ folder, landmark: '.gallery' });
  });
  afterAll(async () => {
    await harness.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('draws all its sections and states', async () => {
    const shots = await listShots(harness);
    expect(shots.length).toBeGreaterThan(10);
    expect(new Set(shots.map(({ place }) => place)).size).toBe(shots.length);
    for (const shot of shots) {
      const page = await openShot(harness, shot);
      try {
        if (shot.alone !== null) await page.locator(OPENED).first().waitFor();
        const bare = await page.evaluate(() =>
          [...document.querySelectorAll('.gallery figure')]
            .filter((figure) => figure.children.length < 2)
            .map((figure) => figure.getAttribute('aria-label')),
        );
        expect(bare, `${shot.place}: nothing is drawn`).toEqual([]);
        expect(await complaintsOf(page), shot.place).toEqual([]);
      } finally {
        await page.context().close();
      }
    }
  });
});
