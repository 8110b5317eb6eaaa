import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAddress } from '../../../electron/core/ssh/address.ts';
import { listConfigHosts } from '../../../electron/core/ssh/config-hosts.ts';
import { expandPath, expandTokens, splitPaths, type TokenValues } from '../../../electron/core/ssh/expand.ts';
import { resolveName, resolveTarget, type ResolveOptions } from '../../../electron/core/ssh/resolve.ts';
import type { SshTarget } from '../../../electron/core/ssh/target.ts';

let home: string;
let options: ResolveOptions;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'ssh-home-'));
  mkdirSync(join(home, '.ssh/more'), { recursive: true });
  const config = join(home, '.ssh/config');
  writeFileSync(
    config,
    `Include ${home}/.ssh/more/*.conf
Host hopper
  HostName hopper.cs.example
  User mira
  Port 2200
  IdentityFile ~/keys/%h-%r-%n
  ConnectTimeout 7
Host behind
  HostName 10.1.2.3
  ProxyJump hopper
Host far
  ProxyJump root@hopper:2022,ssh://lab@turing:2023
Host deep
  ProxyJump far
Host alone
  ProxyJump none
Host tokens
  HostName inner.example
  Port 2200
  User mira
  ProxyJump %r@gate-%n,100%%-%p
Host gate-*
  HostName gw-%h
Host by-address
  HostName 10.1.2.4
  ProxyJump root@via-%h:2022
Host foo:2222
  HostName whole.example
Host round
  ProxyJump about
Host about
  ProxyJump round
Host command
  HostName inner.example
  User mira
  ProxyCommand nc -q0 %h %p %r@%n 100%%
Host everything
  HostKeyAlias lab-gpu
  IdentityFile ~/keys/one
  IdentityFile ~/keys/two
  IdentitiesOnly yes
  IdentityAgent none
  CertificateFile ~/keys/one-cert.pub
  ForwardAgent yes
  StrictHostKeyChecking accept-new
  HashKnownHosts yes
  GlobalKnownHostsFile none
  ServerAliveInterval 7
  ServerAliveCountMax 4
  AddressFamily inet6
  BindAddress 127.0.0.2
  PreferredAuthentications password,publickey,gssapi-with-mic
  PubkeyAuthentication no
  NumberOfPasswordPrompts 2
Host onepassword
  IdentityAgent "~/Library/Group Containers/2BUA8C4S2C.com.1password/t/agent.sock"
  ForwardAgent yes
Host envagent
  IdentityAgent SSH_AUTH_SOCK
Host strict-yes
  StrictHostKeyChecking yes
Host strict-off
  StrictHostKeyChecking off
Host *.wild !not.wild
  User someone
Host *
  UserKnownHostsFile ${home}/.ssh/known_hosts ${home}/.ssh/other
`,
  );
  writeFileSync(join(home, '.ssh/more/lab.conf'), 'Host turing "lovelace"\n  User lab\n');
  writeFileSync(join(home, '.ssh/more/ignored.txt'), 'Host ignored\n');
  options = { configFile: config, sshBinary: 'ssh', home, agentSocket: '/agent.sock' };
});
afterAll(() => {
  rmSync(home, { recursive: true, force: true });
});

const LISTED =
  'about alone behind by-address command deep envagent everything far foo:2222 hopper lovelace onepassword round strict-off strict-yes tokens turing'.split(
    ' ',
  );

