/** The rows of docs/ssh.md: servers and configs of every kind, from a click to live samples or to one clear sentence. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Prompt } from '../../model/model.ts';
import { newPassword } from '../../electron/lab/ssh-host.ts';
import { startDelayProxy } from '../bench/delay-proxy.ts';
import { whyNoAccounts, type Account } from './support/account.ts';
import { startAsking } from './support/asking-server.ts';
import { makeKey, publicLine, startAgent, whyNoDropbear, whyNoSshd } from './support/openssh.ts';
import { requireBuilt } from './support/private-root.ts';
import { answering, bringLive, logOf, SshLab, type ConfigHost } from './support/ssh-lab.ts';

let lab: SshLab;
beforeAll(requireBuilt);
beforeEach(() => {
  lab = new SshLab();
});
afterEach(() => lab.end());

const fish = ['/usr/bin/fish', '/bin/fish'].find((path) => existsSync(path));
const PAM_PASSWORD = [
  'auth required pam_unix.so',
  'account required pam_permit.so',
  'session required pam_permit.so',
];

interface Row {
  readonly name: string;
  readonly sshd: readonly string[];
  readonly account?: Account;
  readonly config?: Partial<ConfigHost>;
  /** Kinds of the questions that must be asked, in order. */
  readonly asks?: readonly Prompt['kind'][];
  readonly skip?: boolean;
  /** What the server's log must say, or must not. */
  readonly logs?: RegExp;
  readonly logsNot?: RegExp;
  /** An ssh-agent that holds the key, as IdentityAgent. */
  readonly agent?: boolean;
}

const password = newPassword();
const ROWS: readonly Row[] = [
  { name: 'a key, and nothing asked', sshd: [] },
  {
    name: 'a password only',
    sshd: ['PasswordAuthentication yes', 'PubkeyAuthentication no', 'PermitRootLogin yes'],
    account: { password },
    config: { key: false },
    asks: ['password'],
    skip: whyNoAccounts !== null,
  },
  {
    name: 'keyboard-interactive by PAM',
    sshd: [
      'UsePAM yes',
      'KbdInteractiveAuthentication yes',
      'PubkeyAuthentication no',
      'PermitRootLogin yes',
    ],
    account: { password, pam: PAM_PASSWORD },
    config: { key: false },
    asks: ['keyboard'],
    skip: whyNoAccounts !== null,
  },
  {
    name: 'two factors: a key and then keyboard-interactive',
    sshd: [
      'UsePAM yes',
      'KbdInteractiveAuthentication yes',
      'AuthenticationMethods publickey,keyboard-interactive',
      'PermitRootLogin yes',
    ],
    account: { password, pam: PAM_PASSWORD },
    asks: ['keyboard'],
    skip: whyNoAccounts !== null,
  },
  {
    name: 'two factors the other way round',
    sshd: [
      'UsePAM yes',
      'KbdInteractiveAuthentication yes',
      'AuthenticationMethods keyboard-interactive,publickey',
      'PermitRootLogin yes',
    ],
    account: { password, pam: PAM_PASSWORD },
    asks: ['keyboard'],
    skip: whyNoAccounts !== null,
  },
  { name: 'MaxSessions 1', sshd: ['MaxSessions 1'] },
  { name: 'AllowTcpForwarding no', sshd: ['AllowTcpForwarding no', 'AllowStreamLocalForwarding no'] },
  {
    name: 'a ForceCommand that runs what was asked for',
    sshd: ['ForceCommand /bin/sh -c "$SSH_ORIGINAL_COMMAND"'],
  },
  {
    name: 'fish as login shell',
    sshd: [],
    account: { shell: fish ?? '' },
    skip: fish === undefined || whyNoAccounts !== null,
  },
  {
    name: 'a login shell that prints before the command',
    sshd: [],
    account: { shell: 'NOISY' },
    skip: whyNoAccounts !== null,
  },
  { name: 'compression', sshd: ['Compression yes'], config: { lines: ['Compression yes'] } },
  {
    name: 'an agent that is not forwarded unless asked for',
    sshd: ['LogLevel DEBUG1'],
    agent: true,
    logs: /Accepted publickey/,
    logsNot: /auth-agent-req/,
  },
  {
    name: 'an agent that is forwarded when ForwardAgent asks for it',
    sshd: ['LogLevel DEBUG1'],
    agent: true,
    config: { lines: ['ForwardAgent yes'] },
    logs: /auth-agent-req/,
  },
  {
    name: 'an address to bind to',
    sshd: [],
    config: { lines: ['BindAddress 127.0.0.2', 'AddressFamily inet'] },
    logs: /Accepted publickey for \S+ from 127\.0\.0\.2 /,
  },
];

