import { describe, expect, it } from 'vitest';
import { beyondQuota, heldBy, quotaOf, quotaText, whomOf } from '../../renderer/domain/quota.ts';
import { peopleRows } from '../../renderer/features/people/people-rows.ts';
import type { Quota } from '../../model/people.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { GIB } from '../../model/units.ts';
import { ada, hopper } from '../fakes/fake-hosts.ts';

const quota = (subject: string, gib: number | null, slicesMax: number | null = null): Quota => ({
  subject,
  memoryBytesMax: gib === null ? null : gib * GIB,
  slicesMax,
});
/** mira holds 32 GiB in one slice, tom 44 in two, wei 24 in two, lab 24 in one. */
const with_ = (quotas: readonly Quota[], groups: Readonly<Record<string, string>> = {}): HostSnapshot => {
  const host = hopper();
  return { ...host, quotas, people: host.people.map((p) => ({ ...p, quota: groups[p.name] ?? null })) };
};
const sliceOf = (host: HostSnapshot, name: string) => {
  const found = host.slices.find((slice) => slice.name === name);
  if (found === undefined) throw new Error(`no slice ${name}`);
  return found;
};

describe('quotaOf', () => {
  const host = with_([quota('default', 8), quota('@students', 16), quota('tom', null)], {
    wei: '@students',
    tom: '@students',
    // Of a quota that was taken away since.
    lab: '@gone',
  });
  it.each([
    ['tom', 'tom'],
    ['wei', '@students'],
    ['mira', 'default'],
    ['lab', 'default'],
    ['default', 'default'],
  ])('for %s it is that of %s', (person, subject) => {
    expect(quotaOf(host, person)?.subject).toBe(subject);
  });
  it('is none where none is set', () => expect(quotaOf(hopper(), 'tom')).toBeNull());
});

describe('beyondQuota', () => {
  const host = with_([quota('default', 44, 2)]);
  it('is null within it', () => {
    expect(beyondQuota(host, 'mira', 12 * GIB, null)).toBeNull();
    expect(beyondQuota(hopper(), 'tom', 100 * GIB, null)).toBeNull();
  });
  it('counts what is held on all GPUs of the host', () => {
    expect(beyondQuota(host, 'mira', 13 * GIB, null)).toBe('mira would hold 45.0 of 44.0 GiB');
    expect(beyondQuota(host, 'tom', 1, null)).toBe('tom would hold 44.0 of 44.0 GiB');
  });
  it('counts slices', () => {
    expect(beyondQuota(with_([quota('wei', null, 2)]), 'wei', GIB, null)).toBe(
      'wei would have 3 of 2 slices',
    );
  });
  it('lets shrink what is beyond it, and not grow', () => {
    const tight = with_([quota('tom', 10)]);
    const slice = sliceOf(tight, 'embed');
    expect(beyondQuota(tight, 'tom', 23 * GIB, slice)).toBeNull();
    expect(beyondQuota(tight, 'tom', 25 * GIB, slice)).toBe('tom would hold 45.0 of 10.0 GiB');
  });
  it('takes what is handed over for new', () => {
    const slice = sliceOf(host, 'embed');
    expect(beyondQuota(host, 'wei', slice.memoryLimitBytes, slice)).toBe('wei would hold 48.0 of 44.0 GiB');
  });
  it('counts a shrink that waits as done', () => {
    const slices = host.slices.map((s) => (s.name === 'embed' ? { ...s, pendingMemoryLimitBytes: GIB } : s));
    expect(heldBy({ ...host, slices }, 'tom')).toEqual({ bytes: 21 * GIB, slices: 2 });
  });
});

describe('in words', () => {
  it('says whom and how much', () => {
    expect([whomOf(quota('@a', 1)), whomOf(quota('default', 1)), whomOf(quota('tom', 1))]).toEqual([
      'each member of a',
      'each person here',
      'tom',
    ]);
    expect([
      quotaText(quota('x', 40, 1)),
      quotaText(quota('x', null, 2)),
      quotaText(quota('x', null)),
    ]).toEqual(['40.0 GiB, 1 slice', '2 slices', 'no limit']);
  });
});

describe('hours of people', () => {
  it('add up over hosts, stay unknown where no agent counts, and name those who hold nothing now', () => {
    const hours = (hostId: string) =>
      hostId === 'ssh:hopper'
        ? [
            { name: 'tom', uid: 1, usedMs: 3_600_000, heldMs: 7_200_000 },
            { name: 'gone', uid: 2, usedMs: 10, heldMs: 20 },
          ]
        : null;
    const rows = peopleRows(
      [hopper(), ada()],
      () => null,
      () => false,
      hours,
    );
    const of = (name: string) => rows.find((row) => row.name === name);
    expect(of('tom')).toMatchObject({ usedMs: 3_600_000, heldMs: 7_200_000 });
    expect(of('gone')).toMatchObject({ usedMs: 10, limitBytes: 0, owner: null });
    expect(of('mira')?.usedMs).toBeNull();
    const both = peopleRows(
      [hopper(), ada()],
      () => null,
      () => false,
      () => [{ name: 'tom', uid: 1, usedMs: 5, heldMs: 6 }],
    );
    expect(both.find((row) => row.name === 'tom')).toMatchObject({ usedMs: 10, heldMs: 12 });
  });
});

describe('people rows', () => {
  it('name the host where somebody is nearest to their quota first', () => {
    const second = { ...ada(), quotas: [quota('default', 1000)] };
    const rows = peopleRows(
      [with_([quota('default', 44, 4)]), second],
      () => null,
      () => false,
    );
    const tom = rows.find((row) => row.name === 'tom');
    expect(tom?.quotas.map((share) => [share.host.name, Math.round(share.percent)])[0]).toEqual([
      'hopper',
      100,
    ]);
    expect(rows.every((row) => row.quotas.length <= 2)).toBe(true);
  });
  it('show none for a quota without a limit', () => {
    const [row] = peopleRows(
      [with_([quota('default', null)])],
      () => null,
      () => false,
    );
    expect(row?.quotas).toEqual([]);
  });
});
