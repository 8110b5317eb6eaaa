/** Courses that were cut before, as they were typed, so that next term it is one choice. Kept on this computer. */
import { z } from 'zod';
import { create } from 'zustand';
import { readStored, writeStored } from './stored.ts';

const STORE_KEY = 'tranche.courses';
export const COURSES_MAX = 20;

const template = z.object({
  name: z.string().min(1).max(40),
  people: z.string().max(8000),
  memory: z.string().max(20),
  limit: z.string().max(20),
  guarantee: z.string().max(20),
  /** The key of one of the ends that people mean, or `other` with the day in `untilAt`. */
  until: z.string().max(20),
  /** As a `datetime-local` box holds it. */
  untilAt: z.string().max(20),
  overcommit: z.boolean(),
});
export type CourseTemplate = z.infer<typeof template>;

export const useCourses = create<{ readonly courses: readonly CourseTemplate[] }>(() => ({
  courses: readStored(STORE_KEY, z.array(template).max(COURSES_MAX), []),
}));

function put(courses: readonly CourseTemplate[]): void {
  useCourses.setState({ courses });
  writeStored(STORE_KEY, courses);
}

/** One of the same name is replaced; beyond the cap the oldest goes. */
export function keepCourse(course: CourseTemplate): void {
  const others = useCourses.getState().courses.filter((one) => one.name !== course.name);
  put([...others, course].slice(-COURSES_MAX));
}

export const forgetCourse = (name: string): void =>
  put(useCourses.getState().courses.filter((one) => one.name !== name));
