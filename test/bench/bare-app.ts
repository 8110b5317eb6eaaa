/**
 * The app without a test tool in it: Playwright keeps a page visible and focused whatever its window does. The main
 * process is reached by Node's inspector alone.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import { prepareDesktop, type PreparedDesktop } from '../e2e/desktop.ts';

const START_TIMEOUT_MS = 30_000;
const ANSWER_TIMEOUT_MS = 15_000;
const POLL_MS = 50;

export interface BareApp {
  readonly pid: number;
  /** Evaluates an expression in the main process, where `electron` is the module; promises are awaited. */
  main<T>(expression: string): Promise<T>;
  /** The same in the page. */
  page<T>(expression: string): Promise<T>;
  close(): Promise<void>;
}

/** Where the main process listens, once it says so. */
export async function debuggerOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const timer = setTimeout(() => {
      reject(new Error(`the app did not start within ${String(START_TIMEOUT_MS / 1000)} s: ${said}`));
    }, START_TIMEOUT_MS);
    child.on('exit', () => {
      reject(new Error(`the app ended: ${said}`));
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4000);
      const url = /Debugger listening on (ws:\S+)/.exec(said)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    });
  });
}

class Inspector {
  private readonly socket: WebSocket;
  private nextId = 1;

  private constructor(socket: WebSocket) {
    this.socket = socket;
  }

  static async connect(url: string): Promise<Inspector> {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    await once(socket, 'open');
    return new Inspector(socket);
  }

  async evaluate<T>(expression: string): Promise<T> {
    const id = this.nextId++;
    const params = { expression, awaitPromise: true, returnByValue: true, includeCommandLineAPI: true };
    const answer = new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.socket.off('message', onMessage);
        reject(new Error(`the app did not answer: ${expression.slice(0, 200)}`));
      }, ANSWER_TIMEOUT_MS);
      const onMessage = (data: Buffer) => {
        const message = JSON.parse(data.toString()) as {
          id?: number;
          error?: { message: string };
          result?: { result: { value: T }; exceptionDetails?: { exception?: { description?: string } } };
        };
        if (message.id !== id) return;
        this.socket.off('message', onMessage);
        clearTimeout(timer);
        const thrown = message.error?.message ?? message.result?.exceptionDetails?.exception?.description;
        if (thrown !== undefined) reject(new Error(thrown));
        else resolve(message.result?.result.value as T);
      };
      this.socket.on('message', onMessage);
    });
    this.socket.send(JSON.stringify({ id, method: 'Runtime.evaluate', params }));
    return answer;
  }

  close(): void {
    this.socket.close();
  }
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await holds())) {
    if (Date.now() > deadline)
      throw new Error(`within ${String(START_TIMEOUT_MS / 1000)} s it did not happen that the app ${what}`);
    await delay(POLL_MS);
  }
}

export interface MainProcess extends Pick<BareApp, 'main' | 'page'> {
  close(): void;
}

/** Waits until Electron is there, not for a window. */
export async function attachToMain(address: string): Promise<MainProcess> {
  const inspector = await Inspector.connect(address);
  const main = <T>(expression: string): Promise<T> =>
    inspector.evaluate<T>(`(async (electron) => (${expression}))(process.mainModule.require('electron'))`);
  await until('is ready', () =>
    inspector.evaluate<boolean>(
      // Asked too early, Electron's own modules throw.
      "(() => { try { return process.mainModule.require('electron').app.isReady(); } catch { return false; } })()",
    ),
  );
  return {
    main,
    page: <T>(expression: string): Promise<T> =>
      main<T>(
        `electron.BrowserWindow.getAllWindows()[0].webContents.executeJavaScript(${JSON.stringify(expression)})`,
      ),
    close: () => inspector.close(),
  };
}

export async function launchBareApp(): Promise<BareApp> {
  const prepared: PreparedDesktop = await prepareDesktop();
  const child = spawn(prepared.launcher, ['--inspect=127.0.0.1:0', ...prepared.args], {
    env: prepared.environment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const end = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const over = once(child, 'exit');
      child.kill('SIGTERM');
      await over;
    }
    prepared.stop();
  };
  try {
    const attached = await attachToMain(await debuggerOf(child));
    await until('shows its window', () =>
      attached.main<boolean>('electron.BrowserWindow.getAllWindows()[0]?.isVisible() === true'),
    );
    return {
      pid: child.pid ?? 0,
      main: (expression) => attached.main(expression),
      page: (expression) => attached.page(expression),
      close: async () => {
        attached.close();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}
