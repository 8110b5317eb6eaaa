import { describe, expect, it } from 'vitest';
import { NO_COURSE, courseRefusal, readCourse } from '../../renderer/features/slices/course-form.ts';
import { listed, parsePeople, planCourse } from '../../renderer/domain/course.ts';
import type { Course, CoursePlan } from '../../renderer/domain/course.ts';
import type { Gpu } from '../../model/gpu.ts';
import type { Sample } from '../../model/sample.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { GIB } from '../../model/units.ts';
import { gpu, host, live, slice } from '../fakes/fake-hosts.ts';

/** The best of three: some 15 ms, and 230 ms when ways that were blocked are tried for each person anew. */
const SEARCH_MS = 120;
const TWELVE = Array.from({ length: 12 }, (_, i) => `s${String(i + 1).padStart(2, '0')}`);

/** A host with one GPU for each number of GiB; everybody of `people` has a login there. */
function lab(
  name: string,
  sizes: readonly number[],
  people: readonly string[] = TWELVE,
  more: Partial<HostSnapshot> & {
    readonly gpu?: Partial<Gpu>;
    readonly slices?: readonly Slice[];
  } = {},
): HostSnapshot {
  const { gpu: gpuMore, ...hostMore } = more;
  const gpus = sizes.map((gib, i) => gpu(name, i, 'NVIDIA L40S', gib * 1024, gpuMore));
  return host(name, live(name), gpus, [], {
    people: people.map((person, i) => ({ name: person, uid: 1000 + i, source: 'login', quota: null })),
    ...hostMore,
  });
}

const course = (more: Partial<Course> = {}): Course => ({
  name: 'ml',
  people: TWELVE,
  memoryLimitBytes: 6 * GIB,
  computeLimitPercent: 100,
  computeGuaranteePercent: 0,
  expiresAtMs: null,
  overcommit: false,
  ...more,
});
const plan = (more: Partial<Course>, hosts: readonly HostSnapshot[]): CoursePlan =>
  planCourse(course(more), hosts, () => null);
/** `lab-a/0: s01 s03`, in the order of hosts and GPUs. */
const seating = ({ seats }: CoursePlan): readonly string[] => {
  const places = new Map<string, string[]>();
  for (const { person, host: on, gpu: of } of seats) {
    const key = `${on.name}/${String(of.index)}`;
    places.set(key, [...(places.get(key) ?? []), person]);
  }
  return [...places].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, who]) => `${key}: ${who.join(' ')}`);
};
const refusals = ({ unseated }: CoursePlan): readonly string[] =>
  unseated.map(({ person, kind, reason }) => `${person} ${kind}: ${reason}`);
const fixed = (of: HostSnapshot, name: string, gib: number, guarantee = 0): Slice => {
  const [first] = of.gpus;
  if (first === undefined) throw new Error('no GPU');
  return slice(first, name, 'other', gib, 100, guarantee);
};