describe.skipIf(whyNoSshd !== null)('a real OpenSSH server becomes live with', () => {
  for (const row of ROWS) {
    it.skipIf(row.skip === true)(row.name, async () => {
      let { account } = row;
      if (account?.shell === 'NOISY') {
        const shell = join(lab.folder, 'noisy');
        writeFileSync(
          shell,
          '#!/bin/sh\necho "Welcome to the lab!"\necho "Quota: 3%" >&2\nexec /bin/sh "$@"\n',
          {
            mode: 0o755,
          },
        );
        account = { ...account, shell };
      }
      const server = await lab.openssh({ extra: row.sshd, ...(account ? { account } : {}) });
      const lines = [...(row.config?.lines ?? [])];
      if (row.agent === true) {
        const agent = startAgent(lab.folder);
        lab.onEnd(() => {
          agent.stop();
        });
        agent.add(server.identityFile, '');
        lines.push(`IdentityAgent ${agent.socket}`);
      }
      const harness = await lab.core([{ name: 'host', server, ...row.config, lines }]);
      const asked = await bringLive(harness, 'ssh:host', () => [password]);
      expect(asked.map(({ kind }) => kind)).toEqual(row.asks ?? []);
      expect(harness.host('ssh:host').gpus).toHaveLength(2);
      // Everything went over one signed-in connection.
      expect(logOf(server).match(/Accepted \S+ for /g)).toHaveLength(1);
      if (row.logs) expect(logOf(server)).toMatch(row.logs);
      if (row.logsNot) expect(logOf(server)).not.toMatch(row.logsNot);
    });
  }

  it('MaxSessions 1, where an upgrade and a link need the place of the agent’s own channel', async () => {
    const server = await lab.openssh({ extra: ['MaxSessions 1'] });
    const harness = await lab.core([{ name: 'host', server }]);
    await bringLive(harness, 'ssh:host');
    await harness.ask('host:deploy', { hostId: 'ssh:host' });
    await harness.untilConnection('ssh:host', 'live');
    await harness.ask('host:link', { hostId: 'ssh:host' });
    await harness.until('it is live', () => harness.host('ssh:host').connection.kind === 'live');
    await harness.ask('host:remove-agent', { hostId: 'ssh:host' });
    await harness.untilConnection('ssh:host', 'preview');
  });

  it.skipIf(whyNoAccounts !== null)('a Banner, shown plain with the question for the password', async () => {
    const banner = join(lab.folder, 'banner');
    writeFileSync(banner, 'Authorized use only.\n\u001b[31mRed\u001b[0m\n');
    const server = await lab.openssh({
      extra: [
        `Banner ${banner}`,
        'PasswordAuthentication yes',
        'PermitRootLogin yes',
        'PubkeyAuthentication no',
      ],
      account: { password },
    });
    const harness = await lab.core([{ name: 'host', server, key: false }]);
    const [asked] = await bringLive(harness, 'ssh:host', () => [password]);
    expect(asked).toMatchObject({ kind: 'password', banner: 'Authorized use only.\n[31mRed[0m' });
  });

  it('no SFTP subsystem, which is not used', async () => {
    const server = await lab.openssh();
    const harness = await lab.core([{ name: 'host', server }]);
    const sftp = spawnSync(
      'ssh',
      ['-F', join(lab.folder, 'config'), '-o', 'BatchMode=yes', 'host', '-s', 'sftp'],
      { encoding: 'utf8', timeout: 10_000 },
    );
    expect(sftp.stderr).toMatch(/subsystem request failed/);
    await bringLive(harness, 'ssh:host');
  });

  it.each([50, 300])('%i ms of added delay', async (roundTripMs) => {
    const server = await lab.openssh();
    const proxy = await startDelayProxy(server.port, roundTripMs);
    lab.onEnd(() => {
      proxy.stop();
    });
    const harness = await lab.core([{ name: 'host', server, port: proxy.port }]);
    await bringLive(harness, 'ssh:host');
  });

  it('two hops, each with its own key and host key', async () => {
    const [outer, middle, server] = [
      await lab.openssh({}, false),
      await lab.openssh({}, false),
      await lab.openssh(),
    ];
    const harness = await lab.core([
      { name: 'outer', server: outer },
      { name: 'middle', server: middle },
      { name: 'host', server, lines: [`ProxyJump outer,${middle.user}@middle:${String(middle.port)}`] },
      { name: 'twin', server, lines: [`ProxyJump outer,middle`] },
    ]);
    await bringLive(harness, 'ssh:host');
    await harness.ask('host:connect', { hostId: 'ssh:twin' });
    await harness.untilConnection('ssh:twin', 'live');
    // The twin came over the same two connections, and keeps them when the first host leaves.
    for (const hop of [outer, middle]) expect(logOf(hop).match(/Accepted publickey/g)).toHaveLength(1);
    await harness.ask('host:disconnect', { hostId: 'ssh:host' });
    const { seq } = await harness.until('a sample of the twin', () => harness.samples.get('ssh:twin'));
    await harness.until('another one', () => (harness.samples.get('ssh:twin')?.seq ?? 0) > seq);
    await harness.ask('host:disconnect', { hostId: 'ssh:twin' });
    await harness.until('the gateway is left', () =>
      /Disconnected from|Connection closed/.test(logOf(outer)),
    );
  });

  it.skipIf(whyNoAccounts !== null)('a gateway with two factors before three hosts, asked once', async () => {
    const gate = await lab.openssh(
      {
        extra: [
          'UsePAM yes',
          'KbdInteractiveAuthentication yes',
          'AuthenticationMethods publickey,keyboard-interactive',
          'PermitRootLogin yes',
        ],
        account: { password, pam: PAM_PASSWORD },
      },
      false,
    );
    const server = await lab.openssh();
    const names = ['one', 'two', 'three'];
    const harness = await lab.core([
      { name: 'gate', server: gate },
      ...names.map((name) => ({ name, server, lines: ['ProxyJump gate'] })),
    ]);
    for (const name of names) await harness.ask('host:connect', { hostId: `ssh:${name}` });
    const asked = await answering(
      harness,
      names.map((name) => `ssh:${name}`),
      () => [password],
      () => names.every((name) => harness.host(`ssh:${name}`).connection.kind === 'preview'),
    );
    expect(asked).toHaveLength(1);
    expect(logOf(gate).match(/Accepted keyboard-interactive/g)).toHaveLength(1);
  });

  it('a ProxyCommand', async () => {
    const [gate, server] = [await lab.openssh({}, false), await lab.openssh()];
    const config = join(lab.folder, 'config');
    const harness = await lab.core([
      { name: 'gate', server: gate },
      { name: 'host', server, lines: [`ProxyCommand ssh -F ${config} -W %h:%p gate`] },
    ]);
    await bringLive(harness, 'ssh:host');
    expect(logOf(gate)).toMatch(/Accepted publickey/);
  });

  it('a key in known_hosts by alias, in the second of two files, hashed', async () => {
    const server = await lab.openssh();
    const second = join(lab.folder, 'second');
    const lines = [
      'HostKeyAlias Lab-GPU',
      'StrictHostKeyChecking yes',
      `UserKnownHostsFile ${join(lab.folder, 'known_hosts')} ${second}`,
    ];
    writeFileSync(second, `lab-gpu ${server.hostKeyLine}\n`);
    execFileSync('ssh-keygen', ['-q', '-H', '-f', second], { stdio: 'ignore' });
    const harness = await lab.core([{ name: 'host', server, known: false, lines }]);
    await bringLive(harness, 'ssh:host');
  });
});

