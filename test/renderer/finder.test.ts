import { describe, expect, it } from 'vitest';
import { findRoom, parseWanted } from '../../renderer/features/palette/finder.ts';
import { GROUP_SHOWN_MAX, finderFor, sections } from '../../renderer/features/palette/search.ts';
import type { GpuSample, Sample } from '../../model/sample.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { GIB } from '../../model/units.ts';
import { gpu, host, live, slice } from '../fakes/fake-hosts.ts';

const sampleOf = (of: HostSnapshot, busy: Readonly<Record<string, number>>): Sample => ({
  seq: 1,
  atMs: 0,
  gpus: of.gpus.map(({ uuid }): GpuSample => ({
    uuid,
    memoryUsedBytes: 0,
    utilizationPercent: busy[uuid] ?? null,
    temperatureC: null,
    powerMilliwatts: null,
    smClockMhz: null,
    eccErrors: null,
    unmanagedBytes: 0,
    slowedBy: null,
  })),
  slices: [],
  processes: [],
  processesOmitted: 0,
});

describe('parseWanted', () => {
  it.each([
    ['20g', 20 * GIB],
    ['20 GiB', 20 * GIB],
    ['20GB', 20 * GIB],
    ['1.5g', 1.5 * GIB],
    ['20480m', 20 * GIB],
  ])('reads %s', (text, bytes) => expect(parseWanted(text)).toEqual({ kind: 'bytes', bytes }));
  it('reads a share', () => expect(parseWanted('25 %')).toEqual({ kind: 'share', percent: 25 }));
  it.each(['20', 'gpu 2', '0g', '0%', '101%', 'g', '', 'nightly-20g'])('takes %j for words', (text) =>
    expect(parseWanted(text)).toBeNull(),
  );
});

describe('findRoom', () => {
  const big = gpu('a', 0, 'NVIDIA H100', 80 * 1024);
  const tight = gpu('a', 1, 'NVIDIA RTX 4090', 24 * 1024);
  const other = gpu('b', 0, 'NVIDIA RTX 4090', 24 * 1024);
  const a = host('a', live('a'), [big, tight], []);
  const b = host('b', live('b'), [other], []);
  const samples = new Map([
    ['ssh:a', sampleOf(a, { [big.uuid]: 0, [tight.uuid]: 90 })],
    ['ssh:b', sampleOf(b, { [other.uuid]: 0 })],
  ]);
  const find = (text: string, hosts = [a, b]) => {
    const wanted = parseWanted(text);
    if (wanted === null) throw new Error(text);
    return findRoom(wanted, hosts, (id) => samples.get(id) ?? null);
  };
  it('puts the tightest fit first, of equal ones the idle one', () => {
    expect(find('20g').rooms.map((room) => room.gpu.uuid)).toEqual([other.uuid, tight.uuid, big.uuid]);
  });
  it('lists only what fits, and knows the largest place', () => {
    expect(find('30g').rooms.map((room) => room.gpu.uuid)).toEqual([big.uuid]);
    const { rooms, largest } = find('90g');
    expect(rooms).toEqual([]);
    expect(largest?.gpu.uuid).toBe(big.uuid);
  });
  it('counts what slices were promised, not what they use', () => {
    const full = { ...a, slices: [slice(big, 'all', 'tom', 75, 100)] };
    expect(find('20g', [full]).rooms.map((room) => room.gpu.uuid)).toEqual([tight.uuid]);
  });
  it('takes a share of each GPU', () => {
    expect(find('50%').rooms.find((room) => room.gpu.uuid === big.uuid)?.wantedBytes).toBe(40 * GIB);
  });
  it('puts places where nothing may be made last, with the reason', () => {
    const look = { ...b, connection: live('b', { verbs: ['look'] }) };
    const { rooms } = find('20g', [a, look]);
    expect(rooms.at(-1)?.gpu.uuid).toBe(other.uuid);
    expect(rooms.at(-1)?.refusal).toMatch(/Only mira/);
  });
  it('leaves out hosts that are away', () => {
    expect(find('20g', [{ ...a, connection: { kind: 'disconnected' } }])).toEqual({
      rooms: [],
      largest: null,
    });
  });
});

describe('search', () => {
  const items = ['New slice…', 'Rename…', 'hopper', 'ada'].map((title) => ({
    id: title,
    title,
    group: title.endsWith('…') ? 'Commands' : 'Hosts',
    also: title === 'New slice…' ? 'create' : '',
  }));
  it('finds by parts of words and by other words', () => {
    expect(finderFor(items)('nwsl')[0]?.id).toBe('New slice…');
    expect(finderFor(items)('create')[0]?.id).toBe('New slice…');
    expect(finderFor(items)('hpr')[0]?.id).toBe('hopper');
    expect(finderFor(items)('zzz')).toEqual([]);
  });
  it('shows recent items first and once', () => {
    const shown = sections(items, finderFor(items), '', ['hopper', 'gone']);
    expect(shown.map(({ heading }) => heading)).toEqual(['Recent', 'Commands', 'Hosts']);
    expect(
      shown.flatMap((section) => section.items.map((i) => i.id)).filter((id) => id === 'hopper'),
    ).toHaveLength(1);
  });
  it('finds a whole word among thousands that have its letters somewhere', () => {
    const many = Array.from({ length: 4000 }, (_, n) => ({
      id: `s${String(n)}`,
      title: n === 3990 ? 'sweep' : `s-w-e-e-p ${String(n)}`,
      group: 'Slices',
      also: '',
    }));
    expect(finderFor(many)('sweep')[0]?.title).toBe('sweep');
  });
  it('lists some of a large group and says how many more there are; typing finds each of them', () => {
    const many = Array.from({ length: 2000 }, (_, n) => ({
      id: `s${String(n)}`,
      title: `job ${String(n)}`,
      group: 'Slices',
      also: '',
    }));
    const find = finderFor(many);
    const [shown] = sections(many, find, '', []);
    expect(shown?.items).toHaveLength(GROUP_SHOWN_MAX);
    expect(shown?.more).toBe(2000 - GROUP_SHOWN_MAX);
    const [found] = sections(many, find, 'job 1999', []);
    expect(found).toMatchObject({ items: [{ id: 's1999' }], more: 0 });
    expect(sections(many, find, 'job', [])[0]?.items.length).toBeGreaterThan(GROUP_SHOWN_MAX);
  });
});
