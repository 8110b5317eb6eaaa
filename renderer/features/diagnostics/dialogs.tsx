/** The dialogs of this feature, by the kind that opens them. */
import type { DialogParts } from '../../components/dialog-parts.tsx';
import { DiagnosticsDialog } from './diagnostics-dialog.tsx';

export const diagnosticsDialogs = {
  diagnostics: DiagnosticsDialog,
} satisfies DialogParts;