interface Refusal {
  readonly name: string;
  readonly sshd?: readonly string[];
  readonly lines?: readonly string[];
  readonly known?: (server: { readonly port: number; readonly hostKeyLine: string }) => string;
  readonly code: string;
  readonly says: RegExp;
  readonly kind?: 'failed' | 'blocked';
}
const at = (port: number) => `[127.0.0.1]:${String(port)}`;
const otherKey = (): string => {
  const path = join(lab.folder, 'other');
  makeKey(path);
  return publicLine(`${path}.pub`);
};

const REFUSALS: readonly Refusal[] = [
  {
    name: 'a changed host key',
    known: ({ port }) => `${at(port)} ${otherKey()}\n`,
    code: 'host-key-changed',
    says: /line 1.*Nothing was sent/,
    kind: 'blocked',
  },
  {
    name: 'a changed host key, also when checking is off',
    known: ({ port }) => `${at(port)} ${otherKey()}\n`,
    lines: ['StrictHostKeyChecking no'],
    code: 'host-key-changed',
    says: /Nothing was sent/,
    kind: 'blocked',
  },
  {
    name: 'a revoked host key',
    known: ({ port, hostKeyLine }) => `${at(port)} ${hostKeyLine}\n@revoked * ${hostKeyLine}\n`,
    code: 'host-key-revoked',
    says: /no way past this/,
    kind: 'blocked',
  },
  {
    name: 'an unknown host key under StrictHostKeyChecking yes',
    known: () => '',
    lines: ['StrictHostKeyChecking yes'],
    code: 'host-key-unknown',
    says: /StrictHostKeyChecking is yes/,
  },
  {
    name: 'an unknown host key under BatchMode',
    known: () => '',
    lines: ['BatchMode yes'],
    code: 'host-key-unknown',
    says: /BatchMode/,
  },
  {
    name: 'a ForceCommand that does something else',
    sshd: ['ForceCommand echo This account only runs backups.'],
    code: 'shell-unusable',
    says: /let us in/,
  },
  {
    name: 'a ProxyCommand that fails',
    lines: ['ProxyCommand echo no route to gate >&2; exit 1'],
    code: 'proxy-failed',
    says: /said: no route to gate/,
  },
  {
    name: 'a ProxyCommand that does not exist',
    lines: ['ProxyCommand /nonexistent/proxy %h %p'],
    code: 'proxy-failed',
    says: /\/nonexistent\/proxy 127\.0\.0\.1/,
  },
  {
    name: 'a ProxyCommand that never speaks',
    lines: ['ProxyCommand sleep 60', 'ConnectTimeout 1'],
    code: 'proxy-failed',
    says: /no connection within 1 s/,
  },
  {
    name: 'a jump host that is not there',
    lines: ['ProxyJump 127.0.0.1:1'],
    code: 'host-unreachable',
    says: /On the way to host: .*127\.0\.0\.1:1\b/,
  },
];

