/** Who holds and uses what, over one host or all of them. Pure; unknown stays null. */
import type { PersonHours, Quota } from '../../../model/people.ts';
import type { Sample } from '../../../model/sample.ts';
import type { Slice } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { sliceSample } from '../../domain/host-figures.ts';
import { heldBy, quotaOf } from '../../domain/quota.ts';
import type { Held } from '../../domain/quota.ts';

export interface PersonRow {
  readonly name: string;
  /** null for what runs without a known user. */
  readonly owner: string | null;
  readonly limitBytes: number;
  readonly usedBytes: number | null;
  /** Outside every slice. */
  readonly unmanagedBytes: number;
  readonly timeLimitPercent: number;
  readonly timeUsedTenths: number | null;
  readonly slices: readonly { readonly host: HostSnapshot; readonly slice: Slice }[];
  /** Slices held but idle, and what they hold. */
  readonly idleBytes: number;
  readonly idleCount: number;
  readonly processes: number;
  /** Of the last seven days; null: no agent here counts them. Also of people who hold nothing now. */
  readonly usedMs: number | null;
  readonly heldMs: number | null;
  /** Of hosts where a quota holds for them, and they hold something. */
  readonly quotas: readonly QuotaShare[];
  /** `hopper 0, 2 · ada 1`. */
  readonly where: string;
}

/** What they hold of what they may hold on one host. */
export interface QuotaShare {
  readonly host: HostSnapshot;
  readonly quota: Quota;
  readonly held: Held;
  /** The larger of both shares, memory and slices, in percent; may be above 100. */
  readonly percent: number;
}

const percentOf = (held: number, most: number | null): number =>
  most === null ? 0 : most === 0 ? (held > 0 ? 100 : 0) : (held / most) * 100;

/** The fullest first. A quota without a limit is none to show. */
function quotaShares(person: string, hosts: Iterable<HostSnapshot>): readonly QuotaShare[] {
  return [...hosts]
    .flatMap((host): QuotaShare[] => {
      const quota = quotaOf(host, person);
      if (quota === null || (quota.memoryBytesMax === null && quota.slicesMax === null)) return [];
      const held = heldBy(host, person);
      const percent = Math.max(
        percentOf(held.bytes, quota.memoryBytesMax),
        percentOf(held.slices, quota.slicesMax),
      );
      return [{ host, quota, held, percent }];
    })
    .sort((a, b) => b.percent - a.percent);
}

interface Draft {
  limitBytes: number;
  usedBytes: number | null;
  unmanagedBytes: number;
  timeLimitPercent: number;
  timeUsedTenths: number | null;
  slices: { host: HostSnapshot; slice: Slice }[];
  idleBytes: number;
  idleCount: number;
  processes: number;
  usedMs: number | null;
  heldMs: number | null;
  places: Map<string, Set<number>>;
}

const draft = (): Draft => ({
  limitBytes: 0,
  usedBytes: null,
  unmanagedBytes: 0,
  timeLimitPercent: 0,
  timeUsedTenths: null,
  slices: [],
  idleBytes: 0,
  idleCount: 0,
  processes: 0,
  usedMs: null,
  heldMs: null,
  places: new Map(),
});

/** Known plus known is their sum; unknown adds nothing, and alone stays unknown. */
const plus = (a: number | null, b: number | null): number | null => (b === null ? a : (a ?? 0) + b);

export function peopleRows(
  hosts: readonly HostSnapshot[],
  sampleOf: (hostId: string) => Sample | null,
  isIdle: (host: HostSnapshot, slice: Slice) => boolean,
  hoursOf: (hostId: string) => readonly PersonHours[] | null = () => null,
): readonly PersonRow[] {
  const people = new Map<string, Draft>();
  const of = (name: string): Draft => {
    const known = people.get(name) ?? draft();
    people.set(name, known);
    return known;
  };
  const seenOn = (person: Draft, host: HostSnapshot, uuid: string): void => {
    const index = host.gpus.find((gpu) => gpu.uuid === uuid)?.index;
    const indices = person.places.get(host.name) ?? new Set();
    if (index !== undefined) indices.add(index);
    person.places.set(host.name, indices);
  };
  for (const host of hosts) {
    const sample = sampleOf(host.id);
    for (const { name, usedMs, heldMs } of hoursOf(host.id) ?? []) {
      const person = of(name);
      person.usedMs = plus(person.usedMs, usedMs);
      person.heldMs = plus(person.heldMs, heldMs);
    }
    for (const slice of host.slices) {
      const reading = sliceSample(sample, slice.id);
      const person = of(slice.owner);
      person.limitBytes += slice.memoryLimitBytes;
      person.usedBytes = plus(person.usedBytes, reading?.memoryUsedBytes ?? null);
      person.timeLimitPercent += slice.computeLimitPercent;
      person.timeUsedTenths = plus(person.timeUsedTenths, reading?.computeUsedTenths ?? null);
      person.slices.push({ host, slice });
      if (isIdle(host, slice)) {
        person.idleBytes += slice.memoryLimitBytes;
        person.idleCount += 1;
      }
      seenOn(person, host, slice.gpuUuid);
    }
    for (const process of sample?.processes ?? []) {
      const person = of(process.user ?? (process.uid === null ? 'unknown' : `uid ${String(process.uid)}`));
      person.processes += 1;
      if (process.sliceId !== null) continue;
      person.unmanagedBytes += process.memoryUsedBytes ?? 0;
      seenOn(person, host, process.gpuUuid);
    }
  }
  return [...people].map(([name, person]) => ({
    name,
    owner: person.slices.length > 0 ? name : null,
    limitBytes: person.limitBytes,
    usedBytes: person.usedBytes,
    unmanagedBytes: person.unmanagedBytes,
    timeLimitPercent: person.timeLimitPercent,
    timeUsedTenths: person.timeUsedTenths,
    slices: person.slices,
    idleBytes: person.idleBytes,
    idleCount: person.idleCount,
    processes: person.processes,
    usedMs: person.usedMs,
    heldMs: person.heldMs,
    quotas: quotaShares(name, new Set(person.slices.map((one) => one.host))),
    where: [...person.places]
      .map(([host, indices]) => `${host} ${[...indices].sort((a, b) => a - b).join(', ')}`)
      .join(' · '),
  }));
}
