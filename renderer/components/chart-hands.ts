/** What a hand does on a chart: it points at a moment, pulls over a stretch to zoom into it, and wheels through time. */
import { panBy, resetZoom, zoomTo } from '../store/zoom.ts';
import { crosshair, setCrosshair } from './chart-crosshair.ts';

/** A pointer that moves less than this clicked. */
const SELECT_MIN_PX = 6;
/** A touchpad trembles; and one swipe is one step. */
const WHEEL_MIN_PX = 8;
const WHEEL_PAUSE_MS = 250;

export interface HandledChart {
  /** The moment that is drawn at `x` px of the canvas; null: beside the plot. */
  timeAt(x: number): number | null;
  nowMs(): number;
  redraw(): void;
  readonly rangeMs: number;
}

/** Pulling over a stretch of time: held from the press on, chosen once it is no click, zoomed into at the end. */
function listenToPull(element: HTMLElement, chart: HandledChart, signal: AbortSignal): void {
  let hold: { readonly x: number; readonly atMs: number } | null = null;
  const onDown = (event: PointerEvent): void => {
    const atMs = chart.timeAt(event.offsetX);
    if (event.button !== 0 || atMs === null) return;
    hold = { x: event.offsetX, atMs };
    element.setPointerCapture(event.pointerId);
  };
  const onMove = (event: PointerEvent): void => {
    const atMs = chart.timeAt(event.offsetX);
    if (hold !== null && atMs !== null && Math.abs(event.offsetX - hold.x) >= SELECT_MIN_PX) {
      crosshair.selecting = { fromMs: hold.atMs, toMs: atMs };
    }
    setCrosshair(atMs);
  };
  const onUp = (): void => {
    const { selecting } = crosshair;
    hold = null;
    crosshair.selecting = null;
    if (selecting !== null) zoomTo(selecting.fromMs, selecting.toMs);
    chart.redraw();
  };
  element.addEventListener('pointerdown', onDown, { signal });
  element.addEventListener('pointermove', onMove, { signal });
  element.addEventListener('pointerup', onUp, { signal });
  element.addEventListener('pointercancel', onUp, { signal });
}

/** Sideways, or with Shift: through time. Up and down stay the page's. */
function listenToWheel(element: HTMLElement, chart: HandledChart, signal: AbortSignal): void {
  let pannedAtMs = 0;
  const onWheel = (event: WheelEvent): void => {
    const sideways = event.shiftKey ? event.deltaY : event.deltaX;
    if (Math.abs(sideways) < WHEEL_MIN_PX || Date.now() - pannedAtMs < WHEEL_PAUSE_MS) return;
    event.preventDefault();
    pannedAtMs = Date.now();
    panBy(sideways < 0 ? -1 : 1, chart.rangeMs, chart.nowMs());
  };
  element.addEventListener('wheel', onWheel, { passive: false, signal });
}

export function listenToHands(element: HTMLElement, chart: HandledChart, signal: AbortSignal): void {
  listenToPull(element, chart, signal);
  listenToWheel(element, chart, signal);
  element.addEventListener('dblclick', resetZoom, { signal });
  element.addEventListener('pointerleave', () => setCrosshair(null), { signal });
}
