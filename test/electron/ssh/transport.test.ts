import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openConnection } from '../../../electron/core/ssh/connection.ts';
import { JumpPool } from '../../../electron/core/ssh/jump-pool.ts';
import {
  answerSystemSsh,
  blockOf,
  systemFailure,
  nothingAsked,
  systemSignedIn,
} from '../../../electron/core/ssh/system-questions.ts';
import { SignIns } from '../../../electron/core/ssh/sign-ins.ts';
import { silentQuestions } from './silent-questions.ts';
import type { SshQuestions } from '../../../electron/core/ssh/questions.ts';
import { pinnedTarget, type SshTarget } from '../../../electron/core/ssh/target.ts';
import { chooseTransport } from '../../../electron/core/ssh/transport.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tranche-transport-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const target = (more: Partial<SshTarget>): SshTarget => ({
  ...pinnedTarget({ name: 'hopper', port: 22, user: 'mira', hostKey: Buffer.alloc(0), privateKey: '' }),
  pinned: null,
  hostName: 'hopper.lab',
  ...more,
});
const makeKey = (name: string) => {
  const path = join(folder, name);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
  return path;
};
const string = (text: string | Buffer): Buffer => {
  const body = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
};
/** What ssh-keygen -t ed25519-sk leaves, without the private half, which is on the security key anyway. */
function securityKey(name: string): string {
  const blob = Buffer.concat([
    string('sk-ssh-ed25519@openssh.com'),
    string(Buffer.alloc(32, 7)),
    string('ssh:'),
  ]);
  const head = Buffer.concat([Buffer.from('openssh-key-v1\0'), string('none'), string('none'), string('')]);
  const body = Buffer.concat([head, Buffer.from([0, 0, 0, 1]), string(blob), string('')]);
  const path = join(folder, name);
  writeFileSync(
    path,
    `-----BEGIN OPENSSH PRIVATE KEY-----\n${body.toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`,
  );
  return path;
}

describe('chooseTransport', () => {
  const auto = (more: Partial<SshTarget>) => chooseTransport(target(more), 'auto');

  it('stays with ssh2 where nothing else is asked for', async () => {
    const identityFiles = [makeKey('plain'), join(folder, 'missing')];
    const none = { used: 'built-in', reason: null };
    expect(await auto({ identityFiles, certificateFiles: [join(folder, 'missing-cert.pub')] })).toEqual(none);
  });

  it('sees certificates, named or beside their key', async () => {
    const path = makeKey('plain');
    writeFileSync(`${path}-cert.pub`, '');
    expect(await auto({ identityFiles: [path] })).toEqual({
      used: 'system',
      reason: `${path}-cert.pub is a certificate`,
    });
    expect((await auto({ certificateFiles: [`${path}-cert.pub`] })).used).toBe('system');
  });

  it('sees security keys, by the key file or by its public half', async () => {
    const path = securityKey('id_ed25519_sk');
    expect(await auto({ identityFiles: [path] })).toEqual({
      used: 'system',
      reason: `${path} is on a security key (FIDO)`,
    });
    const half = join(folder, 'half.pub');
    const base64 = /\n([A-Za-z0-9+/=]+)\n/.exec(readFileSync(path, 'utf8'))?.[1] ?? '';
    const blob = Buffer.from(base64, 'base64').subarray(15 + 8 + 8 + 4 + 4 + 4);
    const line = blob.subarray(0, blob.length - 4).toString('base64');
    writeFileSync(half, `sk-ssh-ed25519@openssh.com ${line} mira@desk\n`);
    expect((await auto({ identityFiles: [half] })).used).toBe('system');
  });

  it('sees authorities in known_hosts, unless a plain key is there too, and settings that ssh2 lacks', async () => {
    const path = join(folder, 'known_hosts');
    const key = readFileSync(`${makeKey('ca')}.pub`, 'utf8')
      .split(' ')
      .slice(0, 2)
      .join(' ');
    writeFileSync(path, `@cert-authority *.lab ${key}\n`);
    const known = { userKnownHostsFiles: [path] };
    expect(await auto(known)).toMatchObject({
      used: 'system',
      reason: expect.stringMatching(/line 1 trusts/) as string,
    });
    expect((await auto({ ...known, hostName: 'hopper.example' })).used).toBe('built-in');
    writeFileSync(path, `hopper.lab ${key}\n@cert-authority *.lab ${key}\n`);
    expect((await auto(known)).used).toBe('built-in');
    expect(await auto({ systemOnly: ['PKCS11Provider /x.so'] })).toMatchObject({
      reason: 'the config asks for PKCS11Provider /x.so',
    });
  });

  it('looks at hops too, and at what was chosen', async () => {
    const jump = target({ name: 'gate', identityFiles: [securityKey('sk')] });
    expect((await auto({ jump })).used).toBe('system');
    expect(await chooseTransport(target({ jump }), 'built-in')).toEqual({ used: 'built-in', reason: null });
    expect((await chooseTransport(target({}), 'system')).used).toBe('system');
  });
});

