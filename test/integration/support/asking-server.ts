/** ssh2 servers that sign people in as a test says, run what they are told in /bin/sh, and forward. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { Server, utils, type AuthContext, type Connection, type KeyboardAuthContext } from 'ssh2';
import { newKeyPair } from '../../../electron/lab/ssh-host.ts';

export interface AskingServer {
  readonly port: number;
  readonly user: string;
  readonly hostKeyLine: string;
  /** Ends every connection, as a network that goes away does. */
  drop(): void;
  /** When connections came, in ms of `Date.now()`. */
  readonly connectedAtMs: readonly number[];
  stop(): void;
}

export interface ServerOptions {
  readonly authenticate: (context: AuthContext) => void;
  /** Told once somebody is in. */
  readonly onReady?: (connection: Connection) => void;
  readonly env?: Record<string, string>;
}

export async function startServer(options: ServerOptions): Promise<AskingServer> {
  const hostKey = newKeyPair();
  const connections = new Set<Connection>();
  const connectedAtMs: number[] = [];
  const server = new Server({ hostKeys: [hostKey.private], ident: 'OpenSSH_9.2 asking' }, (connection) => {
    connections.add(connection);
    connectedAtMs.push(Date.now());
    connection.on('close', () => connections.delete(connection));
    connection.on('error', () => undefined); // a client that went away
    connection.on('authentication', options.authenticate);
    connection.on('ready', () => options.onReady?.(connection));
    connection.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, { command }) => {
        const channel = acceptExec();
        const child = spawn('/bin/sh', ['-c', command], {
          env: { HOME: '/nonexistent', PATH: '/usr/bin:/bin', ...options.env },
        });
        channel.pipe(child.stdin);
        child.stdin.on('error', () => undefined); // it ended before it read all
        child.stdout.pipe(channel, { end: false });
        child.on('close', (code) => {
          channel.exit(code ?? 1);
          channel.end();
        });
      });
    });
    connection.on('tcpip', (accept, reject, { destIP, destPort }) => {
      const socket = connect(destPort, destIP);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.on('error', () => undefined); // the other end tells
        const channel = accept();
        channel.on('error', () => undefined);
        socket.pipe(channel).pipe(socket);
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server as never, 'listening');
  const parsed = utils.parseKey(hostKey.public);
  if (parsed instanceof Error) throw parsed;
  const drop = (): void => {
    for (const connection of connections) connection.end();
  };
  return {
    port: (server.address() as AddressInfo).port,
    user: 'mira',
    hostKeyLine: hostKey.public.split(' ').slice(0, 2).join(' '),
    drop,
    connectedAtMs,
    stop: () => {
      drop();
      server.close();
    },
  };
}

/** One conversation by keyboard-interactive, everything else refused. `ask` shows a round and brings its answers. */
export const byKeyboard =
  (
    converse: (
      ask: (prompts: readonly string[], instructions?: string) => Promise<readonly string[]>,
      context: KeyboardAuthContext,
    ) => Promise<boolean>,
  ): ServerOptions['authenticate'] =>
  (context) => {
    if (context.method !== 'keyboard-interactive') {
      context.reject(['keyboard-interactive']);
      return;
    }
    const ask = (prompts: readonly string[], instructions = ''): Promise<readonly string[]> =>
      new Promise((resolve) => {
        context.prompt(
          prompts.map((prompt) => ({ prompt, echo: false })),
          '',
          instructions,
          (answers) => {
            resolve(answers);
          },
        );
      });
    void converse(ask, context).then((good) => {
      if (good) context.accept();
      else context.reject(['keyboard-interactive']);
    });
  };

/** Asks two things at once by keyboard-interactive, and offers a password after that. */
export function startAsking(accepts: (answers: readonly string[]) => boolean): Promise<AskingServer> {
  return startServer({
    authenticate: (context) => {
      if (context.method !== 'keyboard-interactive') {
        context.reject(['keyboard-interactive', 'password']);
        return;
      }
      const prompts = [
        { prompt: 'Badge name: ', echo: true },
        { prompt: '\u001b[31mCode: ', echo: false },
      ];
      context.prompt(prompts, 'Lab login', 'Be quick.', (answers) => {
        if (accepts(answers)) context.accept();
        else context.reject(['keyboard-interactive', 'password']);
      });
    },
  });
}
