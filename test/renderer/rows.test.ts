import { describe, expect, it } from 'vitest';
import { fleetGroups, totalsOf } from '../../renderer/features/fleet/fleet-groups.ts';
import { peopleRows } from '../../renderer/features/people/people-rows.ts';
import { matchesRow, sliceRows } from '../../renderer/domain/slice-rows.ts';
import { idleFrom } from '../../renderer/store/idle.ts';
import { idleLong } from '../../renderer/domain/idle-text.ts';
import { neighbourOf, tradeFor } from '../../renderer/domain/trade.ts';
import { moveOutcome } from '../../renderer/domain/move.ts';
import { fromLocalInput, toLocalInput, untilText } from '../../renderer/domain/when.ts';
import { nextWeekday, untilChoices } from '../../renderer/domain/until.ts';
import type { ProcessSample, Sample } from '../../model/sample.ts';
import type { HistoryPoint } from '../../model/model.ts';
import { GIB } from '../../model/units.ts';
import { ada, gpu, hopper, host, live, slice } from '../fakes/fake-hosts.ts';
import { Meter } from '../fakes/fake-samples.ts';

const meter = new Meter();
const [h, a] = [hopper(), ada()];
const samples = new Map([h, a].map((one) => [one.id, meter.sample(one)]));
const sampleOf = (id: string): Sample | null => samples.get(id) ?? null;

describe('rows of slices', () => {
  it('have a row for each slice and for what is unmanaged, unknown as null', () => {
    const rows = sliceRows([h, a], sampleOf);
    expect(rows.filter((row) => row.slice !== null)).toHaveLength(9);
    expect(rows.filter((row) => row.slice === null).map((row) => row.name)).toEqual([
      'unmanaged',
      'unmanaged',
    ]);
    const [blind] = sliceRows([h], () => null);
    expect(blind).toMatchObject({ usedBytes: null, timeUsedTenths: null, throttledTenths: null });
  });
  it('are found by every word of the filter, tags too', () => {
    const row = sliceRows([h], sampleOf).find((one) => one.name === 'finetune');
    if (row === undefined) throw new Error('no row');
    expect(matchesRow(row, 'wei a6000', [])).toBe(true);
    expect(matchesRow(row, 'wei basement', [])).toBe(false);
    expect(matchesRow(row, 'wei basement', ['basement'])).toBe(true);
    expect(matchesRow(row, '', [])).toBe(true);
  });
});

describe('people', () => {
  it('sum over hosts what is held and used, and where', () => {
    const tom = peopleRows([h, a], sampleOf, (_host, s) => s.name === 'embed').find((p) => p.name === 'tom');
    expect(tom).toMatchObject({
      limitBytes: 88.5 * GIB,
      timeLimitPercent: 145,
      idleCount: 1,
      idleBytes: 24 * GIB,
    });
    expect(tom?.where).toBe('hopper 0 · ada 0');
    const used = [...samples.values()].flatMap((s) => s.slices).filter((s) => /serve|embed|eval/.test(s.id));
    expect(tom?.usedBytes).toBe(used.reduce((sum, s) => sum + (s.memoryUsedBytes ?? 0), 0));
  });
  it('count what runs outside slices, and keep unknown unknown', () => {
    expect(peopleRows([h], sampleOf, () => false).find((p) => p.name === 'root')).toMatchObject({
      owner: null,
      limitBytes: 0,
      usedBytes: null,
      unmanagedBytes: Math.floor(0.3 * GIB),
      where: 'hopper 0',
    });
  });
});

describe('all hosts', () => {
  const tags = (id: string): readonly string[] => (id === h.id ? ['basement', 'fast'] : []);
  it('stand in a group per host, tag, model, or none', () => {
    const titles = (grouping: 'host' | 'tag' | 'model' | 'none') =>
      fleetGroups([h, a], tags, grouping, '').map((group) => `${group.title} ${String(group.places.length)}`);
    expect(titles('host')).toEqual(['hopper 3', 'ada 2']);
    expect(titles('tag')).toEqual(['basement 3', 'fast 3', 'No tag 2']);
    expect(titles('model')).toEqual([
      'NVIDIA GeForce RTX 4090 1',
      'NVIDIA H100 PCIe 80GB 1',
      'NVIDIA L40S 2',
      'NVIDIA RTX A6000 1',
    ]);
    expect(titles('none')).toEqual(['All GPUs 5']);
  });
  it('leave out what the filter does not find, and keep hosts that are away findable', () => {
    const gone = host('hilbert', { kind: 'disconnected' });
    expect(fleetGroups([h, a, gone], tags, 'host', 'nightly').map((g) => [g.title, g.places.length])).toEqual(
      [['hopper', 1]],
    );
    expect(fleetGroups([h, gone], tags, 'host', 'hil').map((g) => g.title)).toEqual(['hilbert']);
  });
  it('add up each GPU once, and say unknown where one is', () => {
    const places = fleetGroups([h], tags, 'tag', '').flatMap((group) => group.places);
    expect(places).toHaveLength(6);
    const totals = totalsOf(places, sampleOf);
    expect(totals).toMatchObject({ gpus: 3, allocatedBytes: 124 * GIB });
    expect(totals.usedBytes).toBeGreaterThan(0);
    expect(totalsOf(places, () => null).usedBytes).toBeNull();
  });
});

