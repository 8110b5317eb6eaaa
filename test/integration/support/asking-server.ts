/** An ssh2 server that asks two things at once by keyboard-interactive, and offers a password after that. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Server, utils } from 'ssh2';
import { newKeyPair } from '../../../electron/lab/ssh-host.ts';

export interface AskingServer {
  readonly port: number;
  readonly user: string;
  readonly hostKeyLine: string;
  stop(): void;
}

export async function startAsking(accepts: (answers: readonly string[]) => boolean): Promise<AskingServer> {
  const hostKey = newKeyPair();
  const server = new Server({ hostKeys: [hostKey.private], ident: 'OpenSSH_9.2 asking' }, (connection) => {
    connection.on('error', () => undefined); // a client that went away
    connection.on('authentication', (context) => {
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
    });
    connection.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, { command }) => {
        const channel = acceptExec();
        const child = spawn('/bin/sh', ['-c', command], {
          env: { HOME: '/nonexistent', PATH: '/usr/bin:/bin' },
        });
        channel.pipe(child.stdin);
        child.stdout.pipe(channel, { end: false });
        child.on('close', (code) => {
          channel.exit(code ?? 1);
          channel.end();
        });
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server as never, 'listening');
  const parsed = utils.parseKey(hostKey.public);
  if (parsed instanceof Error) throw parsed;
  return {
    port: (server.address() as AddressInfo).port,
    user: 'mira',
    hostKeyLine: hostKey.public.split(' ').slice(0, 2).join(' '),
    stop: () => {
      server.close();
    },
  };
}
