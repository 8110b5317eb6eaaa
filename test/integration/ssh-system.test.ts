/** The second transport: the same host, agent and scripts over the system's own ssh, chosen or because it must be. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Prompt } from '../../model/model.ts';
import { newPassword } from '../../electron/lab/ssh-host.ts';
import { whyNoAccounts } from './support/account.ts';
import { startCable } from './support/cable.ts';
import type { CoreHarness } from './support/core-harness.ts';
import { makeKey, publicLine, whyNoDropbear, whyNoSshd } from './support/openssh.ts';
import { killProcessesIn, requireBuilt } from './support/private-root.ts';
import { makeSecurityKey, whyNoSecurityKey } from './support/soft-fido.ts';
import { answering, bringLive, logOf, SshLab, type ConfigHost, type LabServer } from './support/ssh-lab.ts';

const HOST = 'ssh:host';
let lab: SshLab;
beforeAll(requireBuilt);
beforeEach(() => {
  lab = new SshLab();
});
afterEach(() => lab.end());

async function bySystem(host: Omit<ConfigHost, 'name'>): Promise<CoreHarness> {
  const harness = await lab.core([{ name: 'host', ...host }]);
  await harness.ask('host:transport', { hostId: HOST, choice: 'system' });
  return harness;
}
const signIns = (server: LabServer): number => logOf(server).match(/Accepted /g)?.length ?? 0;
const answer =
  (answers: Partial<Record<Prompt['kind'], string>>) =>
  (prompt: Prompt): readonly string[] | null => {
    const text = answers[prompt.kind];
    return text === undefined ? null : [text];
  };

describe.skipIf(whyNoSshd !== null)('the system’s ssh, chosen for a host', () => {
  it('looks, installs and attaches over one sign-in, and says what it uses', async () => {
    const server = await lab.openssh();
    const harness = await bySystem({ server });
    const asked = await bringLive(harness, HOST);
    expect(asked).toEqual([]);
    expect(signIns(server)).toBe(1);
    expect(harness.host(HOST)).toMatchObject({
      gpus: [{}, {}],
      transport: { choice: 'system', used: 'system', reason: 'it was chosen for this host' },
    });
    const again = await harness.restart();
    await again.untilConnection(HOST, 'live');
    expect(again.host(HOST).transport).toMatchObject({ choice: 'system', used: 'system' });
    await again.ask('host:disconnect', { hostId: HOST });
    await again.ask('host:transport', { hostId: HOST, choice: 'auto' });
    await again.ask('host:connect', { hostId: HOST });
    await again.untilConnection(HOST, 'live');
    expect(again.host(HOST).transport).toMatchObject({ choice: 'auto', used: 'built-in', reason: null });
  });

  it('upgrades and removes the agent, and makes the link', async () => {
    const server = await lab.openssh();
    const harness = await bySystem({ server });
    await bringLive(harness, HOST);
    await harness.ask('host:deploy', { hostId: HOST });
    await harness.untilConnection(HOST, 'live');
    await harness.ask('host:link', { hostId: HOST });
    const { removed } = await harness.ask('host:remove-agent', { hostId: HOST });
    expect(removed.length).toBeGreaterThan(0);
    await harness.untilConnection(HOST, 'preview');
    expect(existsSync(join(server.root.path, 'bin'))).toBe(false);
  });

  it('comes back after the link was cut', async () => {
    const server = await lab.openssh();
    const cable = await startCable(server.port);
    lab.onEnd(() => {
      cable.stop();
    });
    const harness = await bySystem({ server, port: cable.port });
    await bringLive(harness, HOST);
    cable.pull();
    const { failure } = await harness.untilConnection(HOST, 'reconnecting');
    expect(failure.message).toMatch(/Programs there go on|programs there go on/);
    await cable.plugIn();
    await harness.untilConnection(HOST, 'live');
    await harness.until('a sample', () => harness.samples.get(HOST));
  });

  it.skipIf(whyNoAccounts !== null)(
    'asks for passphrase, password and keyboard-interactive in our own words',
    async () => {
      const password = newPassword();
      const server = await lab.openssh({
        passphrase: 'correct horse',
        extra: [
          'UsePAM yes',
          'KbdInteractiveAuthentication yes',
          'PermitRootLogin yes',
          'AuthenticationMethods publickey,keyboard-interactive',
        ],
        account: {
          password,
          pam: [
            'auth required pam_unix.so',
            'account required pam_permit.so',
            'session required pam_permit.so',
          ],
        },
      });
      const harness = await bySystem({ server, known: false });
      const asked = await bringLive(
        harness,
        HOST,
        answer({ 'host-key': 'remember', passphrase: 'correct horse', keyboard: password }),
      );
      expect(asked).toMatchObject([
        { kind: 'host-key', hostName: 'host', keyType: 'ED25519', isJump: false },
        { kind: 'passphrase', keyFile: server.identityFile },
        {
          kind: 'keyboard',
          questions: [{ text: expect.stringMatching(/Password:$/) as string, echo: false }],
        },
      ]);
      expect(readFileSync(lab.knownHosts, 'utf8')).toBe(
        `[127.0.0.1]:${String(server.port)} ${server.hostKeyLine}\n`,
      );
      // What was typed is used again for a reconnect, and nobody is asked.
      killProcessesIn(server.root.path);
      await harness.untilConnection(HOST, 'reconnecting');
      await harness.untilConnection(HOST, 'live');
    },
  );

  it.skipIf(whyNoAccounts !== null)('asks for a password, and stops after three wrong ones', async () => {
    const server = await lab.openssh({
      extra: ['PasswordAuthentication yes', 'PubkeyAuthentication no', 'PermitRootLogin yes'],
      account: { password: newPassword() },
    });
    const harness = await bySystem({ server, key: false });
    await harness.ask('host:connect', { hostId: HOST });
    const failed = () => harness.host(HOST).connection.kind === 'failed';
    const asked = await answering(harness, HOST, () => ['wrong'], failed);
    expect(asked.map(({ kind }) => kind)).toEqual(['password', 'password', 'password']);
    const { failure } = await harness.untilConnection(HOST, 'failed');
    expect(failure).toMatchObject({ code: 'authentication-failed' });
    expect(failure.message).toMatch(/by the system’s ssh.*Permission denied.*Nothing was changed/);
  });

  it('forgets a key that was taken once, and goes no further when it is refused', async () => {
    const server = await lab.openssh();
    const harness = await bySystem({ server, known: false });
    await bringLive(harness, HOST, answer({ 'host-key': 'once' }));
    expect(readFileSync(lab.knownHosts, 'utf8')).toBe('');
    // An upgrade is another sign-in, which does not ask again.
    await harness.ask('host:deploy', { hostId: HOST });
    await harness.untilConnection(HOST, 'live');
    expect(signIns(server)).toBe(2);
    expect(readFileSync(lab.knownHosts, 'utf8')).toBe('');
    await harness.ask('host:disconnect', { hostId: HOST });
    await harness.ask('host:connect', { hostId: HOST });
    const before = signIns(server);
    await answering(
      harness,
      HOST,
      () => null,
      () => harness.host(HOST).connection.kind === 'failed',
    );
    const { failure } = await harness.untilConnection(HOST, 'failed');
    expect(failure.code).toBe('authentication-cancelled');
    expect(signIns(server)).toBe(before);
  });

  it.each([
    ['changed', 'host-key-changed'],
    ['revoked', 'host-key-revoked'],
  ] as const)('blocks a %s host key, with both fingerprints and the line', async (kind, code) => {
    const server = await lab.openssh();
    const harness = await bySystem({ server, lines: ['StrictHostKeyChecking no'] });
    makeKey(join(lab.folder, 'other'));
    const lines = {
      changed: `# first\n[127.0.0.1]:${String(server.port)} ${publicLine(join(lab.folder, 'other.pub'))}\n`,
      revoked: `# first\n@revoked * ${server.hostKeyLine}\n`,
    };
    writeFileSync(lab.knownHosts, lines[kind]);
    await harness.ask('host:connect', { hostId: HOST });
    const blocked = await harness.untilConnection(HOST, 'blocked');
    expect(blocked.failure.code).toBe(code);
    expect(blocked).toMatchObject({ knownHostsFile: lab.knownHosts, knownHostsLine: 2 });
    expect(blocked.offeredFingerprint).toMatch(/^SHA256:/);
    expect(signIns(server)).toBe(0);
  });

  it.skipIf(whyNoAccounts !== null).each([
    ['fish', { account: { shell: '/usr/bin/fish' } }],
    ['MaxSessions 1', { extra: ['MaxSessions 1'] }],
    ['no SFTP, no forwarding', { extra: ['AllowTcpForwarding no'] }],
    ['a ForceCommand that passes on', { extra: ['ForceCommand /bin/sh -c "$SSH_ORIGINAL_COMMAND"'] }],
  ])('becomes live with %s', async (_label, options) => {
    const server = await lab.openssh(options);
    const harness = await bySystem({ server });
    await bringLive(harness, HOST);
    expect(signIns(server)).toBe(1);
  });

  it.skipIf(whyNoDropbear !== null)('becomes live with a dropbear', async () => {
    const server = await lab.dropbear();
    const harness = await bySystem({ server });
    await bringLive(harness, HOST);
  });

  it('says what a host that runs something else has said', async () => {
    const server = await lab.openssh({ extra: ['ForceCommand echo This account only runs backups.'] });
    const harness = await bySystem({ server });
    await harness.ask('host:connect', { hostId: HOST });
    const { failure } = await harness.untilConnection(HOST, 'failed');
    expect(failure.message).toMatch(/only runs backups.*Nothing was changed/);
  });

  it('goes through jump hosts', async () => {
    const [gate, server] = [await lab.openssh({}, false), await lab.openssh()];
    const harness = await lab.core([
      { name: 'gate', server: gate },
      { name: 'host', server, lines: ['ProxyJump gate'] },
    ]);
    await harness.ask('host:transport', { hostId: HOST, choice: 'system' });
    await bringLive(harness, HOST);
    expect([signIns(gate), signIns(server)]).toEqual([1, 1]);
  });
});

describe.skipIf(whyNoSshd !== null)('the system’s ssh, because it must be', () => {
  it('signs in with a certificate, which ssh2 cannot show', async () => {
    const server = await lab.openssh({
      extra: ['AuthorizedKeysFile none', `TrustedUserCAKeys ${join(lab.folder, 'ca.pub')}`],
    });
    makeKey(join(lab.folder, 'ca'));
    const sign = [
      '-q',
      '-s',
      join(lab.folder, 'ca'),
      '-I',
      'test',
      '-n',
      server.user,
      `${server.identityFile}.pub`,
    ];
    execFileSync('ssh-keygen', sign);
    const harness = await lab.core([{ name: 'host', server }]);
    await bringLive(harness, HOST);
    expect(harness.host(HOST).transport).toMatchObject({
      choice: 'auto',
      used: 'system',
      reason: `${server.identityFile}-cert.pub is a certificate`,
    });
    // Without it the key alone is refused: the certificate is what opened the door.
    await harness.ask('host:disconnect', { hostId: HOST });
    await harness.ask('host:transport', { hostId: HOST, choice: 'built-in' });
    await harness.ask('host:connect', { hostId: HOST });
    const { failure } = await harness.untilConnection(HOST, 'failed');
    expect(failure.code).toBe('authentication-failed');
  });

  it.skipIf(whyNoSecurityKey !== null)(
    'signs in with a security key, and says when to touch it',
    async () => {
      const key = makeSecurityKey(lab.folder);
      const server = await lab.openssh();
      writeFileSync(join(server.folder, 'authorized_keys'), key.publicLine);
      const touch = join(lab.folder, 'touched');
      process.env['SOFT_FIDO_TOUCH'] = touch;
      lab.onEnd(() => {
        delete process.env['SOFT_FIDO_TOUCH'];
      });
      const lines = [`SecurityKeyProvider ${key.provider}`];
      const harness = await lab.core([
        { name: 'host', server: { ...server, identityFile: key.identityFile }, lines },
      ]);
      await harness.ask('host:connect', { hostId: HOST });
      await harness.until('the touch is asked for', () => {
        const { connection } = harness.host(HOST);
        return (
          connection.kind === 'connecting' && connection.step.startsWith('Confirm user presence for key')
        );
      });
      expect(signIns(server)).toBe(0);
      writeFileSync(touch, '');
      await harness.untilConnection(HOST, 'preview');
      await harness.ask('host:deploy', { hostId: HOST });
      await harness.untilConnection(HOST, 'live');
      expect(harness.host(HOST).transport).toMatchObject({
        used: 'system',
        reason: `${key.identityFile} is on a security key (FIDO)`,
      });
      expect(signIns(server)).toBe(1);
      // A reconnect needs a touch as well, and says so although it shows its countdown.
      rmSync(touch);
      killProcessesIn(server.root.path);
      await harness.until('the touch is asked for again', () =>
        harness.notices.some((notice) => notice.startsWith('host: Confirm user presence for key')),
      );
      writeFileSync(touch, '');
      await harness.untilConnection(HOST, 'live');
    },
  );

  it('verifies a host by its certificate authority', async () => {
    makeKey(join(lab.folder, 'ca'));
    const server = await lab.openssh();
    const harness = await lab.core([{ name: 'host', server, lines: ['StrictHostKeyChecking yes'] }]);
    const ca = publicLine(join(lab.folder, 'ca.pub'));
    writeFileSync(lab.knownHosts, `@cert-authority [127.0.0.1]:* ${ca}\n`);
    await harness.ask('host:connect', { hostId: HOST });
    // The server shows its plain key so far: nothing vouches for that, whichever transport.
    const { failure } = await harness.untilConnection(HOST, 'failed');
    expect(failure).toMatchObject({ code: 'host-key-unknown' });
    expect(failure.message).toMatch(/line 1 trusts a certificate authority/);
    server.stop();

    const hostKey = join(lab.folder, 'certified');
    makeKey(hostKey);
    const sign = [
      '-q',
      '-h',
      '-s',
      join(lab.folder, 'ca'),
      '-I',
      'host',
      '-n',
      '127.0.0.1',
      `${hostKey}.pub`,
    ];
    execFileSync('ssh-keygen', sign);
    const certified = await lab.openssh({
      extra: [`HostKey ${hostKey}`, `HostCertificate ${hostKey}-cert.pub`],
    });
    const second = await lab.core([
      { name: 'host', server: certified, lines: ['StrictHostKeyChecking yes'] },
    ]);
    writeFileSync(lab.knownHosts, `@cert-authority [127.0.0.1]:* ${ca}\n`);
    await bringLive(second, HOST);
    expect(second.host(HOST).transport.used).toBe('system');
  });

  it('is used for a server with which ssh2 has no algorithm in common', async () => {
    const server = await lab.openssh({ extra: ['KexAlgorithms sntrup761x25519-sha512@openssh.com'] });
    const harness = await lab.core([{ name: 'host', server }]);
    await bringLive(harness, HOST);
    expect(harness.host(HOST).transport).toMatchObject({
      used: 'system',
      reason: expect.stringMatching(/no algorithm in common/) as string,
    });
  });
});