describe('planCourse', () => {
  it('spreads twelve over two boxes evenly, and the same each time', () => {
    const hosts = [lab('lab-a', [48]), lab('lab-b', [48])];
    const first = plan({}, hosts);
    expect(seating(first)).toEqual(['lab-a/0: s01 s03 s05 s07 s09 s11', 'lab-b/0: s02 s04 s06 s08 s10 s12']);
    expect(first.summary).toBe('All 12 fit, 6.0 GiB each.');
    expect(first.seats[0]?.sliceName).toBe('ml-s01');
    expect(seating(plan({}, hosts))).toEqual(seating(first));
  });

  it('says how much is missing where', () => {
    const got = plan({}, [lab('lab-a', [32]), lab('lab-b', [24])]);
    expect(got.summary).toBe(
      '9 of 12 fit, 6.0 GiB each. For 3 more 18.0 GiB are missing on lab-a and lab-b.',
    );
    expect(refusals(got)).toEqual(
      ['s10', 's11', 's12'].map((who) => `${who} memory: no room left on lab-a and lab-b`),
    );
  });

  it('counts what slices and programs outside of them hold', () => {
    const box = lab('lab-a', [24], ['s01', 's02', 's03']);
    const taken = { ...box, slices: [fixed(box, 'old', 8)] };
    const three = { people: ['s01', 's02', 's03'] };
    expect(plan(three, [taken]).seats).toHaveLength(2);
    const [of] = box.gpus;
    const sample = { gpus: [{ uuid: of?.uuid, unmanagedBytes: 6 * GIB }], slices: [] } as unknown as Sample;
    expect(planCourse(course(three), [taken], () => sample).seats).toHaveLength(1);
  });

  it.each([
    // No guard: as many as are named; a guard: 24 GiB × 160 % hold six of six GiB; without the wish: four.
    [true, null, 12],
    [true, 160, 6],
    [true, 100, 4],
    [false, null, 4],
    [false, 160, 4],
  ])('beyond what is free: wanted %s, guard %s: %d fit', (overcommit, guard, fit) => {
    const got = plan({ overcommit }, [lab('lab-a', [24], TWELVE, { memoryOvercommitMaxPercent: guard })]);
    expect(got.seats).toHaveLength(fit);
    if (overcommit && fit < 12) expect(got.summary).toContain('more than this host allows');
  });

  it('promises no more than all of a GPU', () => {
    const box = lab('lab-a', [96]);
    const got = plan({ computeGuaranteePercent: 20 }, [{ ...box, slices: [fixed(box, 'old', 1, 30)] }]);
    expect(got.seats).toHaveLength(3);
    expect(got.summary).toBe(
      '3 of 12 fit, 6.0 GiB each. For 9 more there is no place on lab-a: more than 100 % of GPU time would be promised.',
    );
  });

  it('holds to quotas, and says whose', () => {
    const quotas = [{ subject: 's02', memoryBytesMax: 5 * GIB, slicesMax: null }];
    const a = lab('lab-a', [48], TWELVE, { quotas });
    expect(refusals(plan({ people: ['s01', 's02'] }, [a]))).toEqual([
      's02 quota: over the quota on lab-a: s02 would hold 6.0 of 5.0 GiB',
    ]);
    // Where another host has no such quota, that is the place.
    expect(seating(plan({ people: ['s01', 's02'] }, [a, lab('lab-b', [8])]))).toEqual([
      'lab-a/0: s01',
      'lab-b/0: s02',
    ]);
  });

  it('puts people only where they have a login', () => {
    const got = plan({ people: ['ann', 'ben', 'eve'] }, [
      lab('lab-a', [12], ['ann']),
      lab('lab-b', [12], ['ben']),
    ]);
    expect(seating(got)).toEqual(['lab-a/0: ann', 'lab-b/0: ben']);
    expect(refusals(got)).toEqual(['eve unknown: is not among the people of lab-a or lab-b']);
  });

  it('makes room for who can be nowhere else', () => {
    // Everybody goes to the emptier lab-a first; ben and cy can only be there.
    const got = plan({ people: ['ann', 'dan', 'ben', 'cy'] }, [
      lab('lab-a', [13], ['ann', 'ben', 'cy', 'dan']),
      lab('lab-b', [12], ['ann', 'dan']),
    ]);
    expect(got.unseated).toEqual([]);
    expect(seating(got)).toEqual(['lab-a/0: ben cy', 'lab-b/0: ann dan']);
  });

  it('leaves who has one as they are', () => {
    const a = lab('lab-a', [48]);
    const again = { ...a, slices: [fixed(a, 'ml-s01', 6)] };
    const got = plan({ people: ['s01', 's02'] }, [lab('lab-b', [96]), again]);
    expect(refusals(got)).toEqual(['s01 has-one: has ml-s01 on lab-a already']);
    expect(seating(got)).toEqual(['lab-b/0: s02']);
  });

  it('refuses a name that the agent would refuse', () => {
    const got = plan({ people: ['dom\\ann'] }, [lab('lab-a', [48], ['dom\\ann'])]);
    expect(refusals(got)[0]).toMatch(
      /^dom\\ann name: the slice could not be called ml-…: A name has letters/,
    );
  });

  it('leaves out what cannot be cut, with the reason', () => {
    const mig = lab('lab-a', [48], TWELVE, { gpu: { partitioned: true } });
    const away = { ...lab('lab-b', [48]), connection: { kind: 'disconnected' } as const };
    const foreign = { ...lab('lab-c', [48]), connection: live('lab-c', { verbs: ['look'] }) };
    const got = plan({ people: ['s01'] }, [mig, away, foreign, lab('lab-d', [])]);
    expect(got.leftOut).toEqual([
      'lab-b is not connected.',
      'Only mira and the operators they named change slices on lab-c.',
      'lab-d has no GPU.',
      'lab-a, GPU 0: This GPU is cut by the hardware (MIG): slices are not cut from it.',
    ]);
    expect(got.seats).toEqual([]);
    expect(got.summary).toBe(
      '0 of 1 fit, 6.0 GiB each. For 1 person there is no place on lab-a: no GPU there can be cut.',
    );
  });

  it('with no host has nobody, with nobody has nothing', () => {
    expect(refusals(plan({ people: ['s01'] }, []))).toEqual([
      's01 unknown: has no host: none is chosen that can be cut',
    ]);
    expect(plan({ people: [] }, [lab('lab-a', [48])])).toMatchObject({
      seats: [],
      unseated: [],
      summary: 'Nobody is named yet.',
    });
  });

  it('seats a hundred on many hosts without looking for long', () => {
    const people = Array.from({ length: 100 }, (_, i) => `p${String(i)}`);
    const hosts = Array.from({ length: 20 }, (_, i) => lab(`n${String(i)}`, [6, 6, 6, 6], people));
    expect(plan({ people }, hosts).seats).toHaveLength(80);
    // One more box that nobody may use: every way to move over is looked for, and there is none.
    const most = [...hosts, lab('other', [96], [])];
    const took = [1, 2, 3].map(() => {
      const before = performance.now();
      expect(plan({ people }, most).seats).toHaveLength(80);
      return performance.now() - before;
    });
    expect(Math.min(...took)).toBeLessThan(SEARCH_MS);
  });
});

