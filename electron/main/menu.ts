/**
 * The menu bar, made from the table of commands. The page owns what a command does and hears its keys itself; an item
 * says its command's id to the page, and the page says which commands are refused at the moment, and why.
 */
import { BrowserWindow, Menu } from 'electron';
import type { MenuItemConstructorOptions } from 'electron';
import { assertNever } from '../../model/errors.ts';
import type { CoreEvent, RequestArgs } from '../../model/ipc.ts';
import { MENUS, accelerator, keysOf, menuSections } from '../../model/commands.ts';
import type { CommandSpec, MenuName } from '../../model/commands.ts';
import { EVENT_CHANNEL } from './bridge.ts';

export type MenuState = RequestArgs<'menu:state'>;
const NO_STATE: MenuState = { off: [], on: [], present: [], keys: [] };

/** What only the system or the page's own editing can do stands beside our commands. */
function roles(menu: MenuName, mac: boolean, packaged: boolean): MenuItemConstructorOptions[] {
  const separator: MenuItemConstructorOptions = { type: 'separator' };
  switch (menu) {
    case 'File':
      return [separator, mac ? { role: 'close' } : { role: 'quit' }];
    case 'Edit':
      return [separator, { role: 'cut' }, { role: 'copy' }, { role: 'paste' }];
    case 'View':
      return [
        separator,
        { role: 'resetZoom' },
        { role: 'zoomIn' },
        { role: 'zoomOut' },
        { role: 'togglefullscreen' },
        ...(packaged ? [] : [{ role: 'toggleDevTools' as const }]),
      ];
    case 'Help':
      return mac ? [] : [separator, { role: 'about' }];
    case 'Host':
    case 'Slice':
    case 'Job':
      return [];
    default:
      return assertNever(menu, 'menu');
  }
}

export function menuTemplate(
  platform: string,
  packaged: boolean,
  state: MenuState = NO_STATE,
  pick: (id: string) => void = () => undefined,
): MenuItemConstructorOptions[] {
  const mac = platform === 'darwin';
  const refused = new Map(state.off.map(({ id, why }) => [id, why]));
  const chosen = new Map(state.keys.map(({ id, keys }) => [id, keys]));
  const item = (command: CommandSpec): MenuItemConstructorOptions => {
    const why = refused.get(command.id);
    const own = chosen.get(command.id);
    const keys = accelerator(own === '' ? undefined : (own ?? keysOf(command, mac)[0]));
    return {
      id: command.id,
      label: command.title,
      ...(keys === null ? {} : { accelerator: keys }),
      // Shown only: the page hears the key itself, where it knows whether somebody is typing.
      registerAccelerator: false,
      enabled: why === undefined,
      ...(why === undefined ? {} : { toolTip: why, sublabel: why }),
      ...(command.choice === true ? { type: 'checkbox', checked: state.on.includes(command.id) } : {}),
      click: () => pick(command.id),
    };
  };
  const menus = MENUS.map((menu): MenuItemConstructorOptions => {
    const sections = menuSections(menu)
      .map((section) => section.filter(({ id, optional }) => optional !== true || state.present.includes(id)))
      .filter((section) => section.length > 0);
    const submenu = sections.flatMap((section, index) => [
      ...(index === 0 ? [] : [{ type: 'separator' as const }]),
      ...section.map(item),
    ]);
    return { label: menu, submenu: [...submenu, ...roles(menu, mac, packaged)] };
  });
  // Help stays last, where people look for it; the window menu is the system's.
  return [
    ...(mac ? [{ role: 'appMenu' as const }] : []),
    ...menus.slice(0, -1),
    { role: 'windowMenu' },
    ...menus.slice(-1),
  ];
}

export function installMenu(platform: string, packaged: boolean, state?: MenuState): void {
  const pick = (id: string): void => {
    const contents =
      BrowserWindow.getFocusedWindow()?.webContents ?? BrowserWindow.getAllWindows()[0]?.webContents;
    const event: CoreEvent = { event: 'command', data: { id } };
    contents?.send(EVENT_CHANNEL, JSON.stringify(event));
  };
  Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(platform, packaged, state, pick)));
}
