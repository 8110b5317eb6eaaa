import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { HistoryPoint, Sample } from '../../model/model.ts';
import * as series from '../../renderer/store/series.ts';

const sample = (seq: number, atMs: number, memoryUsedBytes: number | null = seq): Sample => ({
  seq,
  atMs,
  gpus: [],
  slices: [
    {
      id: 's1',
      memoryUsedBytes,
      ledgerBytes: null,
      residueBytes: null,
      computeUsedTenths: 10,
      throttledTenths: 0,
      heldBy: 'nothing',
      deniedAllocations: seq > 2 ? 1 : 0,
      deniedBytes: seq > 2 ? 7 : null,
      deniedAtMs: seq > 2 ? 2500 : null,
      limitHeld: true,
      processCount: 1,
    },
  ],
  processes: [],
  processesOmitted: 0,
});
const past = (atMs: number): HistoryPoint => ({
  atMs,
  memoryUsedBytes: 0,
  computeTenths: 0,
  throttledTenths: 0,
  memoryLimitBytes: null,
  computeLimitPercent: null,
});
let host = 0;
const newHost = (): string => `h${String(host++)}`;

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }));
afterEach(() => {
  vi.runOnlyPendingTimers();
  series.setPaused(false);
  vi.useRealTimers();
});

describe('samples', () => {
  it('tells listeners at most twice a second, however fast samples come', () => {
    const id = newHost();
    const heard = vi.fn();
    const stop = series.subscribe(heard);
    for (let i = 0; i < 100; i += 1) {
      series.pushSamples([{ hostId: id, sample: sample(i, i * 20) }], Date.now());
      vi.advanceTimersByTime(20);
    }
    stop();
    expect(heard.mock.calls.length).toBeGreaterThanOrEqual(3);
    expect(heard.mock.calls.length).toBeLessThanOrEqual(5);
  });
  it('shows nothing new while paused and the newest afterwards', () => {
    const id = newHost();
    series.pushSamples([{ hostId: id, sample: sample(1, 1000) }]);
    vi.advanceTimersByTime(600);
    series.setPaused(true);
    series.pushSamples([{ hostId: id, sample: sample(2, 2000) }]);
    vi.advanceTimersByTime(600);
    expect(series.shownSample(id)?.seq).toBe(1);
    series.setPaused(false);
    expect(series.shownSample(id)?.seq).toBe(2);
  });
  it('counts samples that never came', () => {
    const id = newHost();
    const before = series.droppedSamples();
    series.pushSamples([{ hostId: id, sample: sample(1, 1000) }]);
    series.pushSamples([{ hostId: id, sample: sample(4, 2000) }]);
    expect(series.droppedSamples() - before).toBe(2);
  });
  it("counts time on the host's own clock", () => {
    const id = newHost();
    series.pushSamples([{ hostId: id, sample: sample(1, 5000) }], Date.now());
    vi.advanceTimersByTime(250);
    expect(series.hostNowMs(id)).toBe(5250);
  });
});

describe('watched series', () => {
  it('keeps points of what is watched, and each denial once', () => {
    const id = newHost();
    const entry = series.watch({ hostId: id, kind: 'slice', id: 's1' });
    for (const seq of [1, 2, 3, 4]) series.pushSamples([{ hostId: id, sample: sample(seq, seq * 1000) }]);
    expect(entry.ring.points().map((p) => p.memoryUsedBytes)).toEqual([1, 2, 3, 4]);
    expect(entry.denied).toEqual([{ atMs: 2500, bytes: 7 }]);
  });
  it('puts history before what was seen live', () => {
    const id = newHost();
    const entry = series.watch({ hostId: id, kind: 'slice', id: 's1' });
    series.pushSamples([{ hostId: id, sample: sample(1, 10_500) }]);
    series.backfill(entry, [past(8000), past(9000), past(10_000)], 1000, 60_000);
    expect(entry.ring.points().map((p) => p.atMs)).toEqual([8000, 9000, 10_000, 10_500]);
    expect(entry.stepMs).toBe(1000);
  });
  it('remembers the last few subjects and no more', () => {
    const id = newHost();
    const first = series.watch({ hostId: id, kind: 'slice', id: 'first' });
    for (let i = 0; i < 48; i += 1) series.watch({ hostId: id, kind: 'slice', id: `other${String(i)}` });
    expect(series.watch({ hostId: id, kind: 'slice', id: 'first' })).not.toBe(first);
  });
});
