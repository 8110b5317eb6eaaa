/** The core behind a loopback WebSocket (`serve`). The secret is never in a URL: it is the first message. */
import type { CoreEvent, RequestArgs, RequestChannel, RequestValues, TrancheApi } from '../model/ipc.ts';
import type { Result } from '../model/errors.ts';
import { fail } from '../model/errors.ts';

const SECRET_KEY = 'tranche.session';
const BACKOFF_MS = [500, 1000, 2000, 5000, 10_000] as const;
/** Longer than the slowest thing the core does for one request (a deployment over a slow line answers at once). */
const REQUEST_TIMEOUT_MS = 120_000;

interface Waiting {
  readonly resolve: (result: Result<never>) => void;
  readonly timer: number;
}

interface ServerMessage {
  readonly hello?: { readonly platform: string; readonly appVersion: string };
  readonly id?: number;
  readonly result?: Result<never>;
  readonly event?: string;
  readonly data?: unknown;
  readonly error?: string;
}

/** Trades the one-use token of the address for a session secret; the token leaves the address bar at once. */
async function sessionSecret(): Promise<string | null> {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token !== null) {
    history.replaceState(null, '', location.pathname);
    const response = await fetch('./session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    });
    if (response.ok) {
      const body = (await response.json()) as { secret?: unknown };
      if (typeof body.secret === 'string') sessionStorage.setItem(SECRET_KEY, body.secret);
    }
  }
  return sessionStorage.getItem(SECRET_KEY);
}

/** Called when the way to the core itself breaks or comes back; only `serve` can lose it. */
export type LinkListener = (problem: string | null) => void;

export function connectToServe(onLink: LinkListener): TrancheApi {
  const listeners = new Set<(event: CoreEvent) => void>();
  const waiting = new Map<number, Waiting>();
  const queue: string[] = [];
  let socket: WebSocket | null = null;
  let ready = false;
  let attempt = 0;
  let nextId = 1;
  let about = { platform: 'unknown', appVersion: '' };

  const onMessage = (text: string): void => {
    const message = JSON.parse(text) as ServerMessage;
    if (message.hello !== undefined) {
      about = message.hello;
      ready = true;
      attempt = 0;
      onLink(null);
      for (const line of queue.splice(0)) socket?.send(line);
    } else if (message.id !== undefined && message.result !== undefined) {
      const entry = waiting.get(message.id);
      if (entry === undefined) return;
      waiting.delete(message.id);
      clearTimeout(entry.timer);
      entry.resolve(message.result);
    } else if (message.event !== undefined) {
      // The server is our own core; it parsed everything that came from hosts before it sent this on.
      for (const listener of listeners) listener(message as unknown as CoreEvent);
    }
  };

  const onClose = (): void => {
    ready = false;
    socket = null;
    for (const [id, entry] of waiting) {
      clearTimeout(entry.timer);
      entry.resolve(fail('connection-lost', 'The Tranche server went away before it answered.'));
      waiting.delete(id);
    }
    queue.length = 0;
    const delay = BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)] ?? 10_000;
    attempt += 1;
    onLink(`The Tranche server does not answer. Trying again in ${String(delay / 1000)} s.`);
    setTimeout(() => void open(), delay);
  };

  const open = async (): Promise<void> => {
    const secret = await sessionSecret().catch(() => sessionStorage.getItem(SECRET_KEY));
    if (secret === null) {
      onLink('This page has no session. Open it with the link that `serve` printed.');
      return;
    }
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    socket = new WebSocket(`${scheme}://${location.host}/ws`);
    socket.addEventListener('open', () => socket?.send(JSON.stringify({ secret })));
    socket.addEventListener('message', (event) => onMessage(String(event.data)));
    socket.addEventListener('close', (event) => {
      if (event.code === 4401) sessionStorage.removeItem(SECRET_KEY);
      onClose();
    });
  };
  void open();

  return {
    transport: 'serve',
    get platform() {
      return about.platform;
    },
    get appVersion() {
      return about.appVersion;
    },
    request<C extends RequestChannel>(channel: C, args: RequestArgs<C>): Promise<Result<RequestValues[C]>> {
      return new Promise((resolve) => {
        const id = nextId++;
        const timer = window.setTimeout(() => {
          waiting.delete(id);
          resolve(fail('timed-out', 'The Tranche server did not answer in two minutes.'));
        }, REQUEST_TIMEOUT_MS);
        waiting.set(id, { resolve, timer });
        const line = JSON.stringify({ id, channel, args });
        if (ready) socket?.send(line);
        else queue.push(line);
      });
    },
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    copyText: (text) =>
      navigator.clipboard.writeText(text).then(
        () => true,
        () => false,
      ),
  };
}
