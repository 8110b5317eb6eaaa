/** The only import of Chart.js: one stepped trace with its limit, bands, marks and gaps. Create, update, destroy. */
import { Chart, Filler, LineController, LineElement, LinearScale, PointElement } from 'chart.js';
import type { Plugin } from 'chart.js';
import { useEffect, useRef } from 'react';
import type { ReactElement } from 'react';
import { chartSummary } from '../domain/chart-data.ts';
import type { Quantity } from '../domain/chart-data.ts';
import { hostNowMs, subscribeHost } from '../store/series.ts';
import type { Watched } from '../store/series.ts';
import { useZoom } from '../store/zoom.ts';
import { cx } from './bits.tsx';
import { crosshair } from './chart-crosshair.ts';
import { listenToHands } from './chart-hands.ts';
import { drawOver, drawUnder, readPalette } from './chart-paint.ts';
import type { Easel, Palette, Scene } from './chart-paint.ts';
import { sceneOf } from './chart-shown.ts';
import { watchSight } from './chart-sight.ts';

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

interface Live {
  scene: Scene;
  palette: Palette;
}
type LineChart = Chart<'line', { x: number; y: number }[]>;

function scenePlugin(live: () => Live): Plugin<'line'> {
  const easel = (chart: Chart<'line'>): Easel => ({
    ctx: chart.ctx,
    area: chart.chartArea,
    chart,
    ...live(),
  });
  return {
    id: 'scene',
    beforeDatasetsDraw: (chart) => drawUnder(easel(chart)),
    afterDatasetsDraw: (chart) => drawOver(easel(chart), crosshair.atMs, crosshair.selecting),
  };
}

function makeChart(canvas: HTMLCanvasElement, live: () => Live, yMax: number): LineChart {
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

/** Puts what is to be drawn into the chart, and says it to who cannot see it. */
function update(
  chart: LineChart,
  { data, fromMs, toMs, yMax, quantity, denied }: Scene,
  rangeName: string,
): void {
  const [trace, limit] = chart.data.datasets;
  if (trace !== undefined) trace.data = data.trace as { x: number; y: number }[];
  if (limit !== undefined) limit.data = data.limit as { x: number; y: number }[];
  const x = chart.options.scales?.['x'];
  if (x !== undefined) Object.assign(x, { min: fromMs, max: toMs });
  const y = chart.options.scales?.['y'];
  if (y !== undefined) y.max = yMax;
  chart.update('none');
  chart.canvas.setAttribute('aria-label', chartSummary(data, quantity, rangeName, denied.length));
}

function recolour(chart: LineChart, palette: Palette): void {
  const [trace, limit] = chart.data.datasets;
  Object.assign(trace ?? {}, { borderColor: palette.hue, backgroundColor: palette.area });
  Object.assign(limit ?? {}, { borderColor: palette.ink });
}

/** The moment at `x` px: the scene is spread evenly over the plot. */
function timeAt(
  { left, right }: { left: number; right: number },
  { fromMs, toMs }: Scene,
  x: number,
): number | null {
  const share = (x - left) / Math.max(1, right - left);
  return share < 0 || share > 1 ? null : fromMs + share * (toMs - fromMs);
}

/** Draws in `element` from now on, at the pace of its host, until what it gives is called. */
function startChart(element: HTMLCanvasElement, props: SeriesChartProps): () => void {
  const { watched, quantity, rangeMs, rangeName, yMax } = props;
  const { hostId } = watched.subject;
  const live: Live = { scene: sceneOf(watched, quantity, rangeMs, yMax), palette: readPalette(element) };
  const chart = makeChart(element, () => live, live.scene.yMax);
  const redraw = (): void => {
    if (!sight.isSeen()) return;
    live.scene = sceneOf(watched, quantity, rangeMs, yMax);
    update(chart, live.scene, rangeName);
  };
  const recoloured = (): void => {
    live.palette = readPalette(element);
    recolour(chart, live.palette);
    redraw();
  };
  const sight = watchSight(element, { seen: redraw, recoloured });
  const listening = new AbortController();
  const handled = {
    timeAt: (x: number) => timeAt(chart.chartArea, live.scene, x),
    nowMs: () => hostNowMs(hostId),
    redraw,
    rangeMs,
  };
  listenToHands(element, handled, listening.signal);
  const draw = (): void => chart.draw();
  crosshair.redraw.add(draw);
  const stop = subscribeHost(hostId, redraw);
  const stopZoom = useZoom.subscribe(redraw);
  redraw();
  return () => {
    stop();
    stopZoom();
    crosshair.redraw.delete(draw);
    sight.stop();
    listening.abort();
    chart.destroy();
  };
}

export function SeriesChart(props: SeriesChartProps): ReactElement {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { watched, quantity, rangeMs, rangeName, yMax, hueClass, refreshKey, old = false, onCanvas } = props;
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    const stop = startChart(element, props);
    onCanvas?.(element);
    return () => {
      onCanvas?.(null);
      stop();
    };
  }, [watched, quantity, rangeMs, rangeName, yMax, hueClass, refreshKey, old]);
  return (
    <div className={cx('plot', hueClass, old && 'is-old')}>
      <canvas ref={canvas} role="img" aria-label="Chart" />
    </div>
  );
}
