/** Boot order of the desktop app, and nothing else. Each step says why it stands where it does. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { BrowserWindow, app, dialog, session } from 'electron';
import { dataFolder, labUnavailable } from '../places.ts';
import { linkInArgv } from '../../model/links.ts';
import { CoreProcess } from './core-process.ts';
import { DesktopParts } from './desktop.ts';
import { readFeed } from './feed.ts';
import { answerPages, passToPages, tellPages } from './ipc.ts';
import { installMenu } from './menu.ts';
import { denyPermissions, guardAllContents } from './permissions.ts';
import { registerScheme, serveBundle } from './protocol.ts';
import type * as updater from './updater.ts';
import { Updates } from './updates.ts';
import { openWindow } from './window.ts';

/** A link that opened the app, until somebody is there to follow it. */
let opened: string | null = null;
let followLink: ((link: string) => void) | null = null;

const at = (...parts: string[]): string => join(app.getAppPath(), 'dist', ...parts);

function makeCore(): CoreProcess {
  const artifacts =
    process.env['TRANCHE_AGENT_DIR'] ??
    (app.isPackaged ? join(process.resourcesPath, 'agent') : join(app.getAppPath(), 'build/agent'));
  const simulator = join(artifacts, 'x86_64/sim');
  return new CoreProcess(
    { core: at('electron/core.cjs'), lab: at('lab.cjs'), simulator },
    {
      dataFolder: app.getPath('userData'),
      artifactsFolder: artifacts,
      appVersion: app.getVersion(),
      labUnavailable: labUnavailable(
        process.platform,
        process.arch,
        existsSync(join(simulator, 'libcuda.so.1')),
      ),
    },
    {
      onEvent: passToPages,
      onRestarted: () => {
        for (const window of BrowserWindow.getAllWindows()) window.webContents.reload();
      },
      onGivenUp: (why) => dialog.showErrorBox('Tranche', why),
    },
  );
}

function makeUpdates(): Updates {
  const require = createRequire(join(app.getAppPath(), 'package.json'));
  return new Updates({
    feed: readFeed(app.isPackaged ? { path: app.getAppPath() } : null),
    version: app.getVersion(),
    open: (feed) => (require(at('electron/updater.cjs')) as typeof updater).openUpdater(feed),
    tell: (state) => tellPages({ event: 'update:changed', data: state }),
  });
}

async function onReady(): Promise<void> {
  // Before any page exists: what pages are served, and what they may not do.
  serveBundle(at('renderer'));
  denyPermissions(session.defaultSession);
  const core = makeCore();
  core.start();
  const open = (): BrowserWindow => {
    const window = openWindow(at('electron/preload.cjs'));
    desktop.keep(window);
    return window;
  };
  const updates = makeUpdates();
  const desktop = new DesktopParts(open, opened === null ? process.argv : [opened], updates);
  followLink = (link) => desktop.follow(link);
  answerPages((request) => desktop.answer(request) ?? core.request(request));
  installMenu(process.platform, app.isPackaged);
  open();
  updates.lookDaily();

  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin' && !desktop.staysWithoutWindow) app.quit();
  });
  app.on('second-instance', (_event, argv) => {
    desktop.show();
    const link = linkInArgv(argv);
    if (link !== null) desktop.follow(link);
  });
  app.on('activate', () => {
    if (BrowserWindow.getAllWindows().length === 0) open();
  });
  // Connections are closed before the process goes; the wait is bounded in stop().
  let stopped = false;
  app.on('before-quit', (event) => {
    desktop.quitting();
    if (stopped) return;
    event.preventDefault();
    void core.stop().finally(() => {
      stopped = true;
      app.quit();
    });
  });
}

app.setName('Tranche');
app.setPath('userData', dataFolder(process.env, homedir(), process.platform));
// After userData is known: the lock lives there.
if (app.requestSingleInstanceLock()) {
  app.enableSandbox();
  registerScheme();
  guardAllContents(app);
  // macOS hands links over as an event, possibly before anything else is ready.
  app.on('open-url', (event, link) => {
    event.preventDefault();
    if (followLink === null) opened = link;
    else followLink(link);
  });
  // Whatever goes wrong before there is a window ends the app: without one nobody could see or close it.
  app
    .whenReady()
    .then(onReady)
    .catch((error: unknown) => {
      console.error(error);
      app.exit(1);
    });
} else {
  app.quit();
}
