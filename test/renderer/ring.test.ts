import { describe, expect, it } from 'vitest';
import type { HistoryPoint } from '../../model/model.ts';
import { Ring } from '../../renderer/domain/ring.ts';

const point = (atMs: number, memoryUsedBytes: number | null = atMs): HistoryPoint => ({
  atMs,
  memoryUsedBytes,
  computeTenths: 1,
  throttledTenths: null,
  memoryLimitBytes: 2,
  computeLimitPercent: 3,
});
const times = (ring: Ring, from?: number): number[] => ring.points(from).map((p) => p.atMs);

describe('Ring', () => {
  it('keeps the newest points when it is full', () => {
    const ring = new Ring(3);
    for (const at of [1, 2, 3, 4, 5]) ring.push(point(at));
    expect(times(ring)).toEqual([3, 4, 5]);
    expect(ring.length).toBe(3);
    expect(ring.lastAtMs()).toBe(5);
  });
  it('keeps unknown unknown', () => {
    const ring = new Ring(2);
    ring.push(point(1, null));
    expect(ring.points()[0]).toMatchObject(point(1, null));
  });
  it('takes no point that is not newer', () => {
    const ring = new Ring(4);
    for (const at of [5, 5, 4, 6]) ring.push(point(at));
    expect(times(ring)).toEqual([5, 6]);
  });
  it('gives one point before the range, so that a line enters from the edge', () => {
    const ring = new Ring(4);
    for (const at of [10, 20, 30, 40, 50]) ring.push(point(at));
    expect(times(ring, 40)).toEqual([30, 40, 50]);
    expect(times(ring, 0)).toEqual([20, 30, 40, 50]);
    expect(times(ring, 99)).toEqual([50]);
  });
  it('is empty after clear', () => {
    const ring = new Ring(2);
    ring.push(point(1));
    ring.clear();
    expect(ring.points()).toEqual([]);
    expect(ring.lastAtMs()).toBeNull();
  });
});