describe('the form', () => {
  const now = new Date(2026, 8, 7, 12);
  const read = (change: object) => readCourse({ ...NO_COURSE, name: 'ml', people: 'a', ...change }, now);
  it('reads people however they were pasted', () => {
    expect(parsePeople('ann, ben\n chris;ann\t\n')).toEqual(['ann', 'ben', 'chris']);
    expect(parsePeople(' ')).toEqual([]);
  });
  it('reads a course', () => {
    expect(read({ until: 'other', untilAt: '2027-02-01T18:00' })).toEqual({
      ...course({ people: ['a'] }),
      expiresAtMs: new Date(2027, 1, 1, 18).getTime(),
    });
  });
  it.each([
    [{ name: '' }, 'Name the course'],
    [{ name: 'a b' }, 'A name has letters'],
    [{ memory: '6GB' }, 'not a unit'],
    [{ limit: '101' }, 'not a share'],
    [{ limit: '10', guarantee: '20' }, 'above the GPU time limit'],
    [{ people: Array.from({ length: 101 }, (_, i) => `p${String(i)}`).join(' ') }, '101 people'],
    [{ until: 'other' }, 'Choose a day'],
    // The end of last term, as the template has it.
    [{ until: 'other', untilAt: '2026-02-01T18:00' }, 'passed already'],
  ])('%j is refused: %s', (change, words) => {
    const got = read(change);
    expect(typeof got === 'string' ? got : 'read').toContain(words);
  });
  it('lists names as a sentence does', () => {
    expect([listed([]), listed(['a']), listed(['a', 'b']), listed(['a', 'b', 'c'], 'or')]).toEqual([
      '',
      'a',
      'a and b',
      'a, b or c',
    ]);
  });
});

describe('a course that was typed right', () => {
  const full = lab('lab-a', [4]);
  it('is refused without a host, without people and without a place, in this order', () => {
    expect(courseRefusal(course({ people: [] }), 0, plan({ people: [] }, []))).toBe('Choose a host.');
    expect(courseRefusal(course({ people: [] }), 1, plan({ people: [] }, [full]))).toMatch(
      /^Name the people/,
    );
    const nowhere = plan({}, [full]);
    expect(courseRefusal(course(), 1, nowhere)).toBe(nowhere.summary);
    expect(courseRefusal(course(), 1, plan({}, [lab('lab-b', [80])]))).toBeNull();
  });
});
