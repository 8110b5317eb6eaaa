/** Rename and delete. Deleting an empty slice is not asked about: Undo brings it back. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { ProcessSample } from '../../../model/sample.ts';
import type { Slice } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { nameProblem } from '../../domain/slice-edits.ts';
import { closeDialog } from '../../store/ui.ts';
import { AskDialog, FormDialog, Verdict } from '../../components/dialog.tsx';
import { TypedField } from '../../components/field.tsx';
import { ProcessList, peopleIn } from '../../components/process-list.tsx';
import { deleteSlice, renameSlice } from '../../acts/slices.ts';

export function RenameDialog(props: { readonly host: HostSnapshot; readonly slice: Slice }): ReactElement {
  const { host, slice } = props;
  const [name, setName] = useState(slice.name);
  const taken = host.slices.some((other) => other.id !== slice.id && other.name === name);
  const problem = nameProblem(name) ?? (taken ? `${host.name} has a slice called ${name} already.` : null);
  const submit = (): void => {
    closeDialog();
    if (name !== slice.name) void renameSlice(host, slice, name);
  };
  return (
    <FormDialog
      title={`Rename ${slice.name}`}
      onCancel={closeDialog}
      verb="Rename"
      onSubmit={submit}
      refusal={problem}
    >
      <TypedField label="Name" value={name} onType={setName} more={{ 'data-first-focus': true }} />
      <Verdict problem={problem} />
    </FormDialog>
  );
}

export function DeleteDialog(props: {
  readonly host: HostSnapshot;
  readonly slice: Slice;
  readonly processes: readonly ProcessSample[];
}): ReactElement {
  const { host, slice, processes } = props;
  const submit = (): void => {
    closeDialog();
    void deleteSlice(host, slice, processes.length > 0);
  };
  const count = processes.length;
  return (
    <AskDialog
      title={`Delete ${slice.name}?`}
      onCancel={closeDialog}
      verb={
        count === 0 ? 'Delete' : `Delete with ${String(count)} ${count === 1 ? 'process' : 'processes'} in it`
      }
      onSubmit={submit}
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
    </AskDialog>
  );
}
