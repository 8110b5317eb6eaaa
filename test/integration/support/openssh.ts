/** A real OpenSSH server on loopback, started by hand with a configuration of the test's. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

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

async function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
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

/** `env` reaches every session by SetEnv; `extra` is appended to sshd_config as it is. */
export async function startOpenSsh(
  options: {
    readonly env?: Record<string, string>;
    readonly extra?: readonly string[];
    readonly passphrase?: string;
  } = {},
): Promise<OpenSsh> {
  if (SSHD === null) throw new Error(whyNoSshd ?? '');
  const folder = mkdtempSync(join(tmpdir(), 'tranche-sshd-'));
  makeKey(join(folder, 'host_key'));
  makeKey(join(folder, 'client_key'), options.passphrase ?? '');
  writeFileSync(join(folder, 'authorized_keys'), readFileSync(join(folder, 'client_key.pub')), {
    mode: 0o600,
  });
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const port = await freePort();
  // SHLVL=2 keeps bash from reading ~/.bashrc as a network shell.
  const env = Object.entries({ SHLVL: '2', ...options.env }).map(([key, value]) => `${key}=${value}`);
  const config = [
    `Port ${String(port)}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${join(folder, 'host_key')}`,
    `PidFile ${join(folder, 'pid')}`,
    `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    `SetEnv ${env.join(' ')}`,
    ...(options.extra ?? []),
  ];
  writeFileSync(join(folder, 'sshd_config'), `${config.join('\n')}\n`);
  const child: ChildProcess = spawn(
    SSHD,
    ['-D', '-f', join(folder, 'sshd_config'), '-E', join(folder, 'log')],
    { stdio: 'ignore' },
  );
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await listens(port))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      throw new Error(
        `sshd did not start: ${existsSync(join(folder, 'log')) ? readFileSync(join(folder, 'log'), 'utf8') : 'no log'}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    port,
    folder,
    identityFile: join(folder, 'client_key'),
    user: userInfo().username,
    hostKeyLine: readFileSync(join(folder, 'host_key.pub'), 'utf8').split(' ').slice(0, 2).join(' '),
    stop: () => {
      child.kill('SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    },
  };
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
      '  HostName 127.0.0.1',
      `  Port ${String(host.port)}`,
      `  User ${host.user}`,
      ...(host.lines?.some((line) => line.startsWith('IdentitiesOnly')) === true
        ? []
        : ['  IdentitiesOnly yes']),
      ...(host.identityFile === undefined ? [] : [`  IdentityFile ${host.identityFile}`]),
      `  UserKnownHostsFile ${join(folder, 'known_hosts')}`,
      '  GlobalKnownHostsFile /dev/null',
      ...(host.lines ?? []).map((line) => `  ${line}`),
    ].join('\n'),
  );
  writeFileSync(path, `${text.join('\n')}\n`);
  return path;
}
