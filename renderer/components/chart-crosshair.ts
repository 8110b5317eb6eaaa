/** All charts show the same moment under the pointer, and the same stretch while one is being chosen. */
import type { TimeWindow } from '../store/zoom.ts';

export const crosshair: {
  atMs: number | null;
  selecting: TimeWindow | null;
  /** Draws each chart that is there anew, from what it has. */
  readonly redraw: Set<() => void>;
} = {
  atMs: null,
  selecting: null,
  redraw: new Set(),
};

export function setCrosshair(atMs: number | null): void {
  if (crosshair.atMs === atMs) return;
  crosshair.atMs = atMs;
  for (const redraw of crosshair.redraw) redraw();
}
