/** The byte stream under a connection: TCP, through a jump host, or a ProxyCommand. Each is bounded. */
import { connect as connectTcp, type NetConnectOpts, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import { ProcessStream } from './process-stream.ts';
import type { SshTarget } from './target.ts';

export class ConnectTimeoutError extends Error {}

/** Runs `open` with a signal that also fires after `limitMs`. (AbortSignal.any is not in Electron 25's Node.) */
async function bounded<T>(
  limitMs: number,
  signal: AbortSignal,
  open: (both: AbortSignal) => Promise<T>,
): Promise<T> {
  const both = new AbortController();
  let timedOut = false;
  const cancel = () => {
    both.abort();
  };
  const timer = setTimeout(() => {
    timedOut = true;
    both.abort();
  }, limitMs);
  signal.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) cancel();
  try {
    return await open(both.signal);
  } catch (error) {
    throw timedOut ? new ConnectTimeoutError('timed out', { cause: error }) : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', cancel);
  }
}

export function tcpSocket(target: SshTarget, signal: AbortSignal, limitMs: number): Promise<Socket> {
  const options: NetConnectOpts & { autoSelectFamily: boolean } = {
    host: target.hostName,
    port: target.port,
    // Without the native addon ssh2 writes in small pieces: Nagle would cost 44 ms a round trip.
    noDelay: true,
    family: target.addressFamily,
    autoSelectFamily: target.addressFamily === 0,
    ...(target.bindAddress === null ? {} : { localAddress: target.bindAddress }),
  };
  return bounded(
    limitMs,
    signal,
    (both) =>
      new Promise((resolve, reject) => {
        const socket = connectTcp(options);
        // For good: an error that nobody hears, between here and ssh2, would end the core.
        socket.on('error', reject);
        const abort = () => {
          reject(new Error('the connection took too long'));
          socket.destroy();
        };
        both.addEventListener('abort', abort, { once: true });
        if (both.aborted) abort();
        socket.once('connect', () => {
          both.removeEventListener('abort', abort);
          resolve(socket);
        });
      }),
  );
}

/** The TCP stream through a connection to a jump host. */
export function throughJump(jump: Client, target: SshTarget, signal: AbortSignal): Promise<Duplex> {
  return bounded(
    target.connectTimeoutMs,
    signal,
    (both) =>
      new Promise((resolve, reject) => {
        const abort = () => {
          reject(new Error('the connection took too long'));
        };
        both.addEventListener('abort', abort, { once: true });
        if (both.aborted) abort();
        try {
          jump.forwardOut('127.0.0.1', 0, target.hostName, target.port, (error, stream) => {
            both.removeEventListener('abort', abort);
            if (error) reject(error);
            else if (both.aborted) stream.destroy();
            else resolve(stream);
          });
        } catch (error) {
          reject(error); // ssh2 throws at once when the jump is gone
        }
      }),
  );
}

/** As ssh runs it: by the user's shell, `exec` so that no shell stays in between. */
export function runProxyCommand(command: string): ProcessStream {
  if (process.platform === 'win32') return new ProcessStream(command, [], { shell: true });
  const shell = process.env['SHELL'];
  return new ProcessStream(shell === undefined || shell === '' ? '/bin/sh' : shell, [
    '-c',
    `exec ${command}`,
  ]);
}
