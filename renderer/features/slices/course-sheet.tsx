/** Cut for a course: a slice of one size for each of many people, shown person by person before anything is sent. */
import type { ReactElement } from 'react';
import type { HostId } from '../../../model/model.ts';
import { closeDialog } from '../../store/ui.ts';
import { FormDialog, Verdict } from '../../components/dialog.tsx';
import { AsBefore, HostFields, PeopleFields, SizeFields } from './course-fields.tsx';
import { CoursePreview } from './course-preview.tsx';
import { useCourse } from './use-course.ts';

export function CourseSheet(props: { readonly onHostId: HostId | null }): ReactElement {
  const form = useCourse(props.onHostId);
  const { course, plan, refusal, tone } = form;
  const count = plan?.seats.length ?? 0;
  return (
    <FormDialog
      title="Cut for a course"
      wide
      onCancel={closeDialog}
      verb={count === 0 ? 'Create slices' : `Create ${String(count)} ${count === 1 ? 'slice' : 'slices'}`}
      onSubmit={form.submit}
      refusal={refusal}
    >
      <AsBefore form={form} />
      <SizeFields form={form} />
      <HostFields form={form} />
      <PeopleFields form={form} />
      {plan !== null && course !== null && course.people.length > 0 && (
        <CoursePreview plan={plan} course={course} />
      )}
      <Verdict tone={tone}>
        {refusal ?? plan?.summary}
        {plan !== null && plan.leftOut.length > 0 && ` Left out: ${plan.leftOut.join(' ')}`}
      </Verdict>
    </FormDialog>
  );
}
