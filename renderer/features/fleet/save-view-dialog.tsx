/** A name for what is shown of all hosts. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import { Button } from '../../components/bits.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { openDialog, showToast, useUi } from '../../store/ui.ts';
import { saveView, useViews } from '../../store/views.ts';

const close = (): void => openDialog(null);

export function SaveViewDialog(): ReactElement {
  const filter = useUi((s) => s.fleetFilter);
  const views = useViews((s) => s.views);
  const [typed, setTyped] = useState(filter.trim() === '' ? 'My view' : filter.trim().slice(0, 60));
  const name = typed.trim();
  const replaces = views.some((one) => one.name === name);
  const submit = (): void => {
    if (name === '') return;
    saveView(name);
    close();
    showToast(`View “${name}” saved`);
  };
  return (
    <Dialog
      title="Save this view"
      onCancel={close}
      onSubmit={submit}
      actions={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button kind="primary" onClick={submit} refusal={name === '' ? 'Type a name.' : null}>
            Save view
          </Button>
        </>
      }
    >
      <label className="field">
        <span>Name</span>
        <span className="in">
          <input
            data-first-focus
            maxLength={60}
            value={typed}
            onFocus={(event) => event.target.select()}
            onChange={(event) => setTyped(event.target.value)}
          />
        </span>
      </label>
      <p className="small two hold" role="status">
        {replaces
          ? 'Replaces the view of this name.'
          : 'Filter, grouping, kind of view and columns are kept.'}
      </p>
    </Dialog>
  );
}