describe('trading', () => {
  const on = gpu('t', 0, 'NVIDIA A100', 40960);
  const [left, right] = [slice(on, 'left', 'tom', 20, 50), slice(on, 'right', 'wei', 8, 50)];
  const of = host('t', live('t'), [on], [left, right]);
  it('is with the next slice, for the last with the one before, for one alone with nobody', () => {
    expect(neighbourOf(of, left)?.id).toBe(right.id);
    expect(neighbourOf(of, right)?.id).toBe(left.id);
    expect(neighbourOf({ ...of, slices: [left] }, left)).toBeNull();
  });
  it('keeps the sum and leaves each at least half a GiB', () => {
    expect(tradeFor(24 * GIB, left, right)).toEqual({ limitBytes: 24 * GIB, neighbourBytes: 4 * GIB });
    expect(tradeFor(99 * GIB, left, right)).toEqual({ limitBytes: 27.5 * GIB, neighbourBytes: 0.5 * GIB });
    expect(tradeFor(0, left, right)).toEqual({ limitBytes: 0.5 * GIB, neighbourBytes: 27.5 * GIB });
  });
});

describe('moving', () => {
  const [from, to, small] = [gpu('m', 0, 'A', 40960), gpu('m', 1, 'B', 40960), gpu('m', 2, 'C', 8192)];
  const moved = slice(from, 'one', 'tom', 20, 50);
  const of = host('m', live('m'), [from, to, small], [moved]);
  const running = { pid: 1, sliceId: moved.id, gpuUuid: from.uuid } as unknown as ProcessSample;
  const at = (processes: readonly ProcessSample[]): Sample => ({
    seq: 1,
    atMs: 0,
    gpus: [],
    slices: [],
    processes,
    processesOmitted: 0,
  });
  it('says what stays free there', () => {
    expect(moveOutcome(of, moved, to, at([]))).toEqual({ refusal: null, text: '20.0 GiB stay free' });
  });
  it.each([
    ['where it is', from, [] as ProcessSample[], of, /is on this GPU/],
    ['onto a smaller one', small, [], of, /the GPU has 8\.0 GiB/],
    ['while somebody runs in it', to, [running], of, /moves between runs/],
    ['without the right to', to, [], { ...of, connection: live('m', { verbs: ['look'] }) }, /Only mira/],
    ['onto a GPU in MIG mode', { ...to, partitioned: true }, [], of, /MIG/],
  ])('is refused %s', (_case, target, processes, on, why) => {
    expect(moveOutcome(on, moved, target, at(processes)).refusal).toMatch(why);
  });
});

describe('until', () => {
  const thursday = new Date(2026, 0, 1, 12);
  it('finds the next Friday evening, also on a Friday', () => {
    expect(nextWeekday(thursday, 5, 18)).toEqual(new Date(2026, 0, 2, 18));
    expect(nextWeekday(new Date(2026, 0, 2, 17), 5, 18)).toEqual(new Date(2026, 0, 2, 18));
    expect(nextWeekday(new Date(2026, 0, 2, 18), 5, 18)).toEqual(new Date(2026, 0, 9, 18));
  });
  it('offers today only while it is ahead', () => {
    expect(untilChoices(thursday).map((c) => c.key)).toEqual(['none', 'today', 'tomorrow', 'friday', 'week']);
    expect(untilChoices(new Date(2026, 0, 1, 19)).map((c) => c.key)).not.toContain('today');
  });
  it('is said by weekday when near, by date when far', () => {
    const now = thursday.getTime();
    expect(untilText(null, now)).toBe('No end');
    expect(untilText(new Date(2026, 0, 2, 18).getTime(), now)).toBe('Fri 18:00');
    expect(untilText(new Date(2026, 0, 9, 18).getTime(), now)).toBe('9 Jan 18:00');
    expect(untilText(now - 1, now)).toBe('ended 11:59');
  });
  it('goes through a box and back', () => {
    const atMs = new Date(2026, 4, 3, 7, 5).getTime();
    expect(fromLocalInput(toLocalInput(atMs))).toBe(atMs);
    expect(fromLocalInput('')).toBeNull();
    expect(fromLocalInput('2026-99-99T10:00')).toBeNull();
  });
});

describe('idle clock', () => {
  const point = (atMs: number, computeTenths: number | null): HistoryPoint => ({
    atMs,
    computeTenths,
    memoryUsedBytes: null,
    throttledTenths: null,
    memoryLimitBytes: null,
    computeLimitPercent: null,
  });
  it('runs from the last time something ran', () => {
    expect(idleFrom([point(1, 0), point(2, 400), point(3, 5), point(4, 0)])).toEqual({
      sinceMs: 2,
      atLeast: false,
    });
  });
  it('says at least, where nothing is remembered before', () => {
    expect(idleFrom([point(1, null), point(2, 0), point(3, 0)])).toEqual({ sinceMs: 2, atLeast: true });
    expect(idleFrom([])).toBeNull();
  });
  it('is silent until it is long', () => {
    expect(idleLong({ sinceMs: 0, atLeast: false }, 599_999, 10)).toBeNull();
    expect(idleLong({ sinceMs: 0, atLeast: false }, 600_000, 10)).toBe('10 min');
    expect(idleLong({ sinceMs: 0, atLeast: true }, 11_520_000, 10)).toBe('at least 3 h 12 min');
    expect(idleLong(null, 1, 1)).toBeNull();
  });
});
