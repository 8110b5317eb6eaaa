/** The stretch of time that all charts show when somebody zoomed in; null: the chosen range up to now. */
import { create } from 'zustand';
import { request } from './ask.ts';
import { setZoomed } from './series.ts';
import type { Watched } from './series.ts';
import { announce, useUi } from './ui.ts';

export interface TimeWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Closer than this there is nothing more to see: the agent's finest step is a second. */
export const ZOOM_MIN_MS = 5000;
const ZOOM_POINTS = 1200;

export const useZoom = create<{ readonly window: TimeWindow | null }>(() => ({ window: null }));

export function zoomTo(fromMs: number, toMs: number): void {
  const [from, to] = fromMs < toMs ? [fromMs, toMs] : [toMs, fromMs];
  if (to - from < ZOOM_MIN_MS) return;
  useZoom.setState({ window: { fromMs: from, toMs: to } });
  announce('Zoomed in; double-click goes back');
}

/** Moves what is shown by half of itself, towards older or newer; at the newest it is live again. */
export function panBy(direction: -1 | 1, rangeMs: number, nowMs: number): void {
  const shown = useZoom.getState().window ?? { fromMs: nowMs - rangeMs, toMs: nowMs };
  const half = (shown.toMs - shown.fromMs) / 2;
  const step = half * direction;
  const toMs = shown.toMs + step;
  // Time went on meanwhile: what is nearly the newest is meant to be it.
  if (direction > 0 && toMs >= nowMs - half / 2) {
    resetZoom();
    return;
  }
  useZoom.setState({ window: { fromMs: shown.fromMs + step, toMs } });
  announce('Charts moved');
}

export function resetZoom(): void {
  if (useZoom.getState().window === null) return;
  useZoom.setState({ window: null });
  announce('The whole range again');
}

/** Another range is another question. */
useUi.subscribe((now, before) => {
  if (now.range !== before.range) resetZoom();
});

export async function loadZoomed(entry: Watched, window: TimeWindow): Promise<void> {
  const { hostId, kind, id } = entry.subject;
  const result = await request('history:get', {
    hostId,
    gpuUuid: kind === 'gpu' ? id : null,
    sliceId: kind === 'slice' ? id : null,
    fromMs: Math.max(0, Math.floor(window.fromMs)),
    toMs: Math.ceil(window.toMs),
    maxPoints: ZOOM_POINTS,
  });
  // What is there already is drawn when the agent cannot give more.
  if (!result.ok || useZoom.getState().window !== window) return;
  setZoomed(entry, { ...window, stepMs: result.value.tierMs, points: result.value.points });
}
