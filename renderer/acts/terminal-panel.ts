/** The way into the panel of terminals and out of it. */
import type { HostId, HostSnapshot } from '../../model/model.ts';
import { usableSlices } from '../domain/job-rights.ts';
import { isReachable, terminalRefusal } from '../domain/terminal-rights.ts';
import { selectedSlice } from '../store/selected.ts';
import { askFocus, useTerminals } from '../store/terminals.ts';
import { announce, openPalette, useUi } from '../store/ui.ts';
import { listTerminals, openTerminal } from './terminals.ts';

/** What had the keyboard before a terminal got it. */
let before: HTMLElement | null = null;

const focused = (): HTMLElement | null =>
  document.activeElement instanceof HTMLElement ? document.activeElement : null;

/** Opening under way, by host: the key pressed again meanwhile opens no second one. */
const opening = new Set<HostId>();

const shellGoesOn = (host: HostSnapshot): boolean =>
  useTerminals.getState().tabs.some((tab) => tab.hostId === host.id && tab.state.kind !== 'ended');

/** A shell in the selected slice. Where none is selected that one may use, in the only one; else it is asked which. */
export function openInSelected(host: HostSnapshot): void {
  const selected = selectedSlice(host);
  const usable = usableSlices(host);
  const only = usable.length === 1 ? usable[0] : undefined;
  const into = selected !== null && terminalRefusal(host, selected) === null ? selected : only;
  if (into !== undefined) {
    opening.add(host.id);
    void openTerminal(host, into).finally(() => opening.delete(host.id));
  } else if (usable.length > 0) openPalette('terminal');
  else askFocus();
}

/** Into the terminal, or out of it to where one was. There is none: one is opened. */
export async function toggleTerminal(host: HostSnapshot): Promise<void> {
  const now = focused();
  if (now?.closest('.terminal-screen') != null) {
    const back = before?.isConnected === true ? before : document.getElementById('dock-tab-terminal');
    back?.focus();
    announce('Left the terminal');
    return;
  }
  before = now === document.body ? null : now;
  useUi.setState({ dock: 'terminal', scope: 'host', auditSliceId: null, jobLog: false });
  if (!isReachable(host)) {
    askFocus();
    return;
  }
  // Opened by an earlier window, maybe: asked before another is added to them.
  if (!shellGoesOn(host) && useTerminals.getState().lists[host.id]?.kind !== 'known') {
    await listTerminals(host.id);
  }
  const ui = useUi.getState();
  const isStillMeant = ui.dock === 'terminal' && ui.scope === 'host' && ui.hostId === host.id;
  if (!isStillMeant || ui.dialog !== null) return;
  const isThere = shellGoesOn(host) || opening.has(host.id);
  if (isThere || useTerminals.getState().lists[host.id]?.kind === 'failed') askFocus();
  else openInSelected(host);
}
