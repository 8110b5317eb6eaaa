/** Removing the agent ends every slice of a host and cannot be undone: who is hit is said, and the name is typed. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { isOver } from '../../domain/job-text.ts';
import { request, sayFailure } from '../../store/ask.ts';
import { useTerminals } from '../../store/terminals.ts';
import { closeDialog, showToast } from '../../store/ui.ts';
import { Button } from '../../components/bits.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { TypedField } from '../../components/field.tsx';
import { ProcessList, peopleIn } from '../../components/process-list.tsx';

async function remove(host: HostSnapshot): Promise<void> {
  closeDialog();
  const result = await request('host:remove-agent', { hostId: host.id });
  if (!result.ok) {
    sayFailure(result.error);
    return;
  }
  const { removed } = result.value;
  showToast(
    removed.length === 0 ? `Nothing was left to remove on ${host.name}` : `Removed: ${removed.join(', ')}`,
  );
}

export function RemoveAgentDialog(props: {
  readonly host: HostSnapshot;
  readonly sample: Sample | null;
}): ReactElement {
  const { host, sample } = props;
  const [typed, setTyped] = useState('');
  const { slices } = host;
  const terminals = useTerminals((s) => s.tabs.filter((tab) => tab.hostId === host.id).length);
  const processes = sample?.processes.filter((process) => process.sliceId !== null) ?? [];
  const jobs = host.jobs?.jobs.filter((job) => !isOver(job)) ?? [];
  // Where slices end, one more step: the name of the host.
  const asksName = slices.length > 0;
  const refusal =
    asksName && typed.trim() !== host.name ? `Type “${host.name}” to remove what others may use.` : null;
  const names = slices
    .slice(0, 6)
    .map((slice) => `${slice.name} of ${slice.owner}`)
    .join(', ');
  return (
    <Dialog
      title={`Remove the agent from ${host.name}?`}
      onCancel={closeDialog}
      onSubmit={() => refusal === null && asksName && void remove(host)}
      actions={
        <>
          <Button onClick={closeDialog} autoFocus={!asksName}>
            Cancel
          </Button>
          <Button kind="danger" refusal={refusal} onClick={() => void remove(host)}>
            Remove agent
          </Button>
        </>
      }
    >
      <p>
        The agent ends and its files are deleted.{' '}
        {asksName
          ? `${String(slices.length)} ${slices.length === 1 ? 'slice ends' : 'slices end'} with it: ${names}${slices.length > 6 ? ' …' : ''}.`
          : 'There are no slices.'}
      </p>
      {processes.length > 0 && (
        <>
          <p>
            {processes.length === 1 ? 'A process' : `${String(processes.length)} processes`} of{' '}
            {peopleIn(processes)} {processes.length === 1 ? 'runs' : 'run'} in them and will go on with the
            limits {processes.length === 1 ? 'it has' : 'they have'}:
          </p>
          <ProcessList processes={processes} />
        </>
      )}
      {jobs.length > 0 && (
        <p>
          {jobs.length === 1 ? 'A job waits or runs' : `${String(jobs.length)} jobs wait or run`}: what waits
          loses its line, what runs goes on, and your logs are deleted.
        </p>
      )}
      {terminals > 0 && (
        <p>
          {terminals === 1 ? 'Your terminal' : `Your ${String(terminals)} terminals`} there will be closed,
          with what runs in front.
        </p>
      )}
      {asksName && (
        <TypedField
          label="Name of the host"
          value={typed}
          onType={setTyped}
          selects={false}
          more={{ 'data-first-focus': true, autoComplete: 'off', spellCheck: false }}
        />
      )}
      <p className="small two">This cannot be undone. What was deleted is listed afterwards.</p>
    </Dialog>
  );
}
