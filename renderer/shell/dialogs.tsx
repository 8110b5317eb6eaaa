/** Whatever dialog is open, at most one: each feature brings its own. */
import type { ReactElement } from 'react';
import type { Dialog, DialogKind } from '../store/dialogs.ts';
import { useUi } from '../store/ui.ts';
import type { DrawDialog } from '../components/dialog-parts.tsx';
import { chartDialogs } from '../features/charts/dialogs.tsx';
import { diagnosticsDialogs } from '../features/diagnostics/dialogs.tsx';
import { fleetDialogs } from '../features/fleet/dialogs.tsx';
import { helpDialogs } from '../features/help/dialogs.tsx';
import { hostDialogs } from '../features/hosts/dialogs.tsx';
import { jobDialogs } from '../features/jobs/dialogs.tsx';
import { peopleDialogs } from '../features/people/dialogs.tsx';
import { processDialogs } from '../features/processes/dialogs.tsx';
import { settingsDialogs } from '../features/settings/dialogs.tsx';
import { sliceDialogs } from '../features/slices/dialogs.tsx';
import { terminalDialogs } from '../features/terminal/dialogs.tsx';
import { updateDialogs } from '../features/updates/dialogs.tsx';

/** A kind that no feature draws is an error of types here. */
const DIALOGS: { readonly [K in DialogKind]: DrawDialog<K> } = {
  ...chartDialogs,
  ...diagnosticsDialogs,
  ...fleetDialogs,
  ...helpDialogs,
  ...hostDialogs,
  ...jobDialogs,
  ...peopleDialogs,
  ...processDialogs,
  ...settingsDialogs,
  ...sliceDialogs,
  ...terminalDialogs,
  ...updateDialogs,
};

export function Dialogs(): ReactElement | null {
  const dialog = useUi((s) => s.dialog);
  if (dialog === null) return null;
  // That a kind and what it is opened with belong together is checked where the map is written.
  const Draw = DIALOGS[dialog.kind] as (args: Dialog) => ReactElement | null;
  return <Draw {...dialog} />;
}
