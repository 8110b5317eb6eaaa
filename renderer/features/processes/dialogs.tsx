/** The dialogs of this feature, by the kind that opens them. */
import { OfHost } from '../../components/dialog-parts.tsx';
import type { DialogParts } from '../../components/dialog-parts.tsx';
import { StopDialog } from './stop-dialog.tsx';

export const processDialogs = {
  'stop-process': (of) => (
    <OfHost of={of} show={({ host }) => <StopDialog host={host} process={of.process} signal={of.signal} />} />
  ),
} satisfies DialogParts;
