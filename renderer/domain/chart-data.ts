/** From points to what a chart draws: lines broken at gaps, bands, marks. Pure. */
import type { HistoryPoint } from '../../model/model.ts';
import { GIB } from '../../model/units.ts';
import type { Vitals } from './ring.ts';

export interface XY {
  readonly x: number;
  /** NaN breaks the line. */
  readonly y: number;
}
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}
export interface ChartData {
  readonly trace: readonly XY[];
  readonly limit: readonly XY[];
  readonly gaps: readonly Span[];
  readonly throttled: readonly Span[];
}

/** Neighbouring points further apart than this many steps have no data between them. */
const GAP_STEPS = 3.5;
/** Throttling below 2 % of the time is a limit at its everyday work. */
const THROTTLED_TENTHS = 20;

/** A point of the agent's history, with what only this window has seen. */
export type Point = HistoryPoint & Partial<Vitals>;

interface QuantitySpec {
  readonly name: string;
  readonly unit: string;
  readonly digits: number;
  readonly value: (point: Point) => number | null;
  readonly limit: (point: Point) => number | null;
}

const scaled = (value: number | null | undefined, by: number): number | null =>
  value === null || value === undefined ? null : value / by;
const none = (): null => null;

export const QUANTITIES = {
  memory: {
    name: 'Memory',
    unit: 'GiB',
    digits: 1,
    value: (p) => scaled(p.memoryUsedBytes, GIB),
    limit: (p) => scaled(p.memoryLimitBytes, GIB),
  },
  compute: {
    name: 'GPU time',
    unit: '%',
    digits: 0,
    value: (p) => scaled(p.computeTenths, 10),
    limit: (p) => p.computeLimitPercent,
  },
  temperature: {
    name: 'Temperature',
    unit: '°C',
    digits: 0,
    value: (p) => p.temperatureC ?? null,
    limit: none,
  },
  power: { name: 'Power', unit: 'W', digits: 0, value: (p) => scaled(p.powerMilliwatts, 1000), limit: none },
  clock: { name: 'SM clock', unit: 'MHz', digits: 0, value: (p) => p.smClockMhz ?? null, limit: none },
} as const satisfies Readonly<Record<string, QuantitySpec>>;
export type Quantity = keyof typeof QUANTITIES;

export function chartData(
  points: readonly Point[],
  quantity: Quantity,
  fromMs: number,
  toMs: number,
  stepMs: number,
): ChartData {
  const { value, limit: limitOf } = QUANTITIES[quantity];
  const trace: XY[] = [];
  const limit: XY[] = [];
  const gaps: Span[] = [];
  const throttled: Span[] = [];
  const gapMs = stepMs * GAP_STEPS;
  let previousMs: number | null = null;
  let bandFrom: number | null = null;
  const endBand = (atMs: number): void => {
    if (bandFrom !== null && atMs > bandFrom) throttled.push({ fromMs: bandFrom, toMs: atMs });
    bandFrom = null;
  };
  for (const point of points) {
    if (previousMs !== null && point.atMs - previousMs > gapMs) {
      gaps.push({ fromMs: Math.max(fromMs, previousMs), toMs: point.atMs });
      trace.push({ x: previousMs + 1, y: Number.NaN });
      limit.push({ x: previousMs + 1, y: Number.NaN });
      endBand(previousMs);
    }
    trace.push({ x: point.atMs, y: value(point) ?? Number.NaN });
    limit.push({ x: point.atMs, y: limitOf(point) ?? Number.NaN });
    if ((point.throttledTenths ?? 0) >= THROTTLED_TENTHS)
      bandFrom ??= Math.max(fromMs, previousMs ?? point.atMs);
    else endBand(previousMs ?? point.atMs);
    previousMs = point.atMs;
  }
  endBand(previousMs ?? toMs);
  // What has not come yet is a gap too, once it is late.
  if (previousMs !== null && toMs - previousMs > gapMs)
    gaps.push({ fromMs: Math.max(fromMs, previousMs), toMs });
  return { trace, limit, gaps, throttled };
}

/** One sentence for those who cannot see the chart. */
export function chartSummary(
  data: ChartData,
  quantity: Quantity,
  range: string,
  deniedCount: number,
): string {
  const known = data.trace.filter((point) => !Number.isNaN(point.y));
  const { unit, name, digits } = QUANTITIES[quantity];
  const first = known[0];
  const last = known.at(-1);
  if (first === undefined || last === undefined) return `${name}, ${range}: no data`;
  const limit = data.limit.at(-1)?.y;
  const parts = [`${name}, ${range}: from ${first.y.toFixed(digits)} to ${last.y.toFixed(digits)} ${unit}`];
  if (limit !== undefined && !Number.isNaN(limit)) parts.push(`limit ${limit.toFixed(digits)}`);
  if (data.throttled.length > 0 && quantity === 'compute') parts.push('throttled at times');
  if (deniedCount > 0 && quantity === 'memory') parts.push(`${String(deniedCount)} denied`);
  if (data.gaps.length > 0) parts.push(`${String(data.gaps.length)} gaps without data`);
  return parts.join(', ');
}

export interface PointRow {
  readonly atMs: number;
  readonly value: number | null;
  readonly limit: number | null;
  readonly throttledPercent: number | null;
}

/** The same points as rows, for a table and for a file. */
export const pointRows = (
  points: readonly Point[],
  quantity: Quantity,
  fromMs: number,
): readonly PointRow[] =>
  points
    .filter((point) => point.atMs >= fromMs)
    .map((point) => ({
      atMs: point.atMs,
      value: QUANTITIES[quantity].value(point),
      limit: QUANTITIES[quantity].limit(point),
      throttledPercent: quantity === 'compute' ? scaled(point.throttledTenths, 10) : null,
    }));

/** The next round figure above all that was seen: the axis moves seldom, and never below what is drawn. */
export function niceTop(trace: readonly XY[]): number {
  const most = trace.reduce((max, { y }) => (y > max ? y : max), 0);
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [1, 2, 4, 5, 8, 10].find((s) => s * power >= most * 1.05) ?? 20;
  return step * power;
}
