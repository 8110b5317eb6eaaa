import { describe, expect, it } from 'vitest';
import { GIB } from '../../model/units.ts';
import { layoutBar, rulerMarks } from '../../renderer/domain/bar-layout.ts';

const g = (gib: number): number => gib * GIB;
const slices = (...gib: number[]): { id: string; limitBytes: number }[] =>
  gib.map((size, i) => ({ id: `s${String(i)}`, limitBytes: g(size) }));

describe('layoutBar', () => {
  it('leaves an empty GPU all free', () => {
    expect(layoutBar(g(24), 0, [])).toEqual({
      scale: g(24),
      unmanagedBytes: 0,
      segments: [],
      tail: [],
      free: g(24),
      over: 0,
    });
  });

  it('puts unmanaged memory first, then slices in the order given, then what is free', () => {
    const layout = layoutBar(g(48), g(2), slices(24, 16));
    expect(layout.segments.map((s) => s.atBytes / GIB)).toEqual([2, 26]);
    expect(layout.free).toBe(g(6));
    expect(layout.over).toBe(0);
    expect(layout.scale).toBe(g(48));
  });

  it('scales to the sum of limits when they overcommit, with a tail and nothing free', () => {
    const layout = layoutBar(g(80), g(2), slices(32, 20, 8, 24));
    expect(layout.scale).toBe(g(86));
    expect(layout.over).toBe(g(6));
    expect(layout.free).toBe(0);
    expect(layout.segments.at(-1)).toEqual({
      id: 's3',
      atBytes: g(62),
      limitBytes: g(24),
      backedBytes: g(18),
    });
    expect(layout.tail).toEqual([{ id: 's3', atBytes: g(80), sizeBytes: g(6) }]);
  });

  it('gives a slice that begins beyond capacity no backing at all', () => {
    const layout = layoutBar(g(10), 0, slices(8, 4, 6));
    expect(layout.segments.map((s) => s.backedBytes / GIB)).toEqual([8, 2, 0]);
    expect(layout.tail.map((t) => [t.id, t.atBytes / GIB, t.sizeBytes / GIB])).toEqual([
      ['s1', 10, 2],
      ['s2', 12, 6],
    ]);
    expect(layout.over).toBe(g(8));
  });

  it('covers the scale exactly: unmanaged, backed, tails and free add up', () => {
    for (const [capacity, unmanaged, sizes] of [
      [24, 0, [6, 6, 6, 6]],
      [24, 1, [6, 6, 6, 6]],
      [24, 0, [1]],
      [24, 30, [1, 40]],
    ] as const) {
      const layout = layoutBar(g(capacity), g(unmanaged), slices(...sizes));
      const backed = layout.segments.reduce((sum, s) => sum + s.backedBytes, 0);
      const tails = layout.tail.reduce((sum, t) => sum + t.sizeBytes, 0);
      expect(layout.unmanagedBytes + backed + tails + layout.free).toBe(layout.scale);
      expect(layout.free === 0 || layout.tail.length === 0).toBe(true);
    }
  });

  it('never divides by zero', () => {
    expect(layoutBar(0, 0, []).scale).toBeGreaterThan(0);
  });
});

describe('rulerMarks', () => {
  it('quarters a GPU whose size allows it and stays clear of the capacity', () => {
    expect(rulerMarks(24, 24)).toEqual([0, 6, 12, 18]);
    expect(rulerMarks(48, 48)).toEqual([0, 12, 24, 36]);
    expect(rulerMarks(140.4, 140.4)).toEqual([0, 32, 64, 96]);
  });
  it('marks only what the GPU has, also when the scale is longer', () => {
    expect(Math.max(...rulerMarks(120, 79.6))).toBeLessThan(79.6);
  });
  it('is bounded for absurd sizes', () => {
    expect(rulerMarks(1e6, 1e6).length).toBeLessThan(20);
  });
});
