import type { MenuItemConstructorOptions } from 'electron';
import { describe, expect, it, vi } from 'vitest';
import { COMMANDS } from '../../../model/commands.ts';
import { menuTemplate } from '../../../electron/main/menu.ts';

vi.mock('electron', () => ({ BrowserWindow: {}, Menu: {} }));

const itemsOf = (template: readonly MenuItemConstructorOptions[]): MenuItemConstructorOptions[] =>
  template.flatMap((menu) => (menu.submenu as MenuItemConstructorOptions[] | undefined) ?? []);

describe('menu bar', () => {
  it.each(['linux', 'darwin', 'win32'])('has every command of the registry, %s', (platform) => {
    const state = { off: [], on: [], present: ['app.update'], keys: [] };
    const ids = itemsOf(menuTemplate(platform, true, state)).flatMap((item) => item.id ?? []);
    expect(ids.sort()).toEqual(COMMANDS.map((command) => command.id).sort());
  });
  it('has an optional command only where the page says that it is there', () => {
    const items = itemsOf(menuTemplate('linux', true));
    expect(items.some(({ id }) => id === 'help.keys')).toBe(true);
    expect(items.some(({ id }) => id === 'app.update')).toBe(false);
    const help = menuTemplate('linux', true).at(-1)?.submenu as MenuItemConstructorOptions[];
    expect(help.filter(({ type }) => type === 'separator')).toHaveLength(1); // no line over nothing
  });
  it('shows what is refused as off, with the reason, and choices as marks', () => {
    const items = itemsOf(
      menuTemplate('linux', true, {
        off: [{ id: 'slice.rename', why: 'Select a slice first.' }],
        on: ['view.table'],
        present: [],
        keys: [
          { id: 'slice.give', keys: '$mod+Shift+g' },
          { id: 'slice.move', keys: '' },
        ],
      }),
    );
    const by = (id: string) => items.find((item) => item.id === id);
    expect(by('slice.rename')).toMatchObject({ enabled: false, toolTip: 'Select a slice first.' });
    expect(by('slice.new')).toMatchObject({
      enabled: true,
      accelerator: 'CmdOrCtrl+N',
      registerAccelerator: false,
    });
    expect(by('slice.give')).toMatchObject({ accelerator: 'CmdOrCtrl+Shift+G' });
    expect(by('slice.move')).not.toHaveProperty('accelerator');
    expect(by('view.table')).toMatchObject({ type: 'checkbox', checked: true });
    expect(by('view.bars')).toMatchObject({ type: 'checkbox', checked: false });
  });
  it('says the id of what was picked', () => {
    const picked = vi.fn();
    const items = itemsOf(menuTemplate('darwin', false, undefined, picked));
    const item = items.find(({ id }) => id === 'palette.open');
    (item as { click: () => void }).click();
    expect(picked).toHaveBeenCalledExactlyOnceWith('palette.open');
  });
});