describe.skipIf(whyNoSshd !== null)('one clear sentence, and nothing sent, for', () => {
  it.each(REFUSALS)('$name', async ({ sshd, lines, known, code, says, kind = 'failed' }) => {
    const server = await lab.openssh({ extra: sshd ?? [] });
    const harness = await lab.core([{ name: 'host', server, ...(lines ? { lines } : {}) }]);
    if (known) writeFileSync(lab.knownHosts, known(server));
    await harness.ask('host:connect', { hostId: 'ssh:host' });
    const { failure } = await harness.untilConnection('ssh:host', kind);
    expect(failure.code).toBe(code);
    expect(failure.message).toMatch(says);
    expect(failure.message).toMatch(/Nothing was|nothing was/);
    if (code.startsWith('host-key')) expect(logOf(server)).not.toMatch(/Accepted/);
  });

  it('a jump host that does not forward', async () => {
    const gate = await lab.openssh({ extra: ['AllowTcpForwarding no'] }, false);
    const server = await lab.openssh();
    const harness = await lab.core([
      { name: 'gate', server: gate },
      { name: 'host', server, lines: ['ProxyJump gate'] },
    ]);
    await harness.ask('host:connect', { hostId: 'ssh:host' });
    const { failure } = await harness.untilConnection('ssh:host', 'failed');
    expect(failure).toMatchObject({
      code: 'jump-failed',
      detail: expect.stringMatching(/open failed/) as string,
    });
    expect(failure.message).toMatch(/gate does not forward to 127\.0\.0\.1/);
  });

  it('a changed key of a jump host, before anything is sent through it', async () => {
    const [gate, server] = [await lab.openssh({}, false), await lab.openssh()];
    const harness = await lab.core([
      { name: 'gate', server: { ...gate, hostKeyLine: otherKey() } },
      { name: 'host', server, lines: ['ProxyJump gate'] },
    ]);
    await harness.ask('host:connect', { hostId: 'ssh:host' });
    const { failure } = await harness.untilConnection('ssh:host', 'blocked');
    expect(failure.message).toMatch(/On the way to host: gate showed another key/);
    expect(logOf(gate)).not.toMatch(/Accepted/);
  });
});

