import { describe, expect, it } from 'vitest';
import type { HistoryPoint } from '../../model/model.ts';
import { GIB } from '../../model/units.ts';
import { chartData, chartSummary, niceTop } from '../../renderer/domain/chart-data.ts';

const at = (atMs: number, more: Partial<HistoryPoint> = {}): HistoryPoint => ({
  atMs,
  memoryUsedBytes: 2 * GIB,
  computeTenths: 250,
  throttledTenths: 0,
  memoryLimitBytes: 4 * GIB,
  computeLimitPercent: 25,
  ...more,
});

describe('chartData', () => {
  it('breaks the line where there was no data and never bridges it', () => {
    const data = chartData([at(1000), at(2000), at(60_000), at(61_000)], 'memory', 0, 61_000, 1000);
    expect(data.gaps).toEqual([{ fromMs: 2000, toMs: 60_000 }]);
    expect(data.trace.map((p) => p.y)).toEqual([2, 2, Number.NaN, 2, 2]);
  });
  it('calls late samples a gap up to now', () => {
    const data = chartData([at(1000)], 'memory', 0, 30_000, 1000);
    expect(data.gaps).toEqual([{ fromMs: 1000, toMs: 30_000 }]);
  });
  it('draws unknown as nothing, not as zero', () => {
    const data = chartData([at(1000, { memoryUsedBytes: null })], 'memory', 0, 1000, 1000);
    expect(data.trace[0]?.y).toBeNaN();
  });
  it('joins throttled points into bands that end at gaps', () => {
    const slow = { throttledTenths: 600 };
    const points = [at(1000), at(2000, slow), at(3000, slow), at(4000), at(50_000, slow)];
    const data = chartData(points, 'compute', 0, 50_000, 1000);
    expect(data.throttled).toEqual([
      { fromMs: 1000, toMs: 3000 },
      { fromMs: 4000, toMs: 50_000 },
    ]);
  });
  it('says in a sentence what is drawn', () => {
    const data = chartData([at(1000), at(2000, { memoryUsedBytes: 3 * GIB })], 'memory', 0, 2000, 1000);
    expect(chartSummary(data, 'memory', '15m', 1)).toBe(
      'Memory, 15m: from 2.0 to 3.0 GiB, limit 4.0, 1 denied',
    );
    expect(chartSummary(chartData([], 'compute', 0, 1, 1), 'compute', '1h', 0)).toBe('GPU time, 1h: no data');
  });
});

describe('the top of an axis', () => {
  const topOf = (...values: readonly number[]): number => niceTop(values.map((y, x) => ({ x, y })));
  it('is the next round figure above all that was seen', () => {
    expect(topOf(0.3, 3.1, Number.NaN)).toBe(4);
    expect(topOf(61)).toBe(80);
    expect(topOf(98)).toBe(200);
  });
  it('is there where nothing was seen', () => {
    expect(topOf()).toBe(1);
    expect(topOf(0)).toBe(1);
  });
});
