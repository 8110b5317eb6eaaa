/** What is typed in the sheet for a course, and the course it means. Pure; the clock comes in. */
import { parseBytes, parsePercent } from '../../../model/units.ts';
import { COURSE_PEOPLE_MAX, parsePeople } from '../../domain/course.ts';
import type { Course, CoursePlan } from '../../domain/course.ts';
import { nameProblem } from '../../domain/slice-edits.ts';
import { untilChoices } from '../../domain/until.ts';
import { fromLocalInput } from '../../domain/when.ts';
import type { CourseTemplate } from '../../store/courses.ts';

export const OTHER_TIME = 'other';

export const NO_COURSE: CourseTemplate = {
  name: '',
  people: '',
  memory: '6',
  limit: '100',
  guarantee: '0',
  until: 'none',
  untilAt: '',
  overcommit: false,
};

/** The first thing that is wrong, in the order of the fields; else the course. */
export function readCourse(typed: CourseTemplate, now: Date): Course | string {
  const name = typed.name.trim();
  const people = parsePeople(typed.people);
  const memory = parseBytes(typed.memory, 'g');
  const limit = parsePercent(typed.limit);
  const guarantee = parsePercent(typed.guarantee);
  if (name === '') return 'Name the course: its slices are called NAME-PERSON.';
  const badName = nameProblem(name);
  if (badName !== null) return badName;
  if (!memory.ok) return memory.message;
  if (!limit.ok) return limit.message;
  if (!guarantee.ok) return guarantee.message;
  if (guarantee.value > limit.value) return 'The guarantee is above the GPU time limit.';
  if (people.length > COURSE_PEOPLE_MAX) {
    return `${String(people.length)} people are named; ${String(COURSE_PEOPLE_MAX)} at a time is the most that one Undo takes back.`;
  }
  const choice = untilChoices(now).find(({ key }) => key === typed.until);
  const expiresAtMs = choice === undefined ? fromLocalInput(typed.untilAt) : choice.atMs;
  if (choice === undefined && expiresAtMs === null) return 'Choose a day and a time for the end.';
  if (expiresAtMs !== null && expiresAtMs <= now.getTime())
    return 'The end has passed already: choose another.';
  return {
    name,
    people,
    memoryLimitBytes: memory.value,
    computeLimitPercent: limit.value,
    computeGuaranteePercent: guarantee.value,
    expiresAtMs,
    overcommit: typed.overcommit,
  };
}

/** Why a course that was typed right still cannot be cut; null when it can. */
export function courseRefusal(course: Course, hostCount: number, plan: CoursePlan | null): string | null {
  if (hostCount === 0) return 'Choose a host.';
  if (course.people.length === 0) return 'Name the people, or take all of the hosts.';
  return plan?.seats.length === 0 ? plan.summary : null;
}
