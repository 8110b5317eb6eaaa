/** The only import of Chart.js: one stepped trace with its limit, bands, marks and gaps. Create, update, destroy. */
import { Chart, Filler, LineController, LineElement, LinearScale, PointElement } from 'chart.js';
import type { Plugin } from 'chart.js';
import { useEffect, useRef } from 'react';
import type { ReactElement } from 'react';
import { chartData, chartSummary } from '../domain/chart-data.ts';
import type { ChartData, Point, Quantity, XY } from '../domain/chart-data.ts';
import { hostNowMs, subscribeHost } from '../store/series.ts';
import type { Watched } from '../store/series.ts';
import { panBy, resetZoom, useZoom, zoomTo } from '../store/zoom.ts';
import type { TimeWindow } from '../store/zoom.ts';
import { cx } from './bits.tsx';
import { drawOver, drawUnder, readPalette } from './chart-paint.ts';
import type { Palette, Scene } from './chart-paint.ts';

Chart.register(LineController, LineElement, PointElement, LinearScale, Filler);

export interface SeriesChartProps {
  readonly watched: Watched;
  readonly quantity: Quantity;
  readonly rangeMs: number;
  readonly rangeName: string;
  /** Top of the y axis: capacity in GiB, or 100; null: what was seen, rounded up. */
  readonly yMax: number | null;
  /** Class whose --hue colours the trace. */
  readonly hueClass: string;
  readonly refreshKey: string;
  /** The host is not live: what is drawn is old, and greyed. */
  readonly old?: boolean;
  /** For a picture of it. */
  readonly onCanvas?: (canvas: HTMLCanvasElement | null) => void;
}

/** All charts show the same moment under the pointer, and the same stretch while one is being chosen. */
const crosshair: {
  atMs: number | null;
  selecting: TimeWindow | null;
  readonly redraw: Set<() => void>;
} = {
  atMs: null,
  selecting: null,
  redraw: new Set(),
};

function setCrosshair(atMs: number | null): void {
  if (crosshair.atMs === atMs) return;
  crosshair.atMs = atMs;
  for (const redraw of crosshair.redraw) redraw();
}

/** A pointer that moves less than this clicked. */
const SELECT_MIN_PX = 6;
/** A touchpad trembles; and one swipe is one step. */
const WHEEL_MIN_PX = 8;
const WHEEL_PAUSE_MS = 250;

export interface Shown {
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
  readonly points: readonly Point[];
}

/** What a chart shows now: the range up to now, or the part that is zoomed into. */
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

interface Live {
  data: ChartData;
  scene: Scene;
  palette: Palette;
}

function scenePlugin(live: () => Live): Plugin<'line'> {
  return {
    id: 'scene',
    beforeDatasetsDraw: (chart) => drawUnder(chart.ctx, chart.chartArea, chart, live().scene, live().palette),
    afterDatasetsDraw: (chart) =>
      drawOver(
        chart.ctx,
        chart.chartArea,
        chart,
        live().scene,
        live().palette,
        crosshair.atMs,
        crosshair.selecting,
      ),
  };
}

function makeChart(
  canvas: HTMLCanvasElement,
  live: () => Live,
  yMax: number,
): Chart<'line', { x: number; y: number }[]> {
  const { palette } = live();
  return new Chart(canvas, {
    type: 'line',
    data: {
      datasets: [
        {
          data: [],
          borderColor: palette.hue,
          backgroundColor: palette.area,
          borderWidth: 1.5,
          pointRadius: 0,
          stepped: 'after',
          fill: 'origin',
        },
        {
          data: [],
          borderColor: palette.ink,
          borderWidth: 1.25,
          borderDash: [5, 3],
          pointRadius: 0,
          stepped: 'after',
          fill: false,
        },
      ],
    },
    options: {
      animation: false,
      parsing: false,
      normalized: true,
      spanGaps: false,
      responsive: true,
      maintainAspectRatio: false,
      events: [],
      layout: { padding: { top: 0, right: 36, bottom: 0, left: 0 } },
      scales: {
        x: { type: 'linear', display: false, min: 0, max: 1 },
        y: { type: 'linear', display: false, min: 0, max: yMax },
      },
    },
    plugins: [scenePlugin(live)],
  });
}

/** The next round figure above all that was seen: the axis moves seldom, and never below what is drawn. */
export function niceTop(trace: readonly XY[]): number {
  const most = trace.reduce((max, { y }) => (y > max ? y : max), 0);
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [1, 2, 4, 5, 8, 10].find((s) => s * power >= most * 1.05) ?? 20;
  return step * power;
}

