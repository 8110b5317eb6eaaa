/** A program runs in it: what would end is said first, and Keep has the focus. */
import type { ReactElement } from 'react';
import type { HostSnapshot } from '../../../model/model.ts';
import { useTerminals } from '../../store/terminals.ts';
import { closeDialog } from '../../store/ui.ts';
import { AskDialog } from '../../components/dialog.tsx';
import { closeTerminal } from '../../acts/terminals.ts';

export function CloseTerminalDialog(props: {
  readonly host: HostSnapshot;
  readonly terminalId: string;
  readonly message: string;
}): ReactElement | null {
  const { host, terminalId, message } = props;
  const tab = useTerminals((s) => s.tabs.find((one) => one.terminalId === terminalId));
  if (tab === undefined) return null;
  const slice = host.slices.find((one) => one.id === tab.sliceId);
  return (
    <AskDialog
      title={`Close this terminal in ${slice?.name ?? 'a deleted slice'}?`}
      onCancel={closeDialog}
      keep="Keep it"
      verb="Close and end it"
      onSubmit={() => {
        closeDialog();
        void closeTerminal(tab, true);
      }}
    >
      <p>{message}</p>
      <p className="small two">
        It is told to hang up, and killed after 5 s. To leave it running, keep the terminal: it goes on on{' '}
        {host.name} when this window closes.
      </p>
    </AskDialog>
  );
}
