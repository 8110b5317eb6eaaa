/** Keys of the whole window, from the registry. Typing in a field, open dialogs and controls come first. */
import { matchKeyBindingPress, parseKeybinding } from 'tinykeys';
import { COMMANDS, keysOf } from '../../model/commands.ts';
import type { CommandId } from '../../model/commands.ts';
import { useSettings } from '../store/settings.ts';
import { hideToast, select, useUi } from '../store/ui.ts';
import { bindings } from './registry.ts';

export const isMac = (): boolean => /mac|iphone|ipad/i.test(navigator.platform);

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]') !== null;

/** Buttons, menus and sliders use Space themselves; rows of tables too. */
const usesSpace = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  target.closest('button, [role=slider], [role=menu], [role=row], tr') !== null;

const PRESSES = COMMANDS.map((command) => ({
  id: command.id satisfies CommandId,
  presses: keysOf(command, typeof navigator !== 'undefined' && isMac()).map((keys) => ({
    keys,
    press: parseKeybinding(keys)[0],
  })),
}));

/** In a text field these edit the text. */
const EDITING: ReadonlySet<CommandId> = new Set([
  'edit.undo',
  'edit.redo',
  'selection.all',
  'slice.copy-run',
]);

export function commandOfKey(event: KeyboardEvent): CommandId | null {
  const typing = isTyping(event.target);
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  if (typing && !modified && !/^F\d/.test(event.key)) return null;
  for (const { id, presses } of PRESSES) {
    if (typing && EDITING.has(id)) continue;
    const hit = presses.find(({ press }) => press !== undefined && matchKeyBindingPress(event, press));
    if (hit === undefined) continue;
    if (!modified && /^[a-z0-9[\]]$/i.test(event.key) && !useSettings.getState().letterKeys) continue;
    if (hit.keys === 'Space' && usesSpace(event.target)) return null;
    return id;
  }
  return null;
}

/** One layer at a time: the toast, those picked together, the selection. */
function escape(): boolean {
  const { toast, selection, hostId, picked } = useUi.getState();
  if (toast !== null) hideToast(toast.id);
  else if (picked.length > 0) useUi.setState({ picked: [] });
  else if (hostId !== null && selection.kind !== 'host') select(hostId, { kind: 'host' });
  else return false;
  return true;
}

export function onWindowKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || document.querySelector('dialog[open]') !== null) return;
  if (event.key === 'Escape' && !isTyping(event.target)) {
    if (escape()) event.preventDefault();
    return;
  }
  const id = commandOfKey(event);
  if (id === null) return;
  event.preventDefault();
  const { refusal, run } = bindings()[id];
  // A key pressed by mistake is no question: only what acts on nothing at all stays silent.
  if (refusal === null) run();
  else useUi.setState({ announcement: refusal });
}
