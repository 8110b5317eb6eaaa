/** Rename and delete. Deleting an empty slice is not asked about: Undo brings it back. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { HostSnapshot, ProcessSample, Slice } from '../../../model/model.ts';
import { Button } from '../../components/bits.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { shownSample } from '../../store/series.ts';
import { openDialog } from '../../store/ui.ts';
import { ProcessList, peopleIn } from './process-list.tsx';
import { deleteSlice, nameProblem, renameSlice } from './slice-actions.ts';

const close = (): void => openDialog(null);

export function RenameDialog(props: { readonly host: HostSnapshot; readonly slice: Slice }): ReactElement {
  const { host, slice } = props;
  const [name, setName] = useState(slice.name);
  const taken = host.slices.some((other) => other.id !== slice.id && other.name === name);
  const problem = nameProblem(name) ?? (taken ? `${host.name} has a slice called ${name} already.` : null);
  const submit = (): void => {
    if (problem !== null) return;
    close();
    if (name !== slice.name) void renameSlice(host, slice, name);
  };
  return (
    <Dialog
      title={`Rename ${slice.name}`}
      onCancel={close}
      onSubmit={submit}
      actions={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button kind="primary" onClick={submit} refusal={problem}>
            Rename
          </Button>
        </>
      }
    >
      <label className="field">
        <span>Name</span>
        <span className="in">
          <input
            data-first-focus
            value={name}
            onFocus={(event) => event.target.select()}
            onChange={(event) => setName(event.target.value)}
          />
        </span>
      </label>
      <p className="small bad hold" role="status">
        {problem}
      </p>
    </Dialog>
  );
}

/** Empty: deleted at once, with Undo. Somebody runs in it: asked first, with names. */
export function requestDelete(host: HostSnapshot, slice: Slice): void {
  const busy = shownSample(host.id)?.processes.some((process) => process.sliceId === slice.id) ?? false;
  if (busy) openDialog({ kind: 'delete-slice', hostId: host.id, sliceId: slice.id });
  else void deleteSlice(host, slice, false);
}

export function DeleteDialog(props: {
  readonly host: HostSnapshot;
  readonly slice: Slice;
  readonly processes: readonly ProcessSample[];
}): ReactElement {
  const { host, slice, processes } = props;
  const submit = (): void => {
    close();
    void deleteSlice(host, slice, processes.length > 0);
  };
  const count = processes.length;
  return (
    <Dialog
      title={`Delete ${slice.name}?`}
      onCancel={close}
      onSubmit={close}
      actions={
        <>
          <Button onClick={close} autoFocus>
            Cancel
          </Button>
          <Button kind="danger" onClick={submit}>
            {count === 0
              ? 'Delete'
              : `Delete with ${String(count)} ${count === 1 ? 'process' : 'processes'} in it`}
          </Button>
        </>
      }
    >
      {count > 0 && (
        <>
          <p>
            {count === 1 ? 'One process runs' : `${String(count)} processes run`} in it, of{' '}
            {peopleIn(processes)}:
          </p>
          <ProcessList processes={processes} />
        </>
      )}
      <p className="small two">The slice can be brought back with Undo; its limits and owner are kept.</p>
    </Dialog>
  );
}
