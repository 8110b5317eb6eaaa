/** Back to the version of the agent before: it is asked what it is first, and what stays is said. */
import { useEffect, useState } from 'react';
import type { ReactElement } from 'react';
import type { Result } from '../../../model/errors.ts';
import type { HostSnapshot, VersionFacts } from '../../../model/model.ts';
import { versionOf } from '../../domain/agent-version.ts';
import { request, sayFailure } from '../../store/ask.ts';
import { closeDialog, showToast } from '../../store/ui.ts';
import { AskDialog, Verdict } from '../../components/dialog.tsx';

async function rollBack(host: HostSnapshot, version: string): Promise<void> {
  closeDialog();
  const result = await request('host:roll-back', { hostId: host.id, version });
  if (result.ok) showToast(`${host.name} runs agent ${versionOf(version)} again`);
  else sayFailure(result.error);
}

export function RollBackDialog(props: {
  readonly host: HostSnapshot;
  readonly version: string;
}): ReactElement {
  const { host, version } = props;
  const [checked, setChecked] = useState<Result<VersionFacts> | null>(null);
  useEffect(() => {
    let isShown = true;
    void request('host:check-version', { hostId: host.id, version }).then((result) => {
      if (isShown) setChecked(result);
    });
    return () => {
      isShown = false;
    };
  }, [host.id, version]);
  const problem =
    checked === null
      ? `Asking agent ${versionOf(version)} on ${host.name} what it is…`
      : checked.ok
        ? checked.value.refusal
        : checked.error.message;
  const facts = checked?.ok === true ? checked.value : null;
  const wrong = checked !== null && problem !== null;
  return (
    <AskDialog
      title={`Go back to agent ${versionOf(version)} on ${host.name}?`}
      onCancel={closeDialog}
      verb="Go back"
      onSubmit={() => void rollBack(host, version)}
      refusal={problem}
    >
      <p>
        The agent ends and the earlier one takes its place. Slices, owners, history and audit stay; programs
        go on with the limits that they have. What only the newer version knows is not held meanwhile; it is
        there again after an upgrade.
      </p>
      <Verdict tone={wrong ? 'bad' : 'two'}>
        {problem ??
          `It speaks protocol ${String(facts?.protocol ?? '—')} and reads slices in format ${String(facts?.stateFormat ?? '—')}, as they are written now. If it does not start, the version of now runs again.`}
      </Verdict>
    </AskDialog>
  );
}
