/** The dialogs of this feature, by the kind that opens them. */
import type { DialogParts } from '../../components/dialog-parts.tsx';
import { SaveViewDialog } from './save-view-dialog.tsx';

export const fleetDialogs = {
  'save-view': SaveViewDialog,
} satisfies DialogParts;
