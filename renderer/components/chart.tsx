/** The only import of Chart.js: one stepped trace with its limit, bands, marks and gaps. Create, update, destroy. */
import { Chart, Filler, LineController, LineElement, LinearScale, PointElement } from 'chart.js';
import type { Plugin } from 'chart.js';
import { useEffect, useRef } from 'react';
import type { ReactElement } from 'react';
import { hostNowMs, subscribe } from '../store/series.ts';
import type { Watched } from '../store/series.ts';
import { chartData, chartSummary } from './chart-data.ts';
import type { ChartData, Quantity } from './chart-data.ts';
import { drawOver, drawUnder, readPalette } from './chart-paint.ts';
import type { Palette, Scene } from './chart-paint.ts';

Chart.register(LineController, LineElement, PointElement, LinearScale, Filler);

export interface SeriesChartProps {
  readonly watched: Watched;
  readonly quantity: Quantity;
  readonly rangeMs: number;
  readonly rangeName: string;
  /** Top of the y axis: capacity in GiB, or 100. */
  readonly yMax: number;
  /** Class whose --hue colours the trace. */
  readonly hueClass: string;
  readonly refreshKey: string;
}

/** Both charts of an inspector show the same moment under the pointer. */
const crosshair: { atMs: number | null; readonly redraw: Set<() => void> } = {
  atMs: null,
  redraw: new Set(),
};

function setCrosshair(atMs: number | null): void {
  if (crosshair.atMs === atMs) return;
  crosshair.atMs = atMs;
  for (const redraw of crosshair.redraw) redraw();
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
      drawOver(chart.ctx, chart.chartArea, chart, live().scene, live().palette, crosshair.atMs),
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

export function SeriesChart(props: SeriesChartProps): ReactElement {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { watched, quantity, rangeMs, rangeName, yMax, hueClass, refreshKey } = props;
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    let visible = true;
    const compute = (): Pick<Live, 'data' | 'scene'> => {
      const toMs = hostNowMs(watched.subject.hostId);
      const fromMs = toMs - rangeMs;
      const data = chartData(watched.ring.points(fromMs), quantity, fromMs, toMs, watched.stepMs);
      const denied = quantity === 'memory' ? watched.denied.filter((d) => d.atMs >= fromMs) : [];
      return { data, scene: { fromMs, toMs, yMax, quantity, data, denied } };
    };
    const live: Live = { ...compute(), palette: readPalette(element) };
    const chart = makeChart(element, () => live, yMax);

    const redraw = (): void => {
      if (!visible || document.visibilityState !== 'visible') return;
      Object.assign(live, compute());
      const [trace, limit] = chart.data.datasets;
      if (trace !== undefined) trace.data = live.data.trace as { x: number; y: number }[];
      if (limit !== undefined) limit.data = live.data.limit as { x: number; y: number }[];
      const x = chart.options.scales?.['x'];
      if (x !== undefined) Object.assign(x, { min: live.scene.fromMs, max: live.scene.toMs });
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
    const onMove = (event: PointerEvent): void => {
      const { left, right } = chart.chartArea;
      const share = (event.offsetX - left) / Math.max(1, right - left);
      setCrosshair(
        share < 0 || share > 1 ? null : live.scene.fromMs + share * (live.scene.toMs - live.scene.fromMs),
      );
    };
    const onLeave = (): void => setCrosshair(null);
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
    for (const theme of themes) theme.addEventListener('change', repaint);
    element.addEventListener('pointermove', onMove);
    element.addEventListener('pointerleave', onLeave);
    crosshair.redraw.add(draw);
    const stop = subscribe(redraw);
    redraw();
    return () => {
      stop();
      crosshair.redraw.delete(draw);
      seen.disconnect();
      marked.disconnect();
      for (const theme of themes) theme.removeEventListener('change', repaint);
      element.removeEventListener('pointermove', onMove);
      element.removeEventListener('pointerleave', onLeave);
      chart.destroy();
    };
  }, [watched, quantity, rangeMs, rangeName, yMax, hueClass, refreshKey]);
  return (
    <div className={`plot ${hueClass}`}>
      <canvas ref={canvas} role="img" aria-label="Chart" />
    </div>
  );
}