export function SeriesChart(props: SeriesChartProps): ReactElement {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { watched, quantity, rangeMs, rangeName, yMax, hueClass, refreshKey, old = false, onCanvas } = props;
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    let visible = true;
    const compute = (): Pick<Live, 'data' | 'scene'> => {
      const { fromMs, toMs, stepMs, points } = shownPart(watched, rangeMs);
      const data = chartData(points, quantity, fromMs, toMs, stepMs);
      const denied =
        quantity === 'memory' ? watched.denied.filter((d) => d.atMs >= fromMs && d.atMs <= toMs) : [];
      const top = yMax ?? niceTop(data.trace);
      return { data, scene: { fromMs, toMs, yMax: top, quantity, data, denied } };
    };
    const live: Live = { ...compute(), palette: readPalette(element) };
    const chart = makeChart(element, () => live, live.scene.yMax);
    onCanvas?.(element);

    const redraw = (): void => {
      if (!visible || document.visibilityState !== 'visible') return;
      Object.assign(live, compute());
      const [trace, limit] = chart.data.datasets;
      if (trace !== undefined) trace.data = live.data.trace as { x: number; y: number }[];
      if (limit !== undefined) limit.data = live.data.limit as { x: number; y: number }[];
      const x = chart.options.scales?.['x'];
      if (x !== undefined) Object.assign(x, { min: live.scene.fromMs, max: live.scene.toMs });
      const y = chart.options.scales?.['y'];
      if (y !== undefined) y.max = live.scene.yMax;
      chart.update('none');
      element.setAttribute(
        'aria-label',
        chartSummary(live.data, quantity, rangeName, live.scene.denied.length),
      );
    };
    const repaint = (): void => {
      live.palette = readPalette(element);
      const [trace, limit] = chart.data.datasets;
      Object.assign(trace ?? {}, { borderColor: live.palette.hue, backgroundColor: live.palette.area });
      Object.assign(limit ?? {}, { borderColor: live.palette.ink });
      redraw();
    };
    const draw = (): void => chart.draw();
    const timeAt = (event: PointerEvent): number | null => {
      const { left, right } = chart.chartArea;
      const share = (event.offsetX - left) / Math.max(1, right - left);
      return share < 0 || share > 1
        ? null
        : live.scene.fromMs + share * (live.scene.toMs - live.scene.fromMs);
    };
    let hold: { readonly x: number; readonly atMs: number } | null = null;
    const onDown = (event: PointerEvent): void => {
      const atMs = timeAt(event);
      if (event.button !== 0 || atMs === null) return;
      hold = { x: event.offsetX, atMs };
      element.setPointerCapture(event.pointerId);
    };
    const onMove = (event: PointerEvent): void => {
      const atMs = timeAt(event);
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
      redraw();
    };
    const onLeave = (): void => setCrosshair(null);
    // Sideways, or with Shift: through time. Up and down stay the page's.
    const onWheel = (event: WheelEvent): void => {
      const sideways = event.shiftKey ? event.deltaY : event.deltaX;
      if (Math.abs(sideways) < WHEEL_MIN_PX || Date.now() - pannedAtMs < WHEEL_PAUSE_MS) return;
      event.preventDefault();
      pannedAtMs = Date.now();
      panBy(sideways < 0 ? -1 : 1, rangeMs, hostNowMs(watched.subject.hostId));
    };
    let pannedAtMs = 0;
    const seen = new IntersectionObserver((entries) => {
      visible = entries.at(-1)?.isIntersecting ?? true;
      if (visible) redraw();
    });
    const themes = ['(prefers-color-scheme: dark)', '(prefers-contrast: more)'].map((query) =>
      matchMedia(query),
    );
    const marked = new MutationObserver(repaint);
    seen.observe(element);
    marked.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    const listening = new AbortController();
    const { signal } = listening;
    for (const theme of themes) theme.addEventListener('change', repaint, { signal });
    element.addEventListener('pointerdown', onDown, { signal });
    element.addEventListener('pointermove', onMove, { signal });
    element.addEventListener('pointerup', onUp, { signal });
    element.addEventListener('pointercancel', onUp, { signal });
    element.addEventListener('dblclick', resetZoom, { signal });
    element.addEventListener('wheel', onWheel, { passive: false, signal });
    element.addEventListener('pointerleave', onLeave, { signal });
    crosshair.redraw.add(draw);
    const stop = subscribeHost(watched.subject.hostId, redraw);
    const stopZoom = useZoom.subscribe(redraw);
    redraw();
    return () => {
      stop();
      stopZoom();
      onCanvas?.(null);
      crosshair.redraw.delete(draw);
      seen.disconnect();
      marked.disconnect();
      listening.abort();
      chart.destroy();
    };
  }, [watched, quantity, rangeMs, rangeName, yMax, hueClass, refreshKey, old]);
  return (
    <div className={cx('plot', hueClass, old && 'is-old')}>
      <canvas ref={canvas} role="img" aria-label="Chart" />
    </div>
  );
}
