/** Between page and core: every request has its sender checked and its arguments parsed; the answer is a Result. */
import { BrowserWindow, clipboard, ipcMain } from 'electron';
import type { IpcMainInvokeEvent } from 'electron';
import type { Result } from '../../model/errors.ts';
import { fail } from '../../model/errors.ts';
import type { CoreEvent } from '../../model/ipc.ts';
import { COPY_CHANNEL, EVENT_CHANNEL, REQUEST_CHANNEL } from './bridge.ts';
import { parseRequest } from './parse-request.ts';
import type { ParsedRequest } from './parse-request.ts';
import { isTrusted } from './sender.ts';

const COPY_MAX_CHARACTERS = 1_000_000;

function comesFromUs(event: IpcMainInvokeEvent): boolean {
  const frame = event.senderFrame;
  return isTrusted({
    frameUrl: frame?.url ?? null,
    isTopFrame: frame !== null && frame.parent === null,
    isOurWindow: BrowserWindow.fromWebContents(event.sender) !== null,
  });
}

/** The one way to answer pages. */
function handle<T>(channel: string, onRequest: (args: readonly unknown[]) => Promise<T>, refused: T): void {
  ipcMain.handle(channel, (event, ...args: unknown[]) => {
    if (comesFromUs(event)) return onRequest(args);
    console.error(`Refused ${channel} from ${event.senderFrame?.url ?? 'a frame that is gone'}`);
    return refused;
  });
}

export function answerPages(ask: (request: ParsedRequest) => Promise<Result<unknown>>): void {
  handle<Result<unknown>>(
    REQUEST_CHANNEL,
    async ([channel, args]) => {
      const parsed = parseRequest(channel, args);
      return parsed.ok ? ask(parsed.value) : parsed;
    },
    fail('bad-arguments', 'This page may not ask Tranche for anything.'),
  );
  handle<boolean>(
    COPY_CHANNEL,
    async ([text]) => {
      if (typeof text !== 'string' || text.length > COPY_MAX_CHARACTERS) return false;
      void clipboard.writeText(text);
      return true;
    },
    false,
  );
}

export const tellPages = (event: CoreEvent): void => passToPages(JSON.stringify(event));

/** An event that is JSON already. */
export function passToPages(event: string): void {
  for (const window of BrowserWindow.getAllWindows()) {
    if (!window.isDestroyed() && !window.webContents.isDestroyed()) {
      window.webContents.send(EVENT_CHANNEL, event);
    }
  }
}
