/** Entry of the core under Electron: a utility process that speaks with the main process over its parent port. */
import { createCore, type Core } from './core.ts';
import type { CoreInbox, CoreOutbox, CoreSetup, LabProcess, LabReady } from './messages.ts';

interface ParentPort {
  on(event: 'message', listener: (message: { readonly data: CoreInbox }) => void): void;
  postMessage(message: CoreOutbox): void;
}
const port = (process as unknown as { parentPort: ParentPort }).parentPort;

/** The lab is a utility process too, which only the main process can start: asked for by message. */
const LAB_START_TIMEOUT_MS = 20_000;
let labSettled: ((outcome: LabReady | Error) => void) | null = null;
let labExited: ((why: string) => void) | null = null;

function launchLab(): Promise<LabProcess> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => labSettled?.(new Error(`it did not start within ${String(LAB_START_TIMEOUT_MS / 1000)} s`)),
      LAB_START_TIMEOUT_MS,
    );
    labSettled = (outcome) => {
      clearTimeout(timer);
      labSettled = null;
      if (outcome instanceof Error) {
        port.postMessage({ kind: 'lab-stop' });
        reject(outcome);
        return;
      }
      resolve({
        ready: outcome,
        stop: () => {
          labExited = null;
          port.postMessage({ kind: 'lab-stop' });
        },
        onExit: (listener) => {
          labExited = listener;
        },
      });
    };
    port.postMessage({ kind: 'lab-start' });
  });
}

async function start(setup: CoreSetup): Promise<Core> {
  return createCore({
    ...setup,
    launchLab,
    emit: (event) => {
      port.postMessage({ kind: 'event', text: JSON.stringify(event) });
    },
  });
}

let core: Promise<Core> | null = null;
port.on('message', ({ data: message }) => {
  switch (message.kind) {
    case 'setup':
      core = start(message.setup);
      core.then(
        () => {
          port.postMessage({ kind: 'started' });
        },
        (error: unknown) => {
          port.postMessage({
            kind: 'failed',
            message: error instanceof Error ? error.message : String(error),
          });
        },
      );
      break;
    case 'request':
      void core?.then(async (running) => {
        port.postMessage({
          kind: 'reply',
          id: message.id,
          result: await running.request(message.channel, message.args),
        });
      });
      break;
    case 'lab-ready':
      labSettled?.(message.ready);
      break;
    case 'lab-failed':
      if (labSettled) labSettled(new Error(message.why));
      else labExited?.(message.why);
      break;
    case 'stop':
      void core?.then((running) => running.stop()).finally(() => process.exit(0));
      break;
  }
});
