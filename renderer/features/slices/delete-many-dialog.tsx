/** Several slices at once: asked about always, because one key should not take away what five people use. */
import type { ReactElement } from 'react';
import { gibWithUnit } from '../../../model/units.ts';
import type { Picked } from '../../store/dialogs.ts';
import { useHostSlices } from '../../store/host-slices.ts';
import { shownSample } from '../../store/series.ts';
import { closeDialog } from '../../store/ui.ts';
import { AskDialog } from '../../components/dialog.tsx';
import { ProcessList, peopleIn } from '../../components/process-list.tsx';
import { deleteSlices } from '../../acts/slices.ts';

export function DeleteManyDialog({ slices }: { readonly slices: readonly Picked[] }): ReactElement {
  const found = useHostSlices(slices);
  const processes = found.flatMap(
    ({ host, slice }) => shownSample(host.id)?.processes.filter((p) => p.sliceId === slice.id) ?? [],
  );
  const submit = (): void => {
    closeDialog();
    void deleteSlices(found, processes.length > 0);
  };
  const count = String(found.length);
  return (
    <AskDialog
      title={`Delete ${count} slices?`}
      onCancel={closeDialog}
      verb={`Delete ${count} slices`}
      onSubmit={submit}
    >
      <ul className="plain-list">
        {found.map(({ host, slice }) => (
          <li key={`${host.id} ${slice.id}`} className="small">
            {slice.name}, {slice.owner}, {gibWithUnit(slice.memoryLimitBytes)} on {host.name}
          </li>
        ))}
      </ul>
      {processes.length > 0 && (
        <>
          <p>
            {processes.length === 1 ? 'A process' : `${String(processes.length)} processes`} of{' '}
            {peopleIn(processes)} {processes.length === 1 ? 'runs' : 'run'} in them and will be given nothing
            more:
          </p>
          <ProcessList processes={processes} />
        </>
      )}
      <p className="small two">Undo brings all of them back, with their limits and owners.</p>
    </AskDialog>
  );
}
