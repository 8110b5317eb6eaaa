/** Several slices at once: asked about always, because one key should not take away what five people use. */
import type { ReactElement } from 'react';
import { useFleet } from '../../store/fleet.ts';
import { shownSample } from '../../store/series.ts';
import { openDialog } from '../../store/ui.ts';
import type { Picked } from '../../store/ui.ts';
import { gibWithUnit } from '../../../model/units.ts';
import { Button } from '../../components/bits.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { ProcessList, peopleIn } from './process-list.tsx';
import { deleteSlices } from './slice-actions.ts';
import type { HostSlice } from './slice-actions.ts';

const close = (): void => openDialog(null);

export function DeleteManyDialog({ slices }: { readonly slices: readonly Picked[] }): ReactElement {
  const hosts = useFleet((s) => s.hosts);
  const found = slices.flatMap(({ hostId, sliceId }): HostSlice[] => {
    const host = hosts[hostId];
    const slice = host?.slices.find((s) => s.id === sliceId);
    return host === undefined || slice === undefined ? [] : [{ host, slice }];
  });
  const processes = found.flatMap(
    ({ host, slice }) => shownSample(host.id)?.processes.filter((p) => p.sliceId === slice.id) ?? [],
  );
  const submit = (): void => {
    close();
    void deleteSlices(found, processes.length > 0);
  };
  const count = String(found.length);
  return (
    <Dialog
      title={`Delete ${count} slices?`}
      onCancel={close}
      onSubmit={close}
      actions={
        <>
          <Button onClick={close} autoFocus>
            Cancel
          </Button>
          <Button kind="danger" onClick={submit}>
            Delete {count} slices
          </Button>
        </>
      }
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
      <p className="small two">Undo brings the slices back, host by host, with their limits and owners.</p>
    </Dialog>
  );
}
