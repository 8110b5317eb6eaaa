/** Courses that were cut before, as they were typed, so that next term it is one choice. Kept on this computer. */
import { z } from 'zod';
import { namedList } from './named-list.ts';

const STORE_KEY = 'tranche.courses';
const COURSES_MAX = 20;

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

const kept = namedList(STORE_KEY, template, COURSES_MAX);
export const useCourses = kept.use;
export const keepCourse: (course: CourseTemplate) => void = kept.keep;
export const forgetCourse: (name: string) => void = kept.forget;
