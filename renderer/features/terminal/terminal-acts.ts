/** Why a terminal can not be opened, and the way into the panel and out of it. */
import type { HostSnapshot, Slice } from '../../../model/model.ts';
import { usableSlices } from '../jobs/job-actions.ts';
import { announce, useUi } from '../../store/ui.ts';
import { askFocus, isReachable } from './terminals.ts';

export function terminalRefusal(host: HostSnapshot, slice: Slice): string | null {
  if (!isReachable(host)) return `${host.name} is not connected.`;
  return usableSlices(host).some((one) => one.id === slice.id)
    ? null
    : `${slice.name} belongs to ${slice.owner}: its owner opens terminals in it.`;
}

/** What had the keyboard before a terminal got it. */
let before: HTMLElement | null = null;

const focused = (): HTMLElement | null =>
  document.activeElement instanceof HTMLElement ? document.activeElement : null;

/** Into the terminal, or out of it to where one was. */
export function toggleTerminal(): void {
  const now = focused();
  if (now?.closest('.terminal-screen') != null) {
    const back = before?.isConnected === true ? before : document.getElementById('dock-tab-terminal');
    back?.focus();
    announce('Left the terminal');
    return;
  }
  before = now === document.body ? null : now;
  useUi.setState({ dock: 'terminal', scope: 'host', auditSliceId: null, jobLog: false });
  askFocus();
}
