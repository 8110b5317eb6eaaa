/**
 * The application menu. The page owns its commands and their keys; an item presses the key for those who use a mouse,
 * so that there is one place where a command is implemented.
 */
import { BrowserWindow, Menu } from 'electron';
import type { MenuItemConstructorOptions } from 'electron';

type Modifier = 'control' | 'meta' | 'shift';

function press(keyCode: string, modifiers: readonly Modifier[] = []): void {
  const contents = BrowserWindow.getFocusedWindow()?.webContents;
  contents?.sendInputEvent({ type: 'keyDown', keyCode, modifiers: [...modifiers] });
  contents?.sendInputEvent({ type: 'keyUp', keyCode, modifiers: [...modifiers] });
}

export function menuTemplate(platform: string, packaged: boolean): MenuItemConstructorOptions[] {
  const mac = platform === 'darwin';
  const main: Modifier = mac ? 'meta' : 'control';
  const item = (
    label: string,
    accelerator: string,
    keyCode: string,
    modifiers: readonly Modifier[] = [],
  ): MenuItemConstructorOptions => ({
    label,
    accelerator,
    // Shown only: the page hears the key itself.
    registerAccelerator: false,
    click: () => press(keyCode, modifiers),
  });
  const separator: MenuItemConstructorOptions = { type: 'separator' };
  return [
    ...(mac ? [{ role: 'appMenu' as const }] : []),
    {
      label: '&File',
      submenu: [
        item('New Slice…', 'CmdOrCtrl+N', 'N', [main]),
        item('Connect to Host…', 'CmdOrCtrl+Shift+O', 'O', [main, 'shift']),
        separator,
        mac ? { role: 'close' } : { role: 'quit' },
      ],
    },
    {
      label: '&Edit',
      submenu: [
        item('Undo', 'CmdOrCtrl+Z', 'Z', [main]),
        item('Redo', 'CmdOrCtrl+Shift+Z', 'Z', [main, 'shift']),
        separator,
        { role: 'cut' },
        { role: 'copy' },
        { role: 'paste' },
        { role: 'selectAll' },
      ],
    },
    {
      label: '&View',
      submenu: [
        item('Pause or Go On', 'Space', 'Space'),
        separator,
        { role: 'resetZoom' },
        { role: 'zoomIn' },
        { role: 'zoomOut' },
        separator,
        { role: 'togglefullscreen' },
        ...(packaged ? [] : [{ role: 'toggleDevTools' as const }]),
      ],
    },
    {
      label: '&Host',
      submenu: [
        item('Filter Hosts', 'CmdOrCtrl+F', 'F', [main]),
        separator,
        ...Array.from({ length: 9 }, (_, i) => {
          const digit = String(i + 1);
          return item(`Host ${digit}`, `CmdOrCtrl+${digit}`, digit, [main]);
        }),
      ],
    },
    {
      label: '&Slice',
      submenu: [
        item('New Slice…', 'CmdOrCtrl+N', 'N', [main]),
        item('Rename…', 'F2', 'F2'),
        item('Delete', 'Delete', 'Delete'),
      ],
    },
    { role: 'windowMenu' },
    { role: 'help', submenu: mac ? [] : [{ role: 'about' }] },
  ];
}

export function installMenu(platform: string, packaged: boolean): void {
  Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(platform, packaged)));
}
