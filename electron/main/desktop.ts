/** What a page asks of the desktop itself instead of the core: the menu bar's state, notices, the tray, links, updates. */
import { BrowserWindow, Notification, app } from 'electron';
import type { Result } from '../../model/errors.ts';
import { ok } from '../../model/errors.ts';
import type { RequestArgs } from '../../model/ipc.ts';
import { WINDOW_CHANNELS } from '../../model/ipc.ts';
import { linkInArgv, parseLink } from '../../model/links.ts';
import { tellPages } from './ipc.ts';
import { installMenu } from './menu.ts';
import type { ParsedRequest } from './parse-request.ts';
import { TrayKeeper } from './tray.ts';
import type { Updates } from './updates.ts';

export class DesktopParts {
  readonly #open: () => BrowserWindow;
  readonly #tray: TrayKeeper;
  readonly #updates: Updates;
  /** A link that came before a page was there to follow it. */
  #waiting: string | null;
  #pageReady = false;
  #quitting = false;

  constructor(open: () => BrowserWindow, argv: readonly string[], updates: Updates) {
    this.#open = open;
    this.#updates = updates;
    this.#waiting = linkInArgv(argv);
    this.#tray = new TrayKeeper({
      show: () => this.show(),
      navigate: (link) => this.follow(link),
      command: (id) => tellPages({ event: 'command', data: { id } }),
    });
  }

  /** From now on windows really close. */
  quitting(): void {
    this.#quitting = true;
  }

  /** With a tray, a closed window only hides: what the tray shows comes from it, thirty seconds apart. */
  keep(window: BrowserWindow): void {
    window.on('close', (event) => {
      if (!this.#tray.isShown || this.#quitting) return;
      event.preventDefault();
      window.hide();
    });
  }

  /** With a tray, closing the last window leaves the app running, because that was chosen. */
  get staysWithoutWindow(): boolean {
    return this.#tray.isShown;
  }

  show(): BrowserWindow {
    const window = BrowserWindow.getAllWindows()[0] ?? this.#open();
    if (window.isMinimized()) window.restore();
    window.show();
    window.focus();
    return window;
  }

  /** Navigates only; what is no link of ours is dropped. */
  follow(link: string): void {
    if (parseLink(link) === null) return;
    if (BrowserWindow.getAllWindows().length === 0) this.#pageReady = false;
    this.show();
    if (this.#pageReady) tellPages({ event: 'navigate', data: { link } });
    else this.#waiting = link;
  }

  /** null: not ours to answer. */
  answer({ channel, args }: ParsedRequest): Promise<Result<unknown>> | null {
    if (!(WINDOW_CHANNELS as readonly string[]).includes(channel)) {
      if (channel === 'fleet:get') this.#pageAsked();
      return null;
    }
    if (channel === 'update:get') return Promise.resolve(ok(this.#updates.state));
    if (channel === 'update:act') {
      return Promise.resolve(this.#updates.act((args as RequestArgs<'update:act'>).act));
    }
    if (channel === 'menu:state') {
      installMenu(process.platform, app.isPackaged, args as RequestArgs<'menu:state'>);
    } else if (channel === 'notice:show') {
      this.#notify(args as RequestArgs<'notice:show'>);
    } else {
      this.#tray.show((args as RequestArgs<'tray:show'>).tray);
    }
    return Promise.resolve(ok(null));
  }

  /** The page has hosts in a moment: what was waiting goes out after its first picture. */
  #pageAsked(): void {
    this.#pageReady = true;
    const link = this.#waiting;
    this.#waiting = null;
    if (link !== null) setImmediate(() => tellPages({ event: 'navigate', data: { link } }));
  }

  #notify({ title, body, link }: RequestArgs<'notice:show'>): void {
    if (!Notification.isSupported()) return;
    const notice = new Notification({ title, body, silent: true });
    notice.on('click', () => {
      if (link === null) this.show();
      else this.follow(link);
    });
    notice.show();
  }
}
