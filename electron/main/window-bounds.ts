/** Where the window was: kept in a small file, used again only if a display still shows it. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Rectangle } from 'electron';
import { MIN_HEIGHT, MIN_WIDTH } from './window-options.ts';

export interface SavedWindow {
  readonly bounds: Rectangle;
  readonly maximized: boolean;
}

/** At least this much of the title bar must be on a display, or the window could not be moved back. */
const VISIBLE_PX = 96;

const isPixels = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= 100_000;

export function parseSaved(text: string): SavedWindow | null {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof read !== 'object' || read === null) return null;
  const { x, y, width, height, maximized } = read as Record<string, unknown>;
  if (!isPixels(x) || !isPixels(y) || !isPixels(width) || !isPixels(height)) return null;
  return { bounds: { x, y, width, height }, maximized: maximized === true };
}

/** The saved bounds if their title bar lies on one of the displays; at least as large as the window may be. */
export function usableBounds(saved: Rectangle, displays: readonly Rectangle[]): Rectangle | null {
  const width = Math.max(MIN_WIDTH, saved.width);
  const height = Math.max(MIN_HEIGHT, saved.height);
  const seen = displays.some((display) => {
    const across = Math.min(saved.x + width, display.x + display.width) - Math.max(saved.x, display.x);
    return (
      across >= VISIBLE_PX && saved.y >= display.y && saved.y + VISIBLE_PX / 2 <= display.y + display.height
    );
  });
  return seen ? { x: saved.x, y: saved.y, width, height } : null;
}

export function readSaved(path: string): SavedWindow | null {
  try {
    return parseSaved(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}

/** Written beside and renamed: a crash leaves the old file whole. */
export function writeSaved(path: string, saved: SavedWindow): void {
  const temporary = `${path}.new`;
  try {
    writeFileSync(temporary, JSON.stringify({ ...saved.bounds, maximized: saved.maximized }), {
      mode: 0o600,
    });
    renameSync(temporary, path);
  } catch (error) {
    console.error(`The window's place could not be saved: ${String(error)}`);
  }
}
