/** The dialogs of this feature, by the kind that opens them. */
import { OfHost } from '../../components/dialog-parts.tsx';
import type { DialogParts } from '../../components/dialog-parts.tsx';
import { ConnectDialog } from './connect-dialog.tsx';
import { RemoveAgentDialog } from './remove-agent-dialog.tsx';
import { RollBackDialog } from './roll-back-dialog.tsx';
import { TagsDialog } from './tags-dialog.tsx';

export const hostDialogs = {
  connect: ConnectDialog,
  'remove-agent': (of) => <OfHost of={of} show={(at) => <RemoveAgentDialog {...at} />} />,
  'roll-back': (of) => (
    <OfHost of={of} show={({ host }) => <RollBackDialog host={host} version={of.version} />} />
  ),
  tags: (of) => <OfHost of={of} show={({ host }) => <TagsDialog host={host} />} />,
} satisfies DialogParts;
