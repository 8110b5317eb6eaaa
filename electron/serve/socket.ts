/** The contract over one WebSocket: the secret first, then requests and events as JSON. */
import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { z } from 'zod';
import type { CoreEvent } from '../../model/ipc.ts';
import type { Core } from '../core/core.ts';
import { isOwnOrigin, type Sessions } from './http.ts';

const MESSAGE_MAX_BYTES = 64 * 1024;
/** The secret must come at once: an open socket that says nothing is closed. */
const SECRET_TIMEOUT_MS = 5_000;
/** A tab that does not read falls behind; samples are dropped for it, and at this point it is cut off. */
const SKIP_SAMPLES_BYTES = 1 << 20;
const DROP_CLIENT_BYTES = 16 << 20;

const secretSchema = z.strictObject({ secret: z.string().max(200) });
const requestSchema = z.object({ id: z.number().int(), channel: z.string().max(64), args: z.unknown() });

export class SocketHub {
  private readonly clients = new Set<WebSocket>();
  private readonly hello: { readonly platform: string; readonly appVersion: string };

  constructor(hello: { readonly platform: string; readonly appVersion: string }) {
    this.hello = hello;
  }

  get clientCount(): number {
    return this.clients.size;
  }

  attach(
    server: Server,
    core: Core,
    sessions: Sessions,
    portOf: () => number,
    onCount: (clients: number) => void,
  ): void {
    const sockets = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_MAX_BYTES });
    server.on('upgrade', (request, socket: Duplex, head) => {
      if (!isOwnOrigin(request, portOf()) || request.headers.origin === undefined || request.url !== '/ws') {
        socket.destroy();
        return;
      }
      sockets.handleUpgrade(request, socket, head, (client) => {
        this.greet(client, core, sessions, onCount);
      });
    });
  }

  send(event: CoreEvent): void {
    if (this.clients.size === 0) return;
    const text = JSON.stringify(event);
    for (const client of this.clients) {
      if (client.bufferedAmount > DROP_CLIENT_BYTES) client.terminate();
      else if (event.event !== 'samples' || client.bufferedAmount < SKIP_SAMPLES_BYTES) client.send(text);
    }
  }

  close(): void {
    for (const client of this.clients) client.close(1001, 'Tranche is stopping');
  }

  private greet(client: WebSocket, core: Core, sessions: Sessions, onCount: (clients: number) => void): void {
    const timer = setTimeout(() => {
      client.terminate();
    }, SECRET_TIMEOUT_MS);
    client.on('error', () => {
      client.terminate();
    });
    client.once('message', (data) => {
      clearTimeout(timer);
      const parsed = secretSchema.safeParse(parse(data));
      if (!parsed.success || !sessions.isSecret(parsed.data.secret)) {
        client.close(4401, 'that secret is not known here');
        return;
      }
      this.clients.add(client);
      onCount(this.clients.size);
      client.on('close', () => {
        this.clients.delete(client);
        onCount(this.clients.size);
      });
      client.on('message', (message) => void this.answer(client, core, message));
      client.send(JSON.stringify({ hello: this.hello }));
    });
  }

  private async answer(client: WebSocket, core: Core, data: unknown): Promise<void> {
    const request = requestSchema.safeParse(parse(data));
    if (!request.success) {
      client.close(4400, 'that is no request');
      return;
    }
    const { id, channel, args } = request.data;
    const result = await core.request(channel, args);
    if (client.readyState === client.OPEN) client.send(JSON.stringify({ id, result }));
  }
}

function parse(data: unknown): unknown {
  try {
    return JSON.parse(Buffer.isBuffer(data) ? data.toString('utf8') : '');
  } catch {
    return null;
  }
}
