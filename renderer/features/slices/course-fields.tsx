/** The fields of the sheet for a course, in the order in which they are filled in. */
import type { ReactElement } from 'react';
import { parsePeople } from '../../domain/course.ts';
import { editRefusal } from '../../domain/rights.ts';
import { untilChoices } from '../../domain/until.ts';
import { forgetCourse, useCourses } from '../../store/courses.ts';
import { Button } from '../../components/bits.tsx';
import { AreaField, ChoiceField, TypedField, boxesOf } from '../../components/field.tsx';
import { NO_COURSE, OTHER_TIME } from './course-form.ts';
import type { CourseForm } from './use-course.ts';

interface FormProps {
  readonly form: CourseForm;
}

/** A course from before, to be cut again; nothing where there was none. */
export function AsBefore({ form: { typed, put } }: FormProps): ReactElement | null {
  const templates = useCourses((s) => s.items);
  const template = templates.find((one) => one.name === typed.name);
  if (templates.length === 0) return null;
  return (
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
        onPick={(name) => put(templates.find((one) => one.name === name) ?? NO_COURSE)}
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
  );
}

/** Its name, what each gets, and until when. */
export function SizeFields({ form: { typed, put } }: FormProps): ReactElement {
  const box = boxesOf(typed, put);
  return (
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
  );
}

export function HostFields({ form: { typed, put, hosts, chosen, choose } }: FormProps): ReactElement {
  return (
    <>
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
                  choose(event.target.checked ? [...chosen, host.id] : chosen.filter((id) => id !== host.id))
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
    </>
  );
}

export function PeopleFields({ form: { typed, put, names } }: FormProps): ReactElement {
  return (
    <>
      <AreaField
        label="People: user names, one a line or with commas"
        value={typed.people}
        onType={(people) => put({ people })}
        more={{ maxLength: 8000, placeholder: 'ann, ben, chris' }}
      />
      <div className="course-people">
        <Button
          tight
          refusal={names.length === 0 ? 'The hosts that are chosen name nobody.' : null}
          onClick={() => put({ people: names.join(', ') })}
        >
          {`Take all ${String(names.length)} of these hosts`}
        </Button>
        <span className="small two">{`${String(parsePeople(typed.people).length)} named`}</span>
      </div>
    </>
  );
}