describe('listConfigHosts', () => {
  it('follows Include, hides patterns, survives a config that includes itself', async () => {
    const looped = join(home, '.ssh/looped');
    writeFileSync(looped, `Include looped\nInclude config\n`);
    const { names, notes } = await listConfigHosts(looped, home);
    expect([...names].sort()).toEqual(LISTED);
    expect(notes).toEqual([]);
  });

  it.each([
    ["Host gpu1 # the lab's box", ['gpu1']],
    ['Host=gpu1', ['gpu1']],
    ['host = gpu1\tgpu2', ['gpu1', 'gpu2']],
    ['Host \'single\' "double"', ['single', 'double']],
    ['Host "my host"', ['my host']],
    ['Host a\\ b', ['a b']],
    ['Host one !two th*ee -x', ['one']],
    ['Host "open', []],
    ['#Host commented', []],
    ['Hostname not-a-host', []],
  ])('reads “%s” as ssh does, and the lines around it', async (line, expected) => {
    const path = join(home, '.ssh/lines');
    writeFileSync(path, `Host first\n  ProxyCommand ends in \\\n${line}\n  User x\nHost last\n`);
    expect((await listConfigHosts(path, home)).names).toEqual(['first', ...expected, 'last']);
  });

  it('says how many hosts it leaves out, and takes no hidden file and no name that cannot be seen', async () => {
    const path = join(home, '.ssh/long');
    writeFileSync(path, Array.from({ length: 5001 }, (_, n) => `Host h${String(n)}\n`).join(''));
    const long = await listConfigHosts(path, home);
    expect(long.names).toHaveLength(5000);
    expect(long.notes).toEqual([expect.stringMatching(/5001 hosts; the first 5000/)]);
    mkdirSync(join(home, '.ssh/conf.d'));
    for (const name of ['real', '.real.swp'])
      writeFileSync(join(home, '.ssh/conf.d', name), `Host of-${name.replaceAll('.', '-')}\n`);
    writeFileSync(path, `Include conf.d/*\nHost \u202eliame\n`);
    const shown = await listConfigHosts(path, home);
    expect(shown.names).toEqual(['of-real']);
    expect(shown.notes).toEqual([expect.stringMatching(/invisible characters/)]);
  });

  it('lists the hosts of the whole computer after one’s own', async () => {
    const system = join(home, 'etc/ssh_config');
    mkdirSync(join(home, 'etc/more'), { recursive: true });
    writeFileSync(system, 'Include more/*.conf\nHost cluster\n');
    writeFileSync(join(home, 'etc/more/a.conf'), 'Host node1\n');
    const { names } = await listConfigHosts(null, home, system);
    expect(names.slice(-2)).toEqual(['node1', 'cluster']);
    expect((await listConfigHosts(join(home, '.ssh/config'), home, system)).names).not.toContain('cluster');
  });

  it('takes a missing config for an empty one', async () => {
    expect(await listConfigHosts(join(home, 'none'), home)).toEqual({
      names: [],
      notes: [],
      files: [join(home, 'none')],
    });
  });
});

