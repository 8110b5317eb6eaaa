/** Shortcuts of the whole window. Typing in a field and open dialogs come first. */
import { redoLatest, togglePaused, undoLatest } from '../../store/actions.ts';
import { hostById } from '../../store/fleet.ts';
import { openDialog, select, selectHost, useUi } from '../../store/ui.ts';
import { useFleet } from '../../store/fleet.ts';
import { editRefusal } from '../hosts/host-figures.ts';
import { requestDelete } from '../slices/slice-dialogs.tsx';
import { selectedSlice } from './selected.ts';
import { openCreate } from './top-bar.tsx';

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]') !== null;

/** Buttons, menus and sliders use Space themselves. */
const usesSpace = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest('button, [role=slider], [role=menu], tr') !== null;

function withModifier(event: KeyboardEvent): boolean {
  const key = event.key.toLowerCase();
  const { hostId } = useUi.getState();
  if (key === 'z' && !isTyping(event.target)) void (event.shiftKey ? redoLatest() : undoLatest());
  else if (key === 'n' && !event.shiftKey) openCreate(hostId === null ? null : hostById(hostId));
  else if (key === 'o' && event.shiftKey) openDialog({ kind: 'connect' });
  else if (key === 'f') document.getElementById('host-filter')?.focus();
  else if (/^[1-9]$/.test(key)) selectHost(useFleet.getState().order[Number(key) - 1] ?? hostId);
  else return false;
  return true;
}

function escape(): boolean {
  const { toast, selection, hostId } = useUi.getState();
  if (toast !== null) useUi.setState({ toast: null });
  else if (hostId !== null && selection.kind !== 'host') select(hostId, { kind: 'host' });
  else return false;
  return true;
}

function plain(event: KeyboardEvent): boolean {
  const { hostId } = useUi.getState();
  const host = hostId === null ? null : hostById(hostId);
  const slice = host === null ? null : selectedSlice(host);
  if (event.key === 'Escape') return escape();
  if (event.key === '/') document.getElementById('host-filter')?.focus();
  else if (event.key === 'n') openCreate(host);
  else if (event.key === ' ' && !usesSpace(event.target)) void togglePaused();
  else if (host !== null && slice !== null && event.key === 'F2' && editRefusal(host) === null) {
    openDialog({ kind: 'rename-slice', hostId: host.id, sliceId: slice.id });
  } else if (host !== null && slice !== null && event.key === 'Delete' && editRefusal(host) === null) {
    requestDelete(host, slice);
  } else return false;
  return true;
}

export function onWindowKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || document.querySelector('dialog[open]') !== null) return;
  const modified = event.ctrlKey || event.metaKey;
  if (!modified && isTyping(event.target)) return;
  if (event.altKey) return;
  if (modified ? withModifier(event) : plain(event)) event.preventDefault();
}
