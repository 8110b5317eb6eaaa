/** What Chart.js does not draw: ground, grid, gaps, throttle bands, denials, values at the right, crosshair. */
import { QUANTITIES } from '../domain/chart-data.ts';
import type { ChartData, Quantity, XY } from '../domain/chart-data.ts';
import { dayTimeSeconds } from '../domain/when.ts';

export interface Palette {
  readonly hue: string;
  readonly area: string;
  readonly ink: string;
  readonly inkSoft: string;
  readonly line: string;
  readonly warn: string;
  readonly warnArea: string;
  readonly bad: string;
  readonly surface: string;
  readonly ground: string;
  readonly font: string;
}
export interface Scene {
  readonly fromMs: number;
  readonly toMs: number;
  readonly yMax: number;
  readonly quantity: Quantity;
  readonly data: ChartData;
  readonly denied: readonly { readonly atMs: number; readonly bytes: number | null }[];
}
interface Area {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}
interface Scales {
  readonly scales: Readonly<Record<string, { getPixelForValue(value: number): number } | undefined>>;
}

/** What all that paints on a chart is given: where, and of what. */
export interface Easel {
  readonly ctx: CanvasRenderingContext2D;
  readonly area: Area;
  readonly chart: Scales;
  readonly scene: Scene;
  readonly palette: Palette;
}

/** Tokens as canvas colours; read once per theme change, never per frame. */
export function readPalette(element: HTMLElement): Palette {
  const style = getComputedStyle(element);
  const token = (name: string): string => style.getPropertyValue(name).trim();
  const hue = token('--hue') || token('--ink-2');
  const faded = (colour: string, percent: number): string => {
    // The canvas of Chromium 114 knows color-mix() too, but only through a computed style.
    const probe = document.createElement('i');
    probe.style.color = `color-mix(in srgb, ${colour} ${String(percent)}%, transparent)`;
    element.parentElement?.append(probe);
    const mixed = getComputedStyle(probe).color;
    probe.remove();
    return mixed;
  };
  return {
    hue,
    area: faded(hue, 22),
    ink: token('--ink-1'),
    inkSoft: token('--ink-3'),
    line: token('--line'),
    warn: token('--warn'),
    warnArea: faded(token('--warn'), 10),
    bad: token('--bad'),
    surface: token('--surface'),
    ground: token('--sunken'),
    font: `11px ${token('--font-ui') || 'sans-serif'}`,
  };
}

const px = (chart: Scales, axis: 'x' | 'y', value: number): number =>
  chart.scales[axis]?.getPixelForValue(value) ?? 0;

function stroke(ctx: CanvasRenderingContext2D, from: XY, to: XY): void {
  ctx.beginPath();
  ctx.moveTo(from.x, from.y);
  ctx.lineTo(to.x, to.y);
  ctx.stroke();
}

const clampX = (area: Area, x: number): number => Math.max(area.left, Math.min(area.right, x));

export function drawUnder(easel: Easel): void {
  const { ctx, area, chart, scene, palette } = easel;
  const width = area.right - area.left;
  const height = area.bottom - area.top;
  ctx.save();
  ctx.fillStyle = palette.ground;
  ctx.fillRect(area.left, area.top, width, height);
  if (scene.quantity === 'compute') {
    for (const span of scene.data.throttled) {
      const left = clampX(area, px(chart, 'x', span.fromMs));
      const right = clampX(area, px(chart, 'x', span.toMs));
      ctx.fillStyle = palette.warnArea;
      ctx.fillRect(left, area.top, Math.max(1, right - left), height);
      ctx.fillStyle = palette.warn;
      ctx.fillRect(left, area.top, Math.max(1, right - left), 3);
    }
  }
  ctx.strokeStyle = palette.line;
  ctx.lineWidth = 1;
  for (const share of scene.quantity === 'memory' ? [0.25, 0.5, 0.75] : [0.5]) {
    const y = Math.round(area.top + height * share) + 0.5;
    stroke(ctx, { x: area.left, y }, { x: area.right, y });
  }
  for (const gap of scene.data.gaps) hatch(easel, gap.fromMs, gap.toMs);
  ctx.restore();
}

function hatch({ ctx, area, chart, palette }: Easel, fromMs: number, toMs: number): void {
  const left = clampX(area, px(chart, 'x', fromMs));
  const right = clampX(area, px(chart, 'x', toMs));
  if (right - left < 1) return;
  const height = area.bottom - area.top;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, area.top, right - left, height);
  ctx.clip();
  ctx.strokeStyle = palette.line;
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (let x = left - height; x < right; x += 5) {
    ctx.moveTo(x, area.bottom);
    ctx.lineTo(x + height, area.top);
  }
  ctx.stroke();
  ctx.restore();
}

