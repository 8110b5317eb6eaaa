import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAddress } from '../../../electron/core/ssh/address.ts';
import { listConfigHosts } from '../../../electron/core/ssh/config-hosts.ts';
import { expandTokens, resolveTarget, type ResolveOptions } from '../../../electron/core/ssh/resolve.ts';

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
  ProxyJump hopper,behind
Host command
  ProxyCommand nc %h %p
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

describe('listConfigHosts', () => {
  it('follows Include, hides patterns, survives a config that includes itself', async () => {
    const looped = join(home, '.ssh/looped');
    writeFileSync(looped, `Include looped\nInclude config\n`);
    const { names, notes } = await listConfigHosts(looped, home);
    expect([...names].sort()).toEqual(['behind', 'command', 'far', 'hopper', 'lovelace', 'turing']);
    expect(notes).toEqual([]);
  });

  it('takes a missing config for an empty one', async () => {
    expect(await listConfigHosts(join(home, 'none'), home)).toEqual({ names: [], notes: [] });
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

  it.each([
    ['far', /more than one jump/],
    ['command', /ProxyCommand/],
  ])('says what it can not do: %s', async (name, sentence) => {
    const target = await resolveTarget(name, { ...options, sshBinary });
    expect(target.ok).toBe(false);
    if (!target.ok) expect(target.error.message).toMatch(sentence);
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

describe('expandTokens', () => {
  it('expands what ssh -G leaves to us', () => {
    const values = { home: '/home/m', host: 'h', port: 22, user: 'r', name: 'n' };
    expect(expandTokens('~/k-%h-%n-%p-%r-%%', values)).toBe('/home/m/k-h-n-22-r-%');
    expect(expandTokens('/abs/%d', values)).toBe('/abs//home/m');
    expect(expandTokens('plain', values)).toBe('/home/m/.ssh/plain');
  });
});
