/** What a chart shows at this moment: the points of its stretch of time, and the scene that is drawn of them. */
import { chartData, niceTop } from '../domain/chart-data.ts';
import type { Point, Quantity } from '../domain/chart-data.ts';
import { hostNowMs } from '../store/series.ts';
import type { Watched } from '../store/series.ts';
import { useZoom } from '../store/zoom.ts';
import type { Scene } from './chart-paint.ts';

export interface Shown {
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
  readonly points: readonly Point[];
}

/** The range up to now, or the part that is zoomed into. */
export function shownPart(watched: Watched, rangeMs: number): Shown {
  const zoom = useZoom.getState().window;
  const toMs = zoom?.toMs ?? hostNowMs(watched.subject.hostId);
  const fromMs = zoom?.fromMs ?? toMs - rangeMs;
  const fine = watched.zoomed;
  if (zoom !== null && fine !== null && fine.fromMs === zoom.fromMs && fine.toMs === zoom.toMs) {
    return { fromMs, toMs, stepMs: fine.stepMs, points: fine.points };
  }
  const points = watched.ring.points(fromMs);
  return { fromMs, toMs, stepMs: watched.stepMs, points: points.filter((point) => point.atMs <= toMs) };
}

/** `yMax`: the top of the axis; null: a round figure above all that was seen. */
export function sceneOf(watched: Watched, quantity: Quantity, rangeMs: number, yMax: number | null): Scene {
  const { fromMs, toMs, stepMs, points } = shownPart(watched, rangeMs);
  const data = chartData(points, quantity, fromMs, toMs, stepMs);
  const denied =
    quantity === 'memory' ? watched.denied.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs) : [];
  return { fromMs, toMs, yMax: yMax ?? niceTop(data.trace), quantity, data, denied };
}