describe.each([
  ['ssh -G', 'ssh'],
  ['the parser, where no ssh is installed', '/nonexistent/ssh'],
])('resolveTarget by %s', (_label, sshBinary) => {
  it('takes host name, user, port and identity from the config', async () => {
    const target = await resolveTarget('hopper', { ...options, sshBinary });
    expect(target).toMatchObject({
      ok: true,
      value: {
        name: 'hopper',
        hostName: 'hopper.cs.example',
        user: 'mira',
        port: 2200,
        connectTimeoutMs: 7000,
        identityAgent: '/agent.sock',
        jump: null,
      },
    });
    if (!target.ok) return;
    expect(target.value.identityFiles[0]).toBe(join(home, 'keys/hopper.cs.example-mira-hopper'));
    expect(target.value.userKnownHostsFiles).toEqual([
      join(home, '.ssh/known_hosts'),
      join(home, '.ssh/other'),
    ]);
  });

  it('resolves one jump host by its own entry', async () => {
    const target = await resolveTarget('behind', { ...options, sshBinary });
    expect(target).toMatchObject({
      ok: true,
      value: { hostName: '10.1.2.3', jump: { hostName: 'hopper.cs.example', port: 2200 } },
    });
  });

  const resolve = async (name: string): Promise<SshTarget> => {
    const target = await resolveTarget(name, { ...options, sshBinary });
    if (!target.ok) throw new Error(target.error.message);
    return target.value;
  };

  it('chains hops as typed, each with what the config says of it', async () => {
    expect(await resolve('far')).toMatchObject({
      jump: {
        hostName: 'turing',
        user: 'lab',
        port: 2023,
        jump: { hostName: 'hopper.cs.example', user: 'root', port: 2022, jump: null },
      },
    });
    expect(await resolve('deep')).toMatchObject({ jump: { name: 'far', jump: { hostName: 'turing' } } });
    expect(await resolve('alone')).toMatchObject({ jump: null, proxyCommand: null });
  });

  it('expands what may stand in ProxyJump by what is known of the host at its end', async () => {
    const host = await resolve('tokens');
    expect(host.jump).toMatchObject({ name: '100%-2200', hostName: '100%-2200' });
    expect(host.jump?.jump).toMatchObject({
      name: 'mira@gate-tokens',
      user: 'mira',
      hostName: 'gw-gate-tokens',
    });
    expect((await resolve('by-address')).jump).toMatchObject({
      user: 'root',
      hostName: 'via-10.1.2.4',
      port: 2022,
    });
  });

  it('looks a name of the config up whole, as ssh does', async () => {
    const named = await resolveName('foo:2222', { ...options, sshBinary });
    expect(named.ok && named.value).toMatchObject({ hostName: 'whole.example', port: 22 });
  });

  it('names the hosts of a circle', async () => {
    const target = await resolveTarget('round', { ...options, sshBinary });
    expect(target.ok).toBe(false);
    if (!target.ok) expect(target.error.message).toMatch(/circle: round ← about ← round/);
  });

  it('expands a ProxyCommand', async () => {
    const { proxyCommand } = await resolve('command');
    expect(proxyCommand).toBe('nc -q0 inner.example 22 mira@command 100%');
  });

  it('honours every key that it claims to', async () => {
    const target = await resolve('everything');
    expect(target).toMatchObject({
      hostKeyAlias: 'lab-gpu',
      identitiesOnly: true,
      identityAgent: null,
      forwardAgent: null, // yes, but there is no agent to forward
      strictHostKeyChecking: 'accept-new',
      hashKnownHosts: true,
      globalKnownHostsFiles: [],
      keepaliveIntervalMs: 7000,
      keepaliveCountMax: 4,
      addressFamily: 6,
      bindAddress: '127.0.0.2',
      authMethods: ['password'],
      passwordPrompts: 2,
      batchMode: false,
    });
    expect(target.identityFiles).toEqual([join(home, 'keys/one'), join(home, 'keys/two')]);
    expect(target.certificateFiles).toEqual([join(home, 'keys/one-cert.pub')]);
  });

  it('finds agents by path, with a space in it, and by variable', async () => {
    const socket = 'Library/Group Containers/2BUA8C4S2C.com.1password/t/agent.sock';
    const { identityAgent, forwardAgent } = await resolve('onepassword');
    expect(identityAgent?.endsWith(socket)).toBe(true);
    expect(forwardAgent).toBe(identityAgent);
    expect(await resolve('envagent')).toMatchObject({ identityAgent: '/agent.sock', forwardAgent: null });
  });

  it.each([
    ['strict-yes', 'yes'],
    ['strict-off', 'no'],
    ['hopper', 'ask'],
  ])('reads StrictHostKeyChecking of %s as %s', async (name, value) => {
    expect((await resolve(name)).strictHostKeyChecking).toBe(value);
  });

  it('takes user and port as typed', async () => {
    expect(await resolveTarget('tom@ada:2022', { ...options, sshBinary })).toMatchObject({
      ok: true,
      value: { hostName: 'ada', user: 'tom', port: 2022 },
    });
  });
});

describe('resolveTarget', () => {
  it('reports a config that ssh refuses, with its own words', async () => {
    const broken = join(home, 'broken');
    writeFileSync(broken, 'Host x\n  NoSuchKeyword yes\n');
    const target = await resolveTarget('x', { ...options, configFile: broken });
    expect(target.ok).toBe(false);
    if (!target.ok) expect(target.error.detail).toMatch(/NoSuchKeyword/i);
  });
});