describe('openConnection', () => {
  it('says what is missing where the system’s ssh is needed and none is installed', async () => {
    const path = securityKey('sk');
    const told: unknown[] = [];
    const outcome = await openConnection(target({ identityFiles: [path], sshBinary: null }), {
      questions: {} as SshQuestions,
      signal: new AbortController().signal,
      jumps: new JumpPool(),
      signIns: new SignIns(),
      automatic: false,
      wait: (work) => work(),
      transport: 'auto',
      onTransport: (chosen) => told.push(chosen.used),
      eager: null,
    });
    expect(told).toEqual(['system']);
    expect(outcome).toMatchObject({ ok: false, error: { code: 'needs-system-ssh' } });
    if (!outcome.ok)
      expect(outcome.error.message).toMatch(/because .*sk is on a security key.*none was found/);
  });
});

describe('answerSystemSsh', () => {
  const asked: unknown[] = [];
  const questions: SshQuestions = {
    ...silentQuestions,
    hostKey: (q) => (asked.push(q), Promise.resolve('once')),
    password: (q) => (asked.push(q), Promise.resolve('pw')),
    passphrase: (q) => (asked.push(q), Promise.resolve('pp')),
    keyboard: (q) => (asked.push(q), Promise.resolve(['123'])),
    progress: (step) => asked.push(step),
  };
  const ask = async (text: string, kind = '', more: Partial<SshTarget> = {}) => {
    asked.length = 0;
    const state = nothingAsked();
    const answer = await answerSystemSsh(target(more), { kind, text }, questions, state);
    return { answer, asked: asked[0], state };
  };
  const unknownHost = (name: string) =>
    `The authenticity of host '${name} (10.0.0.9)' can't be established.\nED25519 key fingerprint is SHA256:VAWyV8Nc/1n9SPXHdG04.\nThis key is not known by any other names.\nAre you sure you want to continue connecting (yes/no/[fingerprint])? `;

  it.each([
    [
      'mira@hopper.lab\u2019s password: '.replace('\u2019', "'"),
      '',
      'pw',
      { user: 'mira', hostName: 'hopper', isJump: false, banner: null },
    ],
    [
      "Enter passphrase for key '/home/mira/.ssh/id_ed25519': ",
      '',
      'pp',
      { keyFile: '/home/mira/.ssh/id_ed25519' },
    ],
    [
      'Enter PIN for ED25519-SK key /home/mira/.ssh/sk: ',
      '',
      '123',
      {
        name: '',
        instructions: '',
        questions: [{ text: 'Enter PIN for ED25519-SK key /home/mira/.ssh/sk:', echo: false }],
      },
    ],
    [
      '(mira@hopper.lab) Verification code: ',
      '',
      '123',
      {
        name: '',
        instructions: '',
        questions: [{ text: '(mira@hopper.lab) Verification code:', echo: false }],
      },
    ],
  ])('brings “%s” to the dialog that is made for it', async (text, kind, answer, question) => {
    expect(await ask(text, kind)).toMatchObject({ answer, asked: question });
  });

  it('shows a host key, and knows a hop from the host', async () => {
    expect(await ask(unknownHost('hopper.lab'))).toMatchObject({
      answer: 'yes',
      asked: {
        hostName: 'hopper',
        keyType: 'ED25519',
        fingerprint: 'SHA256:VAWyV8Nc/1n9SPXHdG04',
        isJump: false,
      },
      state: { keyOnce: true },
    });
    const hop = await ask(unknownHost('gate.lab'), '', { jump: target({ name: 'gate' }) });
    expect(hop.asked).toMatchObject({ hostName: 'gate.lab', isJump: true });
  });

  it('names the hop that asks, and says where that cannot be known', async () => {
    const jump = target({ name: 'gate', hostName: 'gate.lab' });
    const hop = await ask('(mira@gate.lab) Password: ', '', { jump });
    expect(hop.asked).toMatchObject({ hostName: 'gate.lab', isJump: true, round: 1 });
    const end = await ask('(mira@hopper.lab) Password: ', '', { jump });
    expect(end.asked).toMatchObject({ hostName: 'hopper', isJump: false });
    const nobody = await ask('Password: ', '', { jump });
    expect(nobody.asked).toMatchObject({
      hostName: expect.stringMatching(/hopper, or a host on the way/) as string,
    });
  });

  it('keeps what was answered only where nobody else can have asked', () => {
    const kept: string[] = [];
    const keeping = { ...silentQuestions, signedIn: (machine: string) => kept.push(machine) };
    systemSignedIn(target({ jump: target({ name: 'gate' }) }), keeping);
    systemSignedIn(target({ proxyCommand: 'ssh gate -W %h:%p' }), keeping);
    expect(kept).toEqual([]);
    systemSignedIn(target({}), keeping);
    expect(kept).toHaveLength(1);
  });

  it('names the touch of a security key as the step, and asks for nothing', async () => {
    const touch = 'Confirm user presence for key ED25519-SK SHA256:abc';
    expect(await ask(touch, 'none')).toMatchObject({ answer: null, asked: touch });
  });
});

