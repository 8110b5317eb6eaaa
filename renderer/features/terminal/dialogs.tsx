/** The dialogs of this feature, by the kind that opens them. */
import { OfHost } from '../../components/dialog-parts.tsx';
import type { DialogParts } from '../../components/dialog-parts.tsx';
import { CloseTerminalDialog } from './close-dialog.tsx';
import { PasteDialog } from './paste-dialog.tsx';

export const terminalDialogs = {
  'close-terminal': (of) => (
    <OfHost
      of={of}
      show={({ host }) => <CloseTerminalDialog host={host} terminalId={of.terminalId} message={of.message} />}
    />
  ),
  'paste-lines': PasteDialog,
} satisfies DialogParts;
