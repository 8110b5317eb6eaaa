/** Cut for a course: a slice of one size for each of many people, shown person by person before anything is sent. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { HostId } from '../../../model/model.ts';
import { gibWithUnit } from '../../../model/units.ts';
import { parsePeople, planCourse } from '../../domain/course.ts';
import type { Course, CoursePlan } from '../../domain/course.ts';
import { editRefusal } from '../../domain/rights.ts';
import { untilChoices } from '../../domain/until.ts';
import { forgetCourse, keepCourse, useCourses } from '../../store/courses.ts';
import type { CourseTemplate } from '../../store/courses.ts';
import { useFleet } from '../../store/fleet.ts';
import { shownSample } from '../../store/series.ts';
import { closeDialog } from '../../store/ui.ts';
import { Button } from '../../components/bits.tsx';
import { FormDialog, Verdict } from '../../components/dialog.tsx';
import { ChoiceField, TypedField, boxesOf } from '../../components/field.tsx';
import { useTick } from '../../components/use-sample.ts';
import { createCourse } from '../../acts/create-course.ts';
import { NO_COURSE, OTHER_TIME, readCourse } from './course-form.ts';

/** Person, host, GPU, size; who gets none stands first, with the reason in the place of a GPU. */
function Preview(props: { readonly plan: CoursePlan; readonly course: Course }): ReactElement {
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

export function CourseSheet(props: { readonly onHostId: HostId | null }): ReactElement {
  const fleet = useFleet((s) => s.hosts);
  const order = useFleet((s) => s.order);
  const templates = useCourses((s) => s.items);
  // Planned anew when a host or its free memory changes: what is shown is what would be sent.
  useTick();
  const hosts = order.flatMap((id) => fleet[id] ?? []).filter((host) => host.connection.kind === 'live');
  const [chosen, setChosen] = useState<readonly HostId[]>(() =>
    props.onHostId !== null
      ? [props.onHostId]
      : hosts.filter((host) => editRefusal(host) === null && host.gpus.length > 0).map((host) => host.id),
  );
  const [typed, setTyped] = useState<CourseTemplate>(NO_COURSE);
  const put = (change: Partial<CourseTemplate>): void => setTyped((now) => ({ ...now, ...change }));
  const course = readCourse(typed, new Date());
  const on = hosts.filter((host) => chosen.includes(host.id));
  const plan = typeof course === 'string' ? null : planCourse(course, on, shownSample);
  const names = [...new Set(on.flatMap((host) => host.people.map(({ name }) => name)))].sort();
  const named = parsePeople(typed.people);
  const refusal =
    typeof course === 'string'
      ? course
      : on.length === 0
        ? 'Choose a host.'
        : course.people.length === 0
          ? 'Name the people, or take all of the hosts.'
          : plan?.seats.length === 0
            ? plan.summary
            : null;
  // An empty sheet is not wrong yet.
  const isWrong = refusal !== null && (typed.name !== '' || typed.people !== '');
  const isShort = plan !== null && plan.unseated.length > 0;
  const submit = (): void => {
    if (refusal !== null || typeof course === 'string' || plan === null) return;
    closeDialog();
    void createCourse(course, plan.seats).then((made) => {
      if (made > 0) keepCourse({ ...typed, name: course.name });
    });
  };
  const box = boxesOf(typed, put);
  const template = templates.find((one) => one.name === typed.name);
  const count = plan?.seats.length ?? 0;
  return (
    <FormDialog
      title="Cut for a course"
      wide
      onCancel={closeDialog}
      verb={count === 0 ? 'Create slices' : `Create ${String(count)} ${count === 1 ? 'slice' : 'slices'}`}
      onSubmit={submit}
      refusal={refusal}
    >
      {templates.length > 0 && (
        <div className="course-template">
          <ChoiceField
            label="As before"
            value={template?.name ?? ''}
            choices={[
              ['', 'A new course'],
              ...templates.map(
                ({ name, people, memory }) =>
                  [name, `${name} · ${String(parsePeople(people).length)} × ${memory} GiB`] as const,
              ),
            ]}
            onPick={(name) => setTyped(templates.find((one) => one.name === name) ?? NO_COURSE)}
          />
          <Button
            onClick={() => {
              if (template !== undefined) forgetCourse(template.name);
            }}
            refusal={template === undefined ? 'Choose a course from before first.' : null}
          >
            Forget
          </Button>
        </div>
      )}
      <div className="fields">
        {box('Course', 'name', '', { 'data-first-focus': true, placeholder: 'ml-course', maxLength: 40 })}
        {box('Memory limit each', 'memory', 'GiB', { maxLength: 20 })}
        {box('GPU time limit each', 'limit', '%', { maxLength: 20 })}
        {box('Guaranteed GPU time', 'guarantee', '%', { maxLength: 20 })}
        <ChoiceField
          label="Until"
          value={typed.until}
          choices={[
            ...untilChoices(new Date()).map(({ key, label }) => [key, label] as const),
            [OTHER_TIME, 'Another time'],
          ]}
          onPick={(until) => put({ until })}
        />
        {typed.until === OTHER_TIME && (
          <TypedField
            label="Ends, in the time of this computer"
            value={typed.untilAt}
            onType={(untilAt) => put({ untilAt })}
            selects={false}
            more={{ type: 'datetime-local' }}
          />
        )}
      </div>
      <fieldset className="course-hosts">
        <legend className="small two">On these hosts</legend>
        {hosts.map((host) => {
          const uncut = editRefusal(host) ?? (host.gpus.length === 0 ? `${host.name} has no GPU.` : null);
          return (
            <label key={host.id} className="check" title={uncut ?? host.name}>
              <input
                type="checkbox"
                checked={chosen.includes(host.id)}
                disabled={uncut !== null}
                onChange={(event) =>
                  setChosen(
                    event.target.checked ? [...chosen, host.id] : chosen.filter((id) => id !== host.id),
                  )
                }
              />
              <span className="cut">{host.name}</span>
            </label>
          );
        })}
      </fieldset>
      <label
        className="check course-more"
        title="Limits may add up to more than a GPU has, as far as its host allows. Whoever allocates first gets it."
      >
        <input
          type="checkbox"
          checked={typed.overcommit}
          onChange={(event) => put({ overcommit: event.target.checked })}
        />
        <span>More than is free, if the host allows it</span>
      </label>
      <label className="field">
        <span>People: user names, one a line or with commas</span>
        <span className="in area">
          <textarea
            className="mono"
            rows={3}
            maxLength={8000}
            spellCheck={false}
            value={typed.people}
            placeholder="ann, ben, chris"
            onChange={(event) => put({ people: event.target.value })}
          />
        </span>
      </label>
      <div className="course-people">
        <Button
          tight
          refusal={names.length === 0 ? 'The hosts that are chosen name nobody.' : null}
          onClick={() => put({ people: names.join(', ') })}
        >
          {`Take all ${String(names.length)} of these hosts`}
        </Button>
        <span className="small two">{`${String(named.length)} named`}</span>
      </div>
      {plan !== null && typeof course !== 'string' && course.people.length > 0 && (
        <Preview plan={plan} course={course} />
      )}
      <Verdict tone={isWrong ? 'bad' : isShort ? 'warn' : 'two'}>
        {refusal ?? plan?.summary}
        {plan !== null && plan.leftOut.length > 0 && ` Left out: ${plan.leftOut.join(' ')}`}
      </Verdict>
    </FormDialog>
  );
}
