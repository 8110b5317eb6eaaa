/** What the sheet for a course keeps while it is filled in, and the plan that is made of it. */
import { useState } from 'react';
import type { HostId, HostSnapshot } from '../../../model/model.ts';
import { planCourse } from '../../domain/course.ts';
import type { Course, CoursePlan } from '../../domain/course.ts';
import { editRefusal } from '../../domain/rights.ts';
import { keepCourse } from '../../store/courses.ts';
import type { CourseTemplate } from '../../store/courses.ts';
import { useFleet } from '../../store/fleet.ts';
import { shownSample } from '../../store/series.ts';
import { closeDialog } from '../../store/ui.ts';
import { useTick } from '../../components/use-sample.ts';
import { createCourse } from '../../acts/create-course.ts';
import { NO_COURSE, courseRefusal, readCourse } from './course-form.ts';

export interface CourseForm {
  readonly typed: CourseTemplate;
  readonly put: (change: Partial<CourseTemplate>) => void;
  /** All that answer; those that are chosen get slices. */
  readonly hosts: readonly HostSnapshot[];
  readonly chosen: readonly HostId[];
  readonly choose: (hosts: readonly HostId[]) => void;
  /** Who is known on the hosts that are chosen. */
  readonly names: readonly string[];
  /** null: what is typed is no course yet. */
  readonly course: Course | null;
  readonly plan: CoursePlan | null;
  readonly refusal: string | null;
  readonly tone: 'two' | 'warn' | 'bad';
  readonly submit: () => void;
}

export function useCourse(onHostId: HostId | null): CourseForm {
  const fleet = useFleet((s) => s.hosts);
  const order = useFleet((s) => s.order);
  // Planned anew when a host or its free memory changes: what is shown is what would be sent.
  useTick();
  const hosts = order.flatMap((id) => fleet[id] ?? []).filter((host) => host.connection.kind === 'live');
  const [chosen, choose] = useState<readonly HostId[]>(() =>
    onHostId !== null
      ? [onHostId]
      : hosts.filter((host) => editRefusal(host) === null && host.gpus.length > 0).map((host) => host.id),
  );
  const [typed, setTyped] = useState<CourseTemplate>(NO_COURSE);
  const read = readCourse(typed, new Date());
  const course = typeof read === 'string' ? null : read;
  const on = hosts.filter((host) => chosen.includes(host.id));
  const plan = course === null ? null : planCourse(course, on, shownSample);
  const refusal = typeof read === 'string' ? read : courseRefusal(read, on.length, plan);
  // An empty sheet is not wrong yet.
  const isWrong = refusal !== null && (typed.name !== '' || typed.people !== '');
  const isShort = plan !== null && plan.unseated.length > 0;
  return {
    typed,
    put: (change) => setTyped((now) => ({ ...now, ...change })),
    hosts,
    chosen,
    choose,
    names: [...new Set(on.flatMap((host) => host.people.map(({ name }) => name)))].sort(),
    course,
    plan,
    refusal,
    tone: isWrong ? 'bad' : isShort ? 'warn' : 'two',
    submit() {
      if (refusal !== null || course === null || plan === null) return;
      closeDialog();
      void createCourse(course, plan.seats).then((made) => {
        if (made > 0) keepCourse({ ...typed, name: course.name });
      });
    },
  };
}
