/** The one window: made, guarded, shown when drawn, remembered. */
import { join } from 'node:path';
import { BrowserWindow, app, nativeTheme, screen } from 'electron';
import { START_URL } from './bundle-path.ts';
import { readSaved, usableBounds, writeSaved } from './window-bounds.ts';
import { windowOptions } from './window-options.ts';

/** A renderer that dies again within this time is not loaded a third time. */
const RELOAD_PAUSE_MS = 10_000;
/** `scripts/start.mjs` waits for this line. */
const READY_LINE = 'TRANCHE-READY';

const boundsFile = (): string => join(app.getPath('userData'), 'window.json');

export function openWindow(preloadPath: string): BrowserWindow {
  const saved = readSaved(boundsFile());
  const displays = screen.getAllDisplays().map((display) => display.workArea);
  const window = new BrowserWindow(
    windowOptions({
      preloadPath,
      appVersion: app.getVersion(),
      dark: nativeTheme.shouldUseDarkColors,
      bounds: saved === null ? null : usableBounds(saved.bounds, displays),
    }),
  );
  if (saved?.maximized === true) window.maximize();
  window.once('ready-to-show', () => {
    window.show();
    if (process.env['TRANCHE_SAY_READY'] === '1') console.log(READY_LINE);
  });
  window.on('close', () =>
    writeSaved(boundsFile(), { bounds: window.getNormalBounds(), maximized: window.isMaximized() }),
  );
  let reloadedAtMs = 0;
  window.webContents.on('render-process-gone', (_event, details) => {
    console.error(`The window's process is gone: ${details.reason} (exit code ${String(details.exitCode)})`);
    if (details.reason === 'clean-exit' || Date.now() - reloadedAtMs < RELOAD_PAUSE_MS) return;
    reloadedAtMs = Date.now();
    window.webContents.reload();
  });
  void window.loadURL(START_URL);
  return window;
}
