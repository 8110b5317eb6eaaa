/** Who would get which slice of a course, before anything is sent. */
import type { ReactElement } from 'react';
import { gibWithUnit } from '../../../model/units.ts';
import type { Course, CoursePlan } from '../../domain/course.ts';

/** Person, host, GPU, size; who gets none stands first, with the reason in the place of a GPU. */
export function CoursePreview(props: { readonly plan: CoursePlan; readonly course: Course }): ReactElement {
  const { plan, course } = props;
  return (
    <div className="course-plan" role="region" aria-label="Who gets a slice where" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Person</th>
            <th scope="col">Host</th>
            <th scope="col">GPU</th>
            <th scope="col" className="num">
              Memory
            </th>
          </tr>
        </thead>
        <tbody>
          {plan.unseated.map(({ person, reason, kind }) => (
            <tr key={person}>
              <th scope="row" className="cut" title={person}>
                {person}
              </th>
              <td colSpan={3} className={kind === 'has-one' ? 'two' : 'warn'}>
                {reason}
              </td>
            </tr>
          ))}
          {plan.seats.map(({ person, host, gpu, sliceName }) => (
            <tr key={person} title={sliceName}>
              <th scope="row" className="cut">
                {person}
              </th>
              <td className="cut" title={host.name}>
                {host.name}
              </td>
              <td className="cut" title={gpu.name}>{`GPU ${String(gpu.index)} · ${gpu.name}`}</td>
              <td className="num">{gibWithUnit(course.memoryLimitBytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
