/** The dialogs of this feature, by the kind that opens them. */
import type { DialogParts } from '../../components/dialog-parts.tsx';
import { SettingsSheet } from './settings-sheet.tsx';

export const settingsDialogs = {
  settings: SettingsSheet,
} satisfies DialogParts;
