/** A slice each for the people of a course: who gets one where, and why somebody gets none. Pure; nothing is sent. */
import { admit } from '../../model/admission.ts';
import type { Gpu } from '../../model/gpu.ts';
import type { Sample } from '../../model/sample.ts';
import type { HostId, HostSnapshot } from '../../model/model.ts';
import { gibWithUnit } from '../../model/units.ts';
import { refusalWords } from './drag.ts';
import { cutRefusal, gpuView } from './host-figures.ts';
import { editRefusal } from './rights.ts';
import { beyondQuota } from './quota.ts';
import { nameProblem } from './slice-edits.ts';

/** The agent remembers the undo of 256 edits; a course stays well below. */
export const COURSE_PEOPLE_MAX = 100;

export interface Course {
  readonly name: string;
  /** User names, each once. */
  readonly people: readonly string[];
  readonly memoryLimitBytes: number;
  readonly computeLimitPercent: number;
  readonly computeGuaranteePercent: number;
  readonly expiresAtMs: number | null;
  /** Limits may add up to more than a GPU has, as far as its host's guard allows. */
  readonly overcommit: boolean;
}

/** One slice that would be made. */
export interface Seat {
  readonly person: string;
  readonly sliceName: string;
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
}

export interface Unseated {
  readonly person: string;
  /** `memory` and `place`: nothing about the person is in the way; the summary adds these up. */
  readonly kind: 'has-one' | 'name' | 'unknown' | 'quota' | 'memory' | 'place';
  readonly reason: string;
}

export interface CoursePlan {
  /** In the order in which people were typed, as is `unseated`. */
  readonly seats: readonly Seat[];
  readonly unseated: readonly Unseated[];
  /** Hosts and GPUs that were not looked at, each with its reason. */
  readonly leftOut: readonly string[];
  readonly summary: string;
}

/** One name a line, or with commas or blanks between; each once, in the order typed. */
export const parsePeople = (text: string): readonly string[] => [
  ...new Set(text.split(/[\s,;]+/).filter((name) => name !== '')),
];

export const sliceNameOf = (course: string, person: string): string => `${course}-${person}`;