export function drawOver(
  easel: Easel,
  crosshairMs: number | null,
  selecting: { readonly fromMs: number; readonly toMs: number } | null = null,
): void {
  const { ctx, area, chart, scene, palette } = easel;
  ctx.save();
  if (selecting !== null) {
    const left = clampX(area, px(chart, 'x', selecting.fromMs));
    const right = clampX(area, px(chart, 'x', selecting.toMs));
    ctx.globalAlpha = 0.14;
    ctx.fillStyle = palette.ink;
    ctx.fillRect(Math.min(left, right), area.top, Math.abs(right - left), area.bottom - area.top);
    ctx.globalAlpha = 1;
  }
  ctx.font = palette.font;
  ctx.strokeStyle = palette.line;
  ctx.lineWidth = 1;
  ctx.strokeRect(area.left + 0.5, area.top + 0.5, area.right - area.left - 1, area.bottom - area.top - 1);
  drawDenied(easel);
  drawAxis(easel);
  if (crosshairMs !== null) drawCrosshair(easel, crosshairMs);
  else if (scene.data.trace.length === 0) {
    ctx.fillStyle = palette.inkSoft;
    ctx.textAlign = 'center';
    ctx.textBaseline = 'middle';
    ctx.fillText('no data in this range', (area.left + area.right) / 2, (area.top + area.bottom) / 2);
  }
  ctx.restore();
}

function drawDenied({ ctx, area, chart, scene, palette }: Easel): void {
  ctx.fillStyle = palette.bad;
  ctx.strokeStyle = palette.bad;
  ctx.lineWidth = 1.5;
  for (const { atMs } of scene.denied) {
    const x = px(chart, 'x', atMs);
    if (x < area.left || x > area.right) continue;
    stroke(ctx, { x, y: area.top }, { x, y: area.bottom });
    ctx.beginPath();
    ctx.moveTo(x - 5.5, area.top);
    ctx.lineTo(x + 5.5, area.top);
    ctx.lineTo(x, area.top + 8);
    ctx.fill();
  }
  const last = scene.denied.at(-1);
  if (last === undefined) return;
  const x = px(chart, 'x', last.atMs);
  if (x < area.left || x > area.right) return;
  const text = last.bytes === null ? 'denied' : `denied ${(last.bytes / 1024 ** 3).toFixed(1)} GiB`;
  const leftSide = x - area.left > ctx.measureText(text).width + 12;
  ctx.textAlign = leftSide ? 'right' : 'left';
  ctx.textBaseline = 'top';
  ctx.fillText(text, leftSide ? x - 8 : x + 8, area.top + 4);
}

/** Outside right: the top, the limit in force, 0. The limit wins where they would touch. */
function drawAxis({ ctx, area, chart, scene, palette }: Easel): void {
  const x = area.right + 6;
  const limit = scene.data.limit.at(-1)?.y ?? Number.NaN;
  const limitY = Number.isNaN(limit)
    ? null
    : Math.max(area.top + 6, Math.min(area.bottom - 6, px(chart, 'y', limit)));
  const far = (y: number): boolean => limitY === null || Math.abs(limitY - y) > 12;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  ctx.fillStyle = palette.inkSoft;
  if (far(area.top + 6)) ctx.fillText(String(Math.round(scene.yMax)), x, area.top + 6);
  if (far(area.bottom - 6)) ctx.fillText('0', x, area.bottom - 6);
  if (limitY === null) return;
  ctx.fillStyle = palette.ink;
  ctx.font = `600 ${palette.font}`;
  ctx.fillText(scene.quantity === 'compute' ? `${limit.toFixed(0)} %` : limit.toFixed(1), x, limitY);
}

function valueAt(line: readonly XY[], atMs: number): number | null {
  let found: XY | null = null;
  // The value of a reading stands for the time before it.
  for (const point of line) {
    if (point.x >= atMs) {
      found = point;
      break;
    }
  }
  return found === null || Number.isNaN(found.y) ? null : found.y;
}

function drawCrosshair({ ctx, area, chart, scene, palette }: Easel, atMs: number): void {
  const x = Math.round(px(chart, 'x', atMs)) + 0.5;
  if (x < area.left || x > area.right) return;
  ctx.strokeStyle = palette.ink;
  ctx.lineWidth = 1;
  stroke(ctx, { x, y: area.top }, { x, y: area.bottom });
  const value = valueAt(scene.data.trace, atMs);
  const { digits, unit } = QUANTITIES[scene.quantity];
  const figure = value === null ? '—' : `${value.toFixed(digits)} ${unit}`;
  const time = dayTimeSeconds(atMs);
  const text = `${time}  ${figure}`;
  ctx.font = palette.font;
  const width = ctx.measureText(text).width + 10;
  const left = x + width + 4 > area.right ? x - width - 3 : x + 3;
  ctx.fillStyle = palette.ink;
  ctx.fillRect(left, area.bottom - 19, width, 16);
  ctx.fillStyle = palette.surface;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  ctx.fillText(text, left + 5, area.bottom - 10.5);
}
