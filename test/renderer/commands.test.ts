import { pressedKeys } from '../../renderer/commands/keys.ts';
import { describe, expect, it } from 'vitest';
import { COMMANDS, MENUS, accelerator, keyLabel, keysOf, menuSections } from '../../model/commands.ts';

describe('command table', () => {
  it.each([true, false])('gives no key to two commands, macOS %s', (mac) => {
    const keys = COMMANDS.flatMap((command) => keysOf(command, mac).map((key) => key.toLowerCase()));
    expect(keys.filter((key, i) => keys.indexOf(key) !== i)).toEqual([]);
  });
  it('has every command once, in one menu', () => {
    const shown = MENUS.flatMap((menu) => menuSections(menu).flat());
    expect(shown.map((command) => command.id).sort()).toEqual(COMMANDS.map((command) => command.id).sort());
  });
  it('writes keys as each platform does', () => {
    expect(keyLabel('$mod+Shift+p', false)).toBe('Ctrl Shift P');
    expect(keyLabel('$mod+Shift+p', true)).toBe('⌘⇧P');
    expect(keyLabel('Alt+Digit1', false)).toBe('Alt 1');
    expect(keyLabel('?', false)).toBe('?');
    expect(accelerator('$mod+Shift+p')).toBe('CmdOrCtrl+Shift+P');
    expect(accelerator('Delete')).toBe('Delete');
    expect(accelerator('Alt+Digit1')).toBe('Alt+1');
    expect(accelerator(undefined)).toBeNull();
  });
  it.each([
    [{ key: 'G', code: 'KeyG', ctrlKey: true, shiftKey: true }, '$mod+Shift+g'],
    [{ key: '€', code: 'KeyE', altKey: true }, 'Alt+KeyE'],
    [{ key: ' ', code: 'Space' }, 'Space'],
    [{ key: 'F4', code: 'F4' }, 'F4'],
    [{ key: 'Escape', code: 'Escape' }, null],
    [{ key: 'ArrowUp', code: 'ArrowUp', ctrlKey: true }, null],
    [{ key: 'Control', code: 'ControlLeft', ctrlKey: true }, null],
    [{ key: 'x', code: 'KeyX', metaKey: true }, null],
  ])('reads what was pressed: %j', (event, keys) => {
    const none = { altKey: false, shiftKey: false, ctrlKey: false, metaKey: false };
    expect(pressedKeys({ ...none, ...event }, false)).toBe(keys);
  });
});
