/** The dialogs of this feature, by the kind that opens them. */
import type { DialogParts } from '../../components/dialog-parts.tsx';
import { KeysSheet } from './keys-sheet.tsx';

export const helpDialogs = {
  keys: KeysSheet,
} satisfies DialogParts;
