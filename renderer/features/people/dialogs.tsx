/** The dialogs of this feature, by the kind that opens them. */
import { OfHost } from '../../components/dialog-parts.tsx';
import type { DialogParts } from '../../components/dialog-parts.tsx';
import { OverQuotaDialog } from './over-quota-dialog.tsx';
import { QuotaDialog } from './quota-dialog.tsx';

export const peopleDialogs = {
  quota: (of) => <OfHost of={of} show={({ host }) => <QuotaDialog host={host} subject={of.subject} />} />,
  'over-quota': OverQuotaDialog,
} satisfies DialogParts;
