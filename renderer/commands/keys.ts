/** Keys of the whole window, from the registry. Typing in a field, open dialogs and controls come first. */
import { matchKeyBindingPress, parseKeybinding } from 'tinykeys';
import type { KeyBindingPress } from 'tinykeys';
import { COMMANDS, commandSpec, keyLabel, keysOf } from '../../model/commands.ts';
import type { CommandId, CommandSpec } from '../../model/commands.ts';
import { useSettings } from '../store/settings.ts';
import { hideToast, select, showToast, useUi } from '../store/ui.ts';
import { bindings } from './registry.ts';

export const isMac = (): boolean =>
  typeof navigator !== 'undefined' && /mac|iphone|ipad/i.test(navigator.platform);

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]') !== null;

/** Buttons, menus and sliders use Space themselves; rows of tables too. */
const usesSpace = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  target.closest('button, [role=slider], [role=menu], [role=row], tr') !== null;

/** The keys in force: the user’s own, else those of the table. */
export function keysFor(command: CommandSpec): readonly string[] {
  const own = useSettings.getState().keys[command.id];
  return own === undefined ? keysOf(command, isMac()) : own === '' ? [] : [own];
}

interface Presses {
  readonly id: CommandId;
  readonly presses: readonly { readonly keys: string; readonly press: KeyBindingPress | undefined }[];
}
let known: { readonly of: unknown; readonly list: readonly Presses[] } | null = null;

/** Parsed once for each change of the settings. */
function pressList(): readonly Presses[] {
  const { keys } = useSettings.getState();
  if (known?.of !== keys) {
    const list = COMMANDS.map((command) => ({
      id: command.id,
      presses: keysFor(command).map((one) => ({ keys: one, press: parseKeybinding(one)[0] })),
    }));
    known = { of: keys, list };
  }
  return known.list;
}

/** These move, leave and confirm; a command on one of them would take the keyboard away. */
const RESERVED =
  /^(Escape|Tab|Enter|Arrow|Home|End|Page|Shift|Control|Alt|Meta|AltGraph|Dead|Unidentified|CapsLock)/;

/** What was pressed, in the grammar of the table; null where it cannot be a command’s. */
export function pressedKeys(
  event: Pick<KeyboardEvent, 'key' | 'code' | 'altKey' | 'shiftKey' | 'ctrlKey' | 'metaKey'>,
  mac: boolean,
): string | null {
  if (RESERVED.test(event.key)) return null;
  const mod = mac ? event.metaKey : event.ctrlKey;
  const other = mac ? event.ctrlKey : event.metaKey;
  if (other) return null;
  const letter = event.key.length === 1;
  // With Alt a key sends another sign on many keyboards: the key itself is meant.
  const key =
    event.key === ' ' ? 'Space' : letter ? (event.altKey ? event.code : event.key.toLowerCase()) : event.key;
  return [mod ? '$mod' : '', event.altKey ? 'Alt' : '', event.shiftKey ? 'Shift' : '', key]
    .filter((part) => part !== '')
    .join('+');
}

/** The command that has these keys already; null when they are free. */
export const commandWithKeys = (keys: string, except: CommandId): CommandSpec | null =>
  COMMANDS.find(
    (command) =>
      command.id !== except && keysFor(command).some((one) => one.toLowerCase() === keys.toLowerCase()),
  ) ?? null;

/** In a text field these edit the text, or what is marked in it. */
const EDITING: ReadonlySet<CommandId> = new Set(['selection.all', 'slice.copy-run']);
const UNDOING: ReadonlySet<CommandId> = new Set(['edit.undo', 'edit.redo']);

const TEXT = 'textarea, [contenteditable], input:not([type=checkbox], [type=radio], [type=range])';

/** The field of text that has the keyboard. A choice or a box to tick holds letters back, and has no text to edit. */
const textField = (target: EventTarget | null): Element | null =>
  target instanceof HTMLElement ? target.closest(TEXT) : null;

/** Whether the keys belong to what is being typed: all that was typed into a field that is `data-settled` is in force. */
function editsText(id: CommandId, target: EventTarget | null): boolean {
  const field = textField(target);
  if (field === null) return false;
  return (
    EDITING.has(id) || (UNDOING.has(id) && !(field instanceof HTMLElement && 'settled' in field.dataset))
  );
}

/** In a terminal every key is the shell's but the one that leads in and out. */
const isTerminal = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest('.terminal-screen') !== null;

export function commandOfKey(event: KeyboardEvent): CommandId | null {
  const id = matchingCommand(event);
  return isTerminal(event.target) && id !== 'terminal.show' ? null : id;
}

/**
 * With the terminal open below, what is typed is meant for a shell, wherever the focus is: before its screen is there,
 * and after it has ended. Only keys that nobody types into a shell by habit are commands then.
 */
const isForShell = (event: KeyboardEvent): boolean => {
  const { dock, scope } = useUi.getState();
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  return dock === 'terminal' && scope === 'host' && !modified && !/^F\d/.test(event.key);
};

function matchingCommand(event: KeyboardEvent): CommandId | null {
  const typing = isTyping(event.target);
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  if (typing && !modified && !/^F\d/.test(event.key)) return null;
  for (const { id, presses } of pressList()) {
    if (editsText(id, event.target)) continue;
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
  if (event.key === 'Escape' && !isTyping(event.target) && !isTerminal(event.target)) {
    if (escape()) event.preventDefault();
    return;
  }
  const id = commandOfKey(event);
  if (id === null) return;
  event.preventDefault();
  if (isForShell(event)) {
    const keys = keyLabel(keysFor(commandSpec('terminal.show'))[0] ?? '', isMac());
    showToast(
      `Letters are no commands while the terminal is open below.${keys === '' ? '' : ` ${keys} leads into it.`}`,
    );
    return;
  }
  const { refusal, run } = bindings()[id];
  // A key pressed by mistake is no question: only what acts on nothing at all stays silent.
  if (refusal === null) run();
  else useUi.setState({ announcement: refusal });
}
