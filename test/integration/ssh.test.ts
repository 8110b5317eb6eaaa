/** Core → SSH against a real OpenSSH server: keys, prompts, jump, changed keys. No agent is needed here. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CoreHarness } from './support/core-harness.ts';
import {
  makeKey,
  startAgent,
  startOpenSsh,
  whyNoSshd,
  writeConfig,
  type OpenSsh,
} from './support/openssh.ts';
import { makePrivateRoot } from './support/private-root.ts';

async function server(options: Parameters<typeof startOpenSsh>[0] = {}): Promise<OpenSsh> {
  const root = makePrivateRoot({ simulator: false });
  const sshd = await startOpenSsh({
    ...options,
    env: { TRANCHE_ROOT: root.path, HOME: root.env['HOME'] ?? '', ...options.env },
  });
  onTestFinished(() => {
    sshd.stop();
    root.destroy();
  });
  return sshd;
}
async function core(config: string): Promise<CoreHarness> {
  const harness = await CoreHarness.start(config);
  onTestFinished(() => harness.stop());
  return harness;
}
const folder = () => {
  const path = mkdtempSync(join(tmpdir(), 'tranche-cfg-'));
  onTestFinished(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
};

describe.skipIf(whyNoSshd !== null)('a real OpenSSH server', () => {
  it('asks about an unknown key before it signs in, remembers it as ssh would, and shows the read-only view', async () => {
    const sshd = await server();
    const home = folder();
    const harness = await core(writeConfig(home, [{ name: 'hopper', ...sshd }]));
    await harness.ask('host:connect', { hostId: 'ssh:hopper' });
    const { prompt } = await harness.untilConnection('ssh:hopper', 'asking');
    expect(prompt).toMatchObject({ kind: 'host-key', keyType: 'ssh-ed25519', hostName: 'hopper' });
    expect(readFileSync(join(sshd.folder, 'log'), 'utf8')).not.toMatch(/Accepted publickey/);
    await harness.ask('prompt:answer', {
      hostId: 'ssh:hopper',
      promptId: prompt.promptId,
      answers: ['remember'],
    });
    const preview = await harness.untilConnection('ssh:hopper', 'preview');
    expect(preview.canDeploy).toBe(true);
    expect(readFileSync(join(home, 'known_hosts'), 'utf8')).toBe(
      `[127.0.0.1]:${String(sshd.port)} ${sshd.hostKeyLine}\n`,
    );
  });

  it('goes no further when the question is cancelled', async () => {
    const sshd = await server();
    const home = folder();
    const harness = await core(writeConfig(home, [{ name: 'hopper', ...sshd }]));
    await harness.ask('host:connect', { hostId: 'ssh:hopper' });
    const { prompt } = await harness.untilConnection('ssh:hopper', 'asking');
    await harness.ask('prompt:answer', { hostId: 'ssh:hopper', promptId: prompt.promptId, answers: null });
    const { failure } = await harness.untilConnection('ssh:hopper', 'failed');
    expect(failure.code).toBe('host-key-unknown');
    expect(readFileSync(join(sshd.folder, 'log'), 'utf8')).not.toMatch(/Accepted/);
  });

  it('blocks a changed key, showing both, and sends nothing', async () => {
    const sshd = await server();
    const home = folder();
    makeKey(join(home, 'other'));
    const other = readFileSync(join(home, 'other.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
    writeFileSync(join(home, 'known_hosts'), `# line one\n[127.0.0.1]:${String(sshd.port)} ${other}\n`);
    const harness = await core(writeConfig(home, [{ name: 'hopper', ...sshd }]));
    await harness.ask('host:connect', { hostId: 'ssh:hopper' });
    const blocked = await harness.untilConnection('ssh:hopper', 'blocked');
    expect(blocked.failure.code).toBe('host-key-changed');
    expect(blocked).toMatchObject({ knownHostsFile: join(home, 'known_hosts'), knownHostsLine: 2 });
    expect(blocked.knownFingerprint).toMatch(/^SHA256:/);
    expect(blocked.offeredFingerprint).not.toBe(blocked.knownFingerprint);
    expect(readFileSync(join(sshd.folder, 'log'), 'utf8')).not.toMatch(/Accepted/);
  });

  it('asks for the passphrase of a key only when that key is next, and says what was refused', async () => {
    const sshd = await server({ passphrase: 'correct horse' });
    const home = folder();
    writeFileSync(join(home, 'known_hosts'), `[127.0.0.1]:${String(sshd.port)} ${sshd.hostKeyLine}\n`);
    makeKey(join(home, 'stranger'));
    const harness = await core(
      writeConfig(home, [
        { name: 'hopper', ...sshd },
        { name: 'stranger', ...sshd, identityFile: join(home, 'stranger') },
      ]),
    );
    await harness.ask('host:connect', { hostId: 'ssh:hopper' });
    const { prompt } = await harness.untilConnection('ssh:hopper', 'asking');
    expect(prompt).toMatchObject({ kind: 'passphrase', keyFile: sshd.identityFile });
    await harness.ask('prompt:answer', {
      hostId: 'ssh:hopper',
      promptId: prompt.promptId,
      answers: ['correct horse'],
    });
    await harness.untilConnection('ssh:hopper', 'preview');

    await harness.ask('host:connect', { hostId: 'ssh:stranger' });
    const { failure } = await harness.untilConnection('ssh:stranger', 'failed');
    expect(failure.code).toBe('authentication-failed');
    expect(failure.message).toContain(join(home, 'stranger'));
  });

  it.each([
    ['with IdentitiesOnly, for the keys that are listed', 'yes'],
    ['without, for whatever it holds', 'no'],
  ])('uses the ssh-agent %s, and asks for no passphrase then', async (_label, only) => {
    const sshd = await server({ passphrase: 'long one' });
    const home = folder();
    writeFileSync(join(home, 'known_hosts'), `[127.0.0.1]:${String(sshd.port)} ${sshd.hostKeyLine}\n`);
    const agent = startAgent(home);
    onTestFinished(() => {
      agent.stop();
    });
    agent.add(sshd.identityFile, 'long one');
    makeKey(join(home, 'unlisted'));
    agent.add(join(home, 'unlisted'), '');
    const lines = [`IdentityAgent ${agent.socket}`, `IdentitiesOnly ${only}`];
    const harness = await core(writeConfig(home, [{ name: 'hopper', ...sshd, lines }]));
    await harness.ask('host:connect', { hostId: 'ssh:hopper' });
    await harness.untilConnection('ssh:hopper', 'preview');
  });

  it('goes on without an ssh-agent whose socket was left behind', async () => {
    const sshd = await server();
    const home = folder();
    writeFileSync(join(home, 'known_hosts'), `[127.0.0.1]:${String(sshd.port)} ${sshd.hostKeyLine}\n`);
    const lines = [`IdentityAgent ${join(home, 'nobody.sock')}`];
    const harness = await core(writeConfig(home, [{ name: 'hopper', ...sshd, lines }]));
    await harness.ask('host:connect', { hostId: 'ssh:hopper' });
    await harness.untilConnection('ssh:hopper', 'preview');
  });

  it('goes through a jump host, verifying both', async () => {
    const [jump, inner] = [await server(), await server()];
    const home = folder();
    writeFileSync(
      join(home, 'known_hosts'),
      [jump, inner].map((sshd) => `[127.0.0.1]:${String(sshd.port)} ${sshd.hostKeyLine}\n`).join(''),
    );
    const harness = await core(
      writeConfig(home, [
        { name: 'gate', ...jump },
        { name: 'inner', ...inner, lines: ['ProxyJump gate'] },
      ]),
    );
    await harness.ask('host:connect', { hostId: 'ssh:inner' });
    await harness.untilConnection('ssh:inner', 'preview');
    expect(readFileSync(join(jump.folder, 'log'), 'utf8')).toMatch(/Accepted publickey/);
    expect(readFileSync(join(inner.folder, 'log'), 'utf8')).toMatch(/Accepted publickey/);
  });

  it('fails closed when known_hosts cannot be read', async () => {
    const sshd = await server();
    const home = folder();
    // A directory can be read as a file by nobody, root included.
    mkdirSync(join(home, 'known_hosts'));
    const harness = await core(writeConfig(home, [{ name: 'hopper', ...sshd }]));
    await harness.ask('host:connect', { hostId: 'ssh:hopper' });
    const { failure } = await harness.untilConnection('ssh:hopper', 'failed');
    expect(failure.message).toMatch(/cannot be read/);
    expect(readFileSync(join(sshd.folder, 'log'), 'utf8')).not.toMatch(/Accepted/);
  });

  it('says that nobody listens, and where', async () => {
    const sshd = await server();
    sshd.stop();
    const harness = await core(writeConfig(folder(), [{ name: 'gone', ...sshd }]));
    await harness.ask('host:connect', { hostId: 'ssh:gone' });
    const { failure } = await harness.untilConnection('ssh:gone', 'failed');
    expect(failure.code).toBe('host-unreachable');
    expect(failure.message).toContain(`127.0.0.1:${String(sshd.port)}`);
  });
});