describe('keyboard-interactive with prompts of the server’s own', () => {
  // PAM on this machine has no module that asks for two things at once, one of them shown: an ssh2 server does.
  it('shows each as the server words it, hidden or not, and sends the answers in order', async () => {
    const server = await startAsking((answers) => answers.join() === 'mira,12 34 56');
    lab.onEnd(() => {
      server.stop();
    });
    const harness = await lab.core([{ name: 'host', server }]);
    await harness.ask('host:connect', { hostId: 'ssh:host' });
    const asked = await answering(
      harness,
      'ssh:host',
      () => ['mira', '12 34 56'],
      () => harness.host('ssh:host').connection.kind === 'preview',
    );
    expect(asked).toMatchObject([
      {
        kind: 'keyboard',
        name: 'Lab login',
        instructions: 'Be quick.',
        questions: [
          { text: 'Badge name: ', echo: true },
          { text: '[31mCode: ', echo: false },
        ],
      },
    ]);
  });

  it('stops after three refused answers, over all methods', async () => {
    const server = await startAsking(() => false);
    lab.onEnd(() => {
      server.stop();
    });
    const harness = await lab.core([{ name: 'host', server }]);
    await harness.ask('host:connect', { hostId: 'ssh:host' });
    const failed = () => harness.host('ssh:host').connection.kind === 'failed';
    const asked = await answering(harness, 'ssh:host', () => ['wrong', 'wrong'], failed);
    expect(asked).toHaveLength(3);
  });
});

describe.skipIf(whyNoDropbear !== null)('a real dropbear becomes live with', () => {
  it.each([
    ['a key', undefined, []],
    ['a password', password, ['password']],
  ] as const)('%s', async (_label, secret, kinds) => {
    const server = await lab.dropbear(secret === undefined ? {} : { password: secret });
    const harness = await lab.core([{ name: 'host', server, key: secret === undefined }]);
    const asked = await bringLive(harness, 'ssh:host', () => (secret === undefined ? null : [secret]));
    expect(asked.map(({ kind }) => kind)).toEqual(kinds);
    expect(readFileSync(join(server.folder, 'log'), 'utf8')).toMatch(/auth succeeded/i);
  });
});
