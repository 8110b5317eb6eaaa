/** A real OpenSSH server on loopback, started by hand with a configuration of the test's. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { spawnWithAccount, whyNoAccounts, type Account } from './account.ts';
import type { Netns } from './netns.ts';

const START_TIMEOUT_MS = 10_000;
const SSHD = ['/usr/sbin/sshd', '/usr/bin/sshd'].find((path) => existsSync(path)) ?? null;

/** Where no sshd is installed, a test is skipped; in CI that counts as a failure. */
export const whyNoSshd: string | null = SSHD === null ? 'no OpenSSH server is installed' : null;

export interface OpenSsh {
  readonly port: number;
  readonly folder: string;
  readonly identityFile: string;
  readonly user: string;
  readonly hostKeyLine: string;
  stop(): void;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listens(port: number, address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, address);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => {
      resolve(false);
    });
  });
}

export function makeKey(path: string, passphrase = ''): void {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-f', path]);
}

/** A real ssh-agent in `folder`. */
export function startAgent(folder: string): {
  readonly socket: string;
  add(keyFile: string, passphrase: string): void;
  stop(): void;
} {
  const socket = join(folder, 'agent.sock');
  const started = execFileSync('ssh-agent', ['-s', '-a', socket], { encoding: 'utf8' });
  const pid = Number(/SSH_AGENT_PID=(\d+)/.exec(started)?.[1]);
  const askpass = join(folder, 'askpass');
  return {
    socket,
    add: (keyFile, passphrase) => {
      writeFileSync(askpass, `#!/bin/sh\necho '${passphrase}'\n`, { mode: 0o700 });
      execFileSync('ssh-add', [keyFile], {
        env: {
          ...process.env,
          SSH_AUTH_SOCK: socket,
          SSH_ASKPASS: askpass,
          SSH_ASKPASS_REQUIRE: 'force',
          DISPLAY: ':0',
        },
        stdio: 'ignore',
      });
    },
    stop: () => {
      process.kill(pid, 'SIGTERM');
    },
  };
}

export interface OpenSshOptions {
  /** Reaches every session by SetEnv. */
  readonly env?: Record<string, string>;
  /** Lines of sshd_config, before the others: the first one of a keyword counts. */
  readonly extra?: readonly string[];
  readonly passphrase?: string;
  readonly account?: Account;
  /** A network of its own, with a cable that can be pulled. */
  readonly netns?: Netns;
}

async function untilListening(
  port: number,
  child: ChildProcess,
  log: string,
  address = '127.0.0.1',
): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await listens(port, address))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill('SIGTERM');
      throw new Error(`the server did not start: ${existsSync(log) ? readFileSync(log, 'utf8') : 'no log'}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function makeKeys(passphrase = ''): string {
  const folder = mkdtempSync(join(tmpdir(), 'tranche-sshd-'));
  makeKey(join(folder, 'host_key'));
  makeKey(join(folder, 'client_key'), passphrase);
  writeFileSync(join(folder, 'authorized_keys'), readFileSync(join(folder, 'client_key.pub')), {
    mode: 0o600,
  });
  return folder;
}

const described = (folder: string, port: number, child: ChildProcess): OpenSsh => ({
  port,
  folder,
  identityFile: join(folder, 'client_key'),
  user: userInfo().username,
  hostKeyLine: publicLine(join(folder, 'host_key.pub')),
  stop: () => {
    child.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  },
});

/** `ssh-ed25519 AAAA…`, without the comment. */
export const publicLine = (path: string): string =>
  readFileSync(path, 'utf8').trim().split(' ').slice(0, 2).join(' ');

export async function startOpenSsh(options: OpenSshOptions = {}): Promise<OpenSsh> {
  if (SSHD === null) throw new Error(whyNoSshd ?? '');
  const folder = makeKeys(options.passphrase);
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const port = await freePort();
  // SHLVL=2 keeps bash from reading ~/.bashrc as a network shell.
  const env = Object.entries({ SHLVL: '2', ...options.env }).map(([key, value]) => `${key}=${value}`);
  const config = [
    ...(options.extra ?? []),
    `Port ${String(port)}`,
    `ListenAddress ${options.netns?.address ?? '127.0.0.1'}`,
    `HostKey ${join(folder, 'host_key')}`,
    `PidFile ${join(folder, 'pid')}`,
    `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    `SetEnv ${env.join(' ')}`,
  ];
  writeFileSync(join(folder, 'sshd_config'), `${config.join('\n')}\n`);
  const log = join(folder, 'log');
  const args = ['-D', '-f', join(folder, 'sshd_config'), '-E', log];
  const child =
    options.account !== undefined
      ? spawnWithAccount(folder, options.account, SSHD, args, 'ignore')
      : options.netns !== undefined
        ? options.netns.spawn(SSHD, args)
        : spawn(SSHD, args, { stdio: 'ignore' });
  await untilListening(port, child, log, options.netns?.address);
  return described(folder, port, child);
}