describe('parseAddress', () => {
  it.each([
    ['hopper', { user: null, host: 'hopper', port: null }],
    ['mira@hopper', { user: 'mira', host: 'hopper', port: null }],
    ['mira@hopper:2222', { user: 'mira', host: 'hopper', port: 2222 }],
    ['mira@[::1]:2222', { user: 'mira', host: '::1', port: 2222 }],
    ['::1', { user: null, host: '::1', port: null }],
  ])('reads %s', (text, value) => {
    expect(parseAddress(text)).toEqual({ ok: true, value });
  });

  it.each([
    '',
    '-oProxyCommand=id',
    'mira@-oProxyCommand=id',
    '-l@host',
    'a b',
    'host:0',
    'host:70000',
    '@host',
    'host;id',
    'ho$(id)st',
    'h\nost',
  ])('refuses “%s”', (text) => {
    const parsed = parseAddress(text);
    expect(parsed.ok).toBe(false);
    if (!parsed.ok) expect(parsed.error.message).toMatch(/Type it as/);
  });
});

describe('resolveTarget without OpenSSH', () => {
  it('follows Include, and names what it cannot honour', async () => {
    const config = join(home, 'fallback');
    writeFileSync(
      config,
      `Host ada\n  User ada\n  Include ${home}/.ssh/more/lab.conf\n  Port 2201\nMatch exec true\n  User wrong\nCanonicalizeHostname yes\nHost *\n  CanonicalizeHostname yes\n`,
    );
    const without = { ...options, configFile: config, sshBinary: '/nonexistent/ssh' };
    const ada = await resolveTarget('ada', without);
    expect(ada).toMatchObject({ ok: true, value: { user: 'ada', port: 2201 } });
    if (ada.ok) expect(ada.value.notes).toEqual([expect.stringMatching(/CanonicalizeHostname, Match in/)]);
    expect(await resolveTarget('turing', without)).toMatchObject({ ok: true, value: { user: 'lab' } });
  });
});

const values: TokenValues = {
  platform: 'linux',
  home: '/home/m',
  localUser: 'm',
  localHost: 'desk.lab',
  uid: 1000,
  env: { KEYS: '/media/keys' },
  host: 'h',
  port: 22,
  user: 'r',
  name: 'n',
  hostKeyAlias: null,
  proxyJump: '',
};

describe('expandTokens', () => {
  it('knows the tokens of ssh_config(5)', () => {
    expect(expandTokens('%h %n %p %r %u %d %i %L %l %k %j %% %z', values)).toBe(
      'h n 22 r m /home/m 1000 desk desk.lab n  % %z',
    );
    // printf %s "desk.labh22r" | sha1sum
    expect(expandTokens('%C', values)).toBe(
      execFileSync('sha1sum', { input: 'desk.labh22r', encoding: 'utf8' }).slice(0, 40),
    );
  });
});

describe('expandPath', () => {
  it('expands what ssh -G leaves to us', () => {
    expect(expandPath('~/k-%h-%n-%p-%r-%%', values)).toBe('/home/m/k-h-n-22-r-%');
    expect(expandPath('/abs/%d', values)).toBe('/abs//home/m');
    expect(expandPath('plain', values)).toBe('/home/m/plain');
    expect(expandPath('${KEYS}/a', values)).toBe('/media/keys/a');
    expect(expandPath('"~/my key"', values)).toBe('/home/m/my key');
  });

  it('knows what a path is on Windows', () => {
    const windows: TokenValues = { ...values, platform: 'win32', home: 'C:\\Users\\Mira' };
    expect(expandPath('~\\.ssh\\id_ed25519', windows)).toBe('C:\\Users\\Mira\\.ssh\\id_ed25519');
    expect(expandPath('~/.ssh/id_ed25519', windows)).toBe('C:\\Users\\Mira\\.ssh\\id_ed25519');
    expect(expandPath('D:/keys/a', windows)).toBe('D:/keys/a');
  });
});

describe('splitPaths', () => {
  it.each([
    ['/a /b', ['/a', '/b']],
    ['/home/m/my hosts ~/.ssh/b', ['/home/m/my hosts', '~/.ssh/b']],
    ['"/a b" /c', ['/a b', '/c']],
    ['C:\\Users\\Mira K\\hosts', ['C:\\Users\\Mira K\\hosts']],
    ['', []],
  ])('reads %s', (line, paths) => {
    expect(splitPaths(line)).toEqual(paths);
  });
});
