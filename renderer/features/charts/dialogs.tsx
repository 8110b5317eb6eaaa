/** The dialogs of this feature, by the kind that opens them. */
import type { DialogParts } from '../../components/dialog-parts.tsx';
import { PointsDialog } from './points-dialog.tsx';

export const chartDialogs = {
  points: PointsDialog,
} satisfies DialogParts;