const DROPBEAR = ['/usr/sbin/dropbear', '/usr/bin/dropbear'].find((path) => existsSync(path)) ?? null;
export const whyNoDropbear: string | null =
  DROPBEAR === null ? 'no dropbear is installed (Debian: dropbear-bin)' : whyNoAccounts;

/** A real dropbear, the server of many small machines. Its keys are where the account's home is. */
export async function startDropbear(options: {
  readonly env: Record<string, string>;
  readonly home: string;
  readonly password?: string;
}): Promise<OpenSsh> {
  if (DROPBEAR === null) throw new Error(whyNoDropbear ?? '');
  const folder = makeKeys();
  mkdirSync(join(options.home, '.ssh'), { recursive: true, mode: 0o700 });
  writeFileSync(join(options.home, '.ssh/authorized_keys'), readFileSync(join(folder, 'authorized_keys')), {
    mode: 0o600,
  });
  execFileSync('dropbearkey', ['-t', 'ed25519', '-f', join(folder, 'dropbear_key')], { stdio: 'ignore' });
  const shown = execFileSync('dropbearkey', ['-y', '-f', join(folder, 'dropbear_key')], { encoding: 'utf8' });
  writeFileSync(
    join(folder, 'host_key.pub'),
    shown.split('\n').find((line) => line.startsWith('ssh-')) ?? '',
  );
  const port = await freePort();
  // A shell that gives sessions the environment of the private root, as SetEnv does for OpenSSH.
  const shell = join(folder, 'shell');
  const exports = Object.entries(options.env).map(([key, value]) => `export ${key}='${value}'`);
  writeFileSync(shell, `#!/bin/sh\n${exports.join('\n')}\nexec /bin/sh "$@"\n`, { mode: 0o755 });
  const log = join(folder, 'log');
  const output = openSync(log, 'w');
  const account = {
    home: options.home,
    shell,
    ...(options.password === undefined ? {} : { password: options.password }),
  };
  const address = `127.0.0.1:${String(port)}`;
  const args = ['-F', '-E', '-p', address, '-r', join(folder, 'dropbear_key'), '-P', join(folder, 'pid')];
  const child = spawnWithAccount(folder, account, DROPBEAR, args, ['ignore', output, output]);
  closeSync(output);
  await untilListening(port, child, log);
  return described(folder, port, child);
}

/** An ssh config with one entry per host, as a user would have it. */
export function writeConfig(
  folder: string,
  hosts: readonly {
    readonly name: string;
    readonly port: number;
    readonly user: string;
    readonly identityFile?: string;
    readonly lines?: readonly string[];
  }[],
): string {
  const path = join(folder, 'config');
  const text = hosts.map((host) =>
    [
      `Host ${host.name}`,
      // The first one of a keyword counts, so a test's own lines come first.
      ...(host.lines ?? []).map((line) => `  ${line}`),
      '  HostName 127.0.0.1',
      `  Port ${String(host.port)}`,
      `  User ${host.user}`,
      '  IdentitiesOnly yes',
      ...(host.identityFile === undefined ? [] : [`  IdentityFile ${host.identityFile}`]),
      `  UserKnownHostsFile ${join(folder, 'known_hosts')}`,
      '  GlobalKnownHostsFile /dev/null',
    ].join('\n'),
  );
  writeFileSync(path, `${text.join('\n')}\n`);
  return path;
}
