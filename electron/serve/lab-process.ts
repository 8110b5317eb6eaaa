/** The demo lab as a child process of plain Node. */
import { fork } from 'node:child_process';
import type { LabProcess, LabReady } from '../core/messages.ts';

const LAB_START_TIMEOUT_MS = 20_000;

/** Starts the lab's bundle as a child of this Node; rejects with why it did not come up. */
export function forkLab(bundle: string, simFolder: string): Promise<LabProcess & { readonly pid: number }> {
  const child = fork(bundle, [], {
    env: { ...process.env, TRANCHE_LAB_SIM: simFolder },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`it did not start within ${String(LAB_START_TIMEOUT_MS / 1000)} s`));
    }, LAB_START_TIMEOUT_MS);
    let exited: ((why: string) => void) | null = null;
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`its process ended (${signal ?? String(code)})`));
      exited?.(`its process ended (${signal ?? String(code)})`);
    });
    child.on('message', (message: { ready?: LabReady; failed?: string; note?: string }) => {
      if (message.note !== undefined) console.error(message.note);
      if (message.failed !== undefined) reject(new Error(message.failed));
      if (!message.ready) return;
      clearTimeout(timer);
      resolve({
        ready: message.ready,
        pid: child.pid ?? 0,
        stop: () => {
          exited = null;
          child.kill('SIGTERM');
        },
        onExit: (listener) => {
          exited = listener;
        },
      });
    });
  });
}