/** `lab-a`, `lab-a and lab-b`, `a, b and c`. */
export function listed(names: readonly string[], word = 'and'): string {
  const last = names.at(-1) ?? '';
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} ${word} ${last}`;
}

/** A GPU while it fills up. */
interface Place {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  /** Order among equals. */
  readonly rank: number;
  roomBytes: number;
  limitsBytes: number;
  guaranteesPercent: number;
  count: number;
}

function placeOf(host: HostSnapshot, gpu: Gpu, sample: Sample | null, rank: number): Place {
  const { slices, layout } = gpuView(host, gpu, sample);
  const limitsBytes = slices.reduce((sum, slice) => sum + slice.memoryLimitBytes, 0);
  return {
    host,
    gpu,
    rank,
    // Below zero where limits add up to more already: the emptiest first holds for those too.
    roomBytes: gpu.capacityBytes - layout.unmanagedBytes - limitsBytes,
    limitsBytes,
    guaranteesPercent: slices.reduce((sum, slice) => sum + slice.computeGuaranteePercent, 0),
    count: slices.length,
  };
}

/** What `refusalOf` says where more free memory would help. */
const MEMORY = 'memory';

/** Why one more slice of this size does not fit there; null when it does. */
function refusalOf(place: Place, course: Course): string | null {
  const words = refusalWords(
    admit({
      capacityBytes: place.gpu.capacityBytes,
      otherSliceCount: place.count,
      otherGuaranteesPercent: place.guaranteesPercent,
      memoryLimitBytes: course.memoryLimitBytes,
      computeLimitPercent: course.computeLimitPercent,
      computeGuaranteePercent: course.computeGuaranteePercent,
      memoryOvercommitMaxPercent: place.host.memoryOvercommitMaxPercent,
      otherMemoryLimitsBytes: place.limitsBytes,
    }),
    place.gpu.capacityBytes,
  );
  if (words !== null) return words;
  return !course.overcommit && place.roomBytes < course.memoryLimitBytes ? MEMORY : null;
}

/** Adds (1) or takes away (-1) one seat. */
function fill(place: Place, course: Course, by: 1 | -1): void {
  place.roomBytes -= by * course.memoryLimitBytes;
  place.limitsBytes += by * course.memoryLimitBytes;
  place.guaranteesPercent += by * course.computeGuaranteePercent;
  place.count += by;
}

/** The hosts on which a person may have a seat; or why there is none. */
function hostsFor(
  person: string,
  course: Course,
  hosts: readonly HostSnapshot[],
): readonly HostSnapshot[] | Unseated {
  const no = (kind: Unseated['kind'], reason: string): Unseated => ({ person, kind, reason });
  const sliceName = sliceNameOf(course.name, person);
  const bad = nameProblem(sliceName);
  if (bad !== null) return no('name', `the slice could not be called ${course.name}-…: ${bad}`);
  // One course, one slice each: a second go fills up what the first left out.
  const has = hosts.find((host) => host.slices.some((slice) => slice.name === sliceName));
  if (has !== undefined) return no('has-one', `has ${sliceName} on ${has.name} already`);
  const known = hosts.filter((host) => host.people.some(({ name }) => name === person));
  if (known.length === 0) {
    const where = listed(
      hosts.map((host) => host.name),
      'or',
    );
    return no(
      'unknown',
      hosts.length === 0
        ? 'has no host: none is chosen that can be cut'
        : `is not among the people of ${where}`,
    );
  }
  const beyond = known.map(
    (host) => [host, beyondQuota(host, person, course.memoryLimitBytes, null)] as const,
  );
  const allowed = beyond.filter(([, words]) => words === null).map(([host]) => host);
  if (allowed.length > 0) return allowed;
  return no(
    'quota',
    beyond.map(([host, words]) => `over the quota on ${host.name}: ${words ?? ''}`).join('; '),
  );
}

/**
 * Gives each person the emptiest GPU among those where they may be. Who finds none takes the place of somebody who can
 * go elsewhere, so that nobody is left out while there is a way to seat them all.
 */
function seatAll(
  wanted: ReadonlyMap<string, readonly HostId[]>,
  places: readonly Place[],
  course: Course,
): ReadonlyMap<string, Place> {
  const seated = new Map<string, Place>();
  const roomier = (a: Place, b: Place): number => b.roomBytes - a.roomBytes || a.rank - b.rank;
  const isFree = (place: Place): boolean => refusalOf(place, course) === null;
  /** `tried`: places that were looked at for this newcomer, each once; it bounds the search. */
  const seat = (person: string, tried: Set<Place>): boolean => {
    const on = wanted.get(person) ?? [];
    const open = places.filter((place) => !tried.has(place) && on.includes(place.host.id));
    const [free] = open.filter(isFree).sort(roomier);
    if (free !== undefined) {
      seated.set(person, free);
      fill(free, course, 1);
      return true;
    }
    for (const place of open) {
      tried.add(place);
      for (const [other] of [...seated].filter(([, at]) => at === place)) {
        if (!seat(other, tried)) continue;
        fill(place, course, -1);
        seated.set(person, place);
        fill(place, course, 1);
        return true;
      }
    }
    return false;
  };
  // Where the way was blocked once it stays blocked: nobody leaves, they only move over.
  const blocked = new Set<string>();
  for (const [person, on] of wanted) {
    const where = on.join(' ');
    if (!blocked.has(where) && !seat(person, new Set())) blocked.add(where);
  }
  return seated;
}

/** What is in the way on each GPU where this person might be: memory, if that alone would help; else the first reason. */
function noRoom(
  person: string,
  hosts: readonly HostSnapshot[],
  places: readonly Place[],
  course: Course,
): Unseated {
  const where = listed(hosts.map((host) => host.name));
  const refusals = places
    .filter((place) => hosts.some((host) => host.id === place.host.id))
    .map((place) => refusalOf(place, course));
  if (refusals.includes(MEMORY)) return { person, kind: 'memory', reason: where };
  return { person, kind: 'place', reason: `${where}: ${refusals[0] ?? 'no GPU there can be cut'}` };
}

/** `9 of 12 fit, 6.0 GiB each. For 3 more 18.0 GiB are missing on lab-a and lab-b.` */
function summaryOf(course: Course, seats: number, unseated: readonly Unseated[]): string {
  const total = course.people.length;
  if (total === 0) return 'Nobody is named yet.';
  const each = `${gibWithUnit(course.memoryLimitBytes)} each`;
  if (unseated.length === 0) return `${total === 1 ? 'One fits' : `All ${String(total)} fit`}, ${each}.`;
  const lacking = new Map<string, { readonly first: Unseated; count: number }>();
  for (const one of unseated) {
    const key = `${one.kind} ${one.reason}`;
    lacking.set(key, { first: one, count: (lacking.get(key)?.count ?? 0) + 1 });
  }
  const parts = [`${String(seats)} of ${String(total)} fit, ${each}.`];
  for (const { first, count } of lacking.values()) {
    const more = `For ${String(count)} ${seats > 0 ? 'more' : count === 1 ? 'person' : 'people'} `;
    if (first.kind === 'memory') {
      const missing = gibWithUnit(count * course.memoryLimitBytes);
      parts.push(`${more}${missing} are missing on ${first.reason}.`);
    } else if (first.kind === 'place') parts.push(`${more}there is no place on ${first.reason}.`);
  }
  return parts.join(' ');
}

const shownReason = (one: Unseated): Unseated =>
  one.kind === 'memory'
    ? { ...one, reason: `no room left on ${one.reason}` }
    : one.kind === 'place'
      ? { ...one, reason: `no place on ${one.reason}` }
      : one;

/** The same course on the same hosts gives the same plan. Hosts in the order given, GPUs by their index. */
export function planCourse(
  course: Course,
  hosts: readonly HostSnapshot[],
  sampleOf: (hostId: HostId) => Sample | null,
): CoursePlan {
  const leftOut: string[] = [];
  const open = hosts.filter((host) => {
    const refusal = editRefusal(host) ?? (host.gpus.length === 0 ? `${host.name} has no GPU.` : null);
    if (refusal !== null) leftOut.push(refusal);
    return refusal === null;
  });
  const places: Place[] = [];
  for (const host of open) {
    for (const gpu of [...host.gpus].sort((a, b) => a.index - b.index)) {
      const refusal = cutRefusal(host, gpu);
      if (refusal === null) places.push(placeOf(host, gpu, sampleOf(host.id), places.length));
      else leftOut.push(`${host.name}, GPU ${String(gpu.index)}: ${refusal}`);
    }
  }
  const allowed = new Map<string, readonly HostSnapshot[]>();
  const refused = new Map<string, Unseated>();
  for (const person of course.people) {
    const found = hostsFor(person, course, open);
    if ('kind' in found) refused.set(person, found);
    else allowed.set(person, found);
  }
  const wanted = new Map([...allowed].map(([person, on]) => [person, on.map((host) => host.id)] as const));
  const seated = seatAll(wanted, places, course);
  for (const [person, on] of allowed) {
    if (!seated.has(person)) refused.set(person, noRoom(person, on, places, course));
  }
  const seats = course.people.flatMap((person): Seat[] => {
    const place = seated.get(person);
    if (place === undefined) return [];
    return [{ person, sliceName: sliceNameOf(course.name, person), host: place.host, gpu: place.gpu }];
  });
  const unseated = course.people.flatMap((person) => refused.get(person) ?? []);
  return {
    seats,
    unseated: unseated.map(shownReason),
    leftOut,
    summary: summaryOf(course, seats.length, unseated),
  };
}
