/** A name for what is shown of all hosts. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import { FormDialog, Verdict } from '../../components/dialog.tsx';
import { TypedField } from '../../components/field.tsx';
import { closeDialog, showToast, useUi } from '../../store/ui.ts';
import { saveView, useViews } from '../../store/views.ts';

export function SaveViewDialog(): ReactElement {
  const filter = useUi((s) => s.fleetFilter);
  const views = useViews((s) => s.items);
  const [typed, setTyped] = useState(filter.trim() === '' ? 'My view' : filter.trim().slice(0, 60));
  const name = typed.trim();
  const replaces = views.some((one) => one.name === name);
  const submit = (): void => {
    saveView(name);
    closeDialog();
    showToast(`View “${name}” saved`);
  };
  return (
    <FormDialog
      title="Save this view"
      onCancel={closeDialog}
      verb="Save view"
      onSubmit={submit}
      refusal={name === '' ? 'Type a name.' : null}
    >
      <TypedField
        label="Name"
        value={typed}
        onType={setTyped}
        more={{ 'data-first-focus': true, maxLength: 60 }}
      />
      <Verdict>
        {replaces
          ? 'Replaces the view of this name.'
          : 'Filter, grouping, kind of view and columns are kept.'}
      </Verdict>
    </FormDialog>
  );
}
