/** What a hand does with slices. The mouse stays down: whoever calls looks first, and lets go. */
import type { Locator, Page } from 'playwright-core';

interface Place {
  readonly x: number;
  readonly y: number;
}

async function cornerOf(what: Locator, name: string): Promise<Place> {
  const box = await what.boundingBox();
  if (box === null) throw new Error(`${name} is not on the screen`);
  return box;
}

/** Puts the mouse on the edge of a slice and says where it is. */
export async function takeEdge(page: Page, name: string): Promise<Place> {
  const grip = page.locator(`[role=slider][aria-label^="${name},"] + .grip`);
  await grip.scrollIntoViewIfNeeded();
  const box = await grip.boundingBox();
  if (box === null) throw new Error(`no edge of ${name}`);
  const place = { x: box.x + box.width / 2, y: box.y + 20 };
  await page.mouse.move(place.x, place.y);
  await page.mouse.down();
  return place;
}

/** Takes a slice up and holds it over something, `at` pixels from its corner. */
export async function carryOver(page: Page, slice: Locator, onto: Locator, at: Place): Promise<void> {
  await slice.scrollIntoViewIfNeeded();
  const from = await cornerOf(slice, 'what is carried');
  const to = await cornerOf(onto, 'where it is carried');
  await page.mouse.move(from.x + 30, from.y + 30);
  await page.mouse.down();
  await page.mouse.move(from.x + 40, from.y + 20, { steps: 3 });
  await page.mouse.move(to.x + at.x, to.y + at.y, { steps: 5 });
  await page.mouse.move(to.x + at.x + 2, to.y + at.y, { steps: 2 });
}
