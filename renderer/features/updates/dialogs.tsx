/** The dialogs of this feature, by the kind that opens them. */
import type { DialogParts } from '../../components/dialog-parts.tsx';
import { UpdateDialog } from './update-dialog.tsx';

export const updateDialogs = {
  update: UpdateDialog,
} satisfies DialogParts;
