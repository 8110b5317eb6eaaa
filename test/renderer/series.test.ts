import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Sample } from '../../model/sample.ts';
import type { HistoryPoint } from '../../model/model.ts';
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

      ungatedCount: null,
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
  it.each([
    ['all hosts', (_id: string, heard: () => void) => series.subscribe(heard)],
    ['one host', (id: string, heard: () => void) => series.subscribeHost(id, heard)],
  ])('tells those who show %s at most twice a second, however fast samples come', (_who, subscribe) => {
    const id = newHost();
    const heard = vi.fn();
    const stop = subscribe(id, heard);
    for (let i = 0; i < 100; i += 1) {
      series.pushSamples([{ hostId: id, sample: sample(i, i * 20) }], Date.now());
      vi.advanceTimersByTime(20);
    }
    stop();
    expect(heard.mock.calls.length).toBeGreaterThanOrEqual(3);
    expect(heard.mock.calls.length).toBeLessThanOrEqual(5);
  });
  it('shows a host soon after its sample, wherever the samples of others fall', () => {
    const [first, second] = [newHost(), newHost()];
    series.pushSamples([{ hostId: second, sample: sample(0, 0) }]);
    vi.advanceTimersByTime(500);
    const heard = vi.fn();
    const stop = series.subscribeHost(second, heard);
    for (let i = 1; i <= 10; i += 1) {
      series.pushSamples([{ hostId: first, sample: sample(i, i * 500) }]);
      vi.advanceTimersByTime(150);
      series.pushSamples([{ hostId: second, sample: sample(i, i * 500) }]);
      vi.advanceTimersByTime(110);
      expect(series.shownSample(second)?.seq).toBe(i);
      vi.advanceTimersByTime(240);
    }
    stop();
    expect(heard).toHaveBeenCalledTimes(10);
  });
  it('tells nobody who has left, though his turn was still to come', () => {
    const told = new Set<() => void>();
    series.setTelling({
      tell: (listeners) => {
        for (const one of listeners) told.add(one);
      },
      forget: (listener) => told.delete(listener),
    });
    const id = newHost();
    const [of, one] = [vi.fn(), vi.fn()];
    const stops = [series.subscribe(of), series.subscribeHost(id, one)];
    series.pushSamples([{ hostId: id, sample: sample(0, 0) }]);
    vi.advanceTimersByTime(1000);
    expect([...told]).toEqual(expect.arrayContaining([of, one]));
    for (const stop of stops) stop();
    expect(told.size).toBe(0);
    series.setTelling({
      tell: (listeners) => {
        for (const listener of listeners) listener();
      },
      forget: () => undefined,
    });
  });
  it('shows a sample that comes a little early, and draws neighbours together', () => {
    const hosts = [newHost(), newHost(), newHost()];
    const times: number[] = [];
    const stops = hosts.map((id) =>
      series.subscribeHost(id, () => {
        if (series.shownSample(id) !== null) times.push(Date.now());
      }),
    );
    const push = (id: string | undefined, seq: number): void =>
      series.pushSamples([{ hostId: id ?? '', sample: sample(seq, seq) }]);
    push(hosts[0], 1);
    vi.advanceTimersByTime(100);
    push(hosts[1], 1);
    vi.advanceTimersByTime(30);
    push(hosts[2], 1);
    vi.advanceTimersByTime(430);
    push(hosts[0], 2);
    vi.advanceTimersByTime(10);
    expect(series.shownSample(hosts[0] ?? '')?.seq).toBe(2);
    for (const stop of stops) stop();
    expect(times).toHaveLength(4);
    expect(times[1]).toBe(times[2]);
  });
  it('lets a silent host be drawn along with the others', () => {
    const [silent, other] = [newHost(), newHost()];
    series.pushSamples([{ hostId: silent, sample: sample(1, 1) }]);
    vi.advanceTimersByTime(2000);
    const heard = vi.fn();
    const stop = series.subscribeHost(silent, heard);
    for (let i = 0; i < 4; i += 1) {
      series.pushSamples([{ hostId: other, sample: sample(i, i * 500) }]);
      vi.advanceTimersByTime(500);
    }
    stop();
    expect(heard.mock.calls.length).toBeGreaterThanOrEqual(3);
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