describe('what the system’s ssh says', () => {
  const none = nothingAsked();
  it.each([
    [
      'mira@hopper.lab: Permission denied (publickey,password).',
      'authentication-failed',
      /Permission denied/,
    ],
    [
      'No ED25519 host key is known for hopper and you have requested strict checking.\nHost key verification failed.',
      'host-key-unknown',
      /strict checking/,
    ],
    ['ssh: connect to host hopper.lab port 22: Connection refused', 'host-unreachable', /Connection refused/],
    ['', 'host-unreachable', /it said nothing/],
  ])('is told as a failure: %s', (said, code, sentence) => {
    const failure = systemFailure(target({}), said, none, null);
    expect(failure).toMatchObject({ ok: false, error: { code } });
    if (!failure.ok) expect(failure.error.message).toMatch(sentence);
  });

  it('names the line of a changed key, and nothing for other words', () => {
    const key = readFileSync(`${makeKey('known')}.pub`, 'utf8')
      .split(' ')
      .slice(0, 2)
      .join(' ');
    const file = { path: '/home/mira/known hosts', text: `# first\nhopper ${key}\n` };
    const said =
      'WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nThe fingerprint for the ED25519 key sent by the remote host is\nSHA256:VAWyV8Nc.\nOffending ED25519 key in /home/mira/known hosts:2\n';
    expect(blockOf(said, [file])).toMatchObject({
      offeredFingerprint: 'SHA256:VAWyV8Nc',
      verdict: {
        kind: 'changed',
        known: { file: '/home/mira/known hosts', line: 2, keyType: 'ssh-ed25519' },
      },
    });
    expect(blockOf('Permission denied', [file])).toBeNull();
  });
});
