/** An embedded SSH server that stands for one workstation: real SSH, commands run by /bin/sh inside a private root. */
import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Server, utils, type Connection, type ServerChannel } from 'ssh2';

export interface KeyPair {
  readonly private: string;
  readonly public: string;
}

/** ssh2's own generator writes an unreadable ed25519 key once in 200 (mscdex/ssh2#1390): check, and try again. */
export function newKeyPair(): KeyPair {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const pair = utils.generateKeyPairSync('ed25519');
    if (!(utils.parseKey(pair.private) instanceof Error) && !(utils.parseKey(pair.public) instanceof Error))
      return pair;
  }
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 3072,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  return { private: privateKey, public: publicKey };
}

export interface SshHostOptions {
  readonly hostKey: KeyPair;
  /** The one key that may sign in; password instead when given. */
  readonly clientKey: KeyPair | null;
  readonly password?: string;
  readonly user: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** What a login shell might print before the command. */
  readonly banner?: string;
  readonly shell?: string;
}

/** As OpenSSH's MaxSessions. */
const SESSIONS_MAX = 10;

function sameBytes(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function runCommand(
  channel: ServerChannel,
  command: string,
  options: SshHostOptions,
  children: Set<ChildProcess>,
): void {
  const child = spawn(options.shell ?? '/bin/sh', ['-c', command], {
    cwd: options.cwd,
    env: { ...options.env },
    stdio: 'pipe',
  });
  children.add(child);
  if (options.banner !== undefined) channel.write(options.banner);
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  child.stdin.on('error', () => undefined); // the command ended before it read everything
  channel.on('error', () => undefined);
  channel.on('close', () => {
    child.stdin.destroy();
    if (child.exitCode === null) child.kill('SIGHUP');
  });
  child.on('error', (error) => {
    channel.stderr.write(`${error.message}\n`);
    channel.exit(127);
    channel.end();
  });
  child.on('close', (code, signal) => {
    children.delete(child);
    if (signal) channel.exit(signal, false);
    else channel.exit(code ?? 1);
    channel.end();
  });
}

export class SshHost {
  private readonly server: Server;
  private readonly connections = new Set<Connection>();
  private readonly children = new Set<ChildProcess>();
  private readonly options: SshHostOptions;

  constructor(options: SshHostOptions) {
    this.options = options;
    this.server = new Server(
      { hostKeys: [options.hostKey.private], ident: 'OpenSSH_9.2 Tranche-demo' },
      (connection) => {
        this.accept(connection);
      },
    );
  }

  /** The blob that a client sees and pins. */
  get hostKeyBlob(): Buffer {
    const parsed = utils.parseKey(this.options.hostKey.public);
    if (parsed instanceof Error) throw parsed;
    return (Array.isArray(parsed) ? parsed[0] : parsed).getPublicSSH();
  }

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server as never, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  /** Drops every connection without a word, as a cable that is pulled. */
  dropAll(): void {
    for (const connection of this.connections)
      (connection as unknown as { _sock?: { destroy(): void } })._sock?.destroy();
  }

  close(): void {
    this.server.close();
    this.dropAll();
    for (const child of this.children) child.kill('SIGHUP');
  }

  private accept(connection: Connection): void {
    this.connections.add(connection);
    (connection as unknown as { _sock?: { setNoDelay(on: boolean): void } })._sock?.setNoDelay(true);
    connection.on('error', () => undefined); // a client that went away
    connection.on('close', () => this.connections.delete(connection));
    connection.on('authentication', (context) => {
      const { clientKey, password, user } = this.options;
      if (context.username !== user) {
        context.reject(['publickey']);
        return;
      }
      if (context.method === 'publickey' && clientKey) {
        const allowed = utils.parseKey(clientKey.public);
        if (allowed instanceof Error) throw allowed;
        const key = Array.isArray(allowed) ? allowed[0] : allowed;
        const good = context.key.algo === key.type && sameBytes(context.key.data, key.getPublicSSH());
        if (
          good &&
          (!context.signature || key.verify(context.blob, context.signature, context.hashAlgo) === true)
        ) {
          context.accept();
          return;
        }
      }
      if (
        context.method === 'password' &&
        password !== undefined &&
        sameBytes(Buffer.from(context.password), Buffer.from(password))
      ) {
        context.accept();
        return;
      }
      context.reject(password === undefined ? ['publickey'] : ['publickey', 'password']);
    });
    connection.on('ready', () => {
      let sessions = 0;
      connection.on('session', (accept, reject) => {
        if (sessions >= SESSIONS_MAX) {
          reject();
          return;
        }
        sessions += 1;
        const session = accept();
        session.on('close', () => {
          sessions -= 1;
        });
        session.on('exec', (acceptExec, _reject, info) => {
          runCommand(acceptExec(), info.command, this.options, this.children);
        });
      });
    });
  }
}

export const newPassword = (): string => randomBytes(12).toString('hex');
