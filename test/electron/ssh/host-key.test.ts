/** "Remember" held against what the real ssh writes: same bytes, same modes, same folders. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { verifyHostKey } from '../../../electron/core/ssh/host-key.ts';
import type { SshQuestions } from '../../../electron/core/ssh/questions.ts';
import { pinnedTarget, type SshTarget } from '../../../electron/core/ssh/target.ts';
import { silentQuestions } from './silent-questions.ts';
import { startOpenSsh, whyNoSshd, type OpenSsh } from '../../integration/support/openssh.ts';

let server: OpenSsh;
let folder: string;
beforeAll(async () => {
  if (whyNoSshd === null) server = await startOpenSsh();
});
afterAll(() => {
  if (whyNoSshd === null) server.stop();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tranche-remember-'));
  return () => {
    rmSync(folder, { recursive: true, force: true });
  };
});

const notices: string[] = [];
const questions: SshQuestions = {
  ...silentQuestions,
  hostKey: () => Promise.resolve('remember'),
  notice: (message) => notices.push(message),
};

const keyBlob = (): Buffer => Buffer.from(server.hostKeyLine.split(' ')[1] ?? '', 'base64');
function target(path: string, more: Partial<SshTarget> = {}): SshTarget {
  const base = pinnedTarget({
    name: 'h',
    port: server.port,
    user: 'u',
    hostKey: Buffer.alloc(0),
    privateKey: '',
  });
  return {
    ...base,
    batchMode: false,
    pinned: null,
    strictHostKeyChecking: 'ask',
    userKnownHostsFiles: [path],
    ...more,
  };
}
const ours = (path: string, more: Partial<SshTarget> = {}) =>
  verifyHostKey(target(path, more), [], keyBlob(), questions, false);

function theirs(path: string, ...options: readonly string[]): void {
  const args = ['-F', 'none', '-p', String(server.port), '-i', server.identityFile];
  const all = [
    'StrictHostKeyChecking=accept-new',
    `UserKnownHostsFile=${path}`,
    'UpdateHostKeys=no',
    ...options,
  ];
  spawnSync('ssh', [...args, ...all.flatMap((option) => ['-o', option]), '127.0.0.1', 'true'], {
    timeout: 10_000,
  });
}
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe.skipIf(whyNoSshd !== null)('remembering a host key', () => {
  it.each([
    ['a plain line', [], {}],
    ['an alias, in lower case and without port', ['HostKeyAlias=Lab-GPU'], { hostKeyAlias: 'Lab-GPU' }],
  ] as const)('writes %s as ssh does', async (_label, options, more) => {
    theirs(join(folder, 'theirs'), ...options);
    expect(await ours(join(folder, 'ours'), more)).toEqual({ kind: 'go' });
    expect(readFileSync(join(folder, 'ours'), 'utf8')).toBe(readFileSync(join(folder, 'theirs'), 'utf8'));
    expect(modeOf(join(folder, 'ours'))).toBe(modeOf(join(folder, 'theirs')));
  });

  it('hashes the name under HashKnownHosts, so that ssh finds it', async () => {
    const path = join(folder, 'hashed');
    await ours(path, { hashKnownHosts: true });
    const text = readFileSync(path, 'utf8');
    expect(text).toMatch(/^\|1\|[^ ]+\|[^ ]+ ssh-ed25519 [^ ]+\n$/);
    expect(text).not.toContain('127.0.0.1');
    const found = execFileSync('ssh-keygen', ['-F', `[127.0.0.1]:${String(server.port)}`, '-f', path], {
      encoding: 'utf8',
    });
    expect(found).toContain(server.hostKeyLine);
  });

  it('keeps modes and what is there, and adds the newline that is missing', async () => {
    const path = join(folder, 'kept');
    writeFileSync(path, 'other ssh-ed25519 AAAA', { mode: 0o640 });
    await ours(path);
    expect(readFileSync(path, 'utf8')).toBe(
      `other ssh-ed25519 AAAA\n[127.0.0.1]:${String(server.port)} ${server.hostKeyLine}\n`,
    );
    expect(modeOf(path)).toBe('640');
  });

  it('writes through a link, also one that leads to nothing yet', async () => {
    for (const before of ['', null]) {
      const real = join(folder, `real-${String(before)}`);
      const link = join(folder, `link-${String(before)}`);
      if (before !== null) writeFileSync(real, before);
      symlinkSync(real, link);
      await ours(link);
      expect(lstatSync(link).isSymbolicLink()).toBe(true);
      expect(readFileSync(real, 'utf8')).toContain(server.hostKeyLine);
    }
  });

  it('makes ~/.ssh for the user alone, and no other folder', async () => {
    await ours(join(folder, '.ssh/known_hosts'));
    expect(modeOf(join(folder, '.ssh'))).toBe('700');
    theirs(join(folder, 'elsewhere/theirs'));
    notices.length = 0;
    expect(await ours(join(folder, 'elsewhere/ours'))).toEqual({ kind: 'go' });
    expect(existsSync(join(folder, 'elsewhere'))).toBe(false);
    expect(notices).toEqual([expect.stringMatching(/could not be written.*ENOENT.*asked about again/)]);
  });

  it('says so and goes on where the file cannot be written, as ssh does', async () => {
    mkdirSync(join(folder, 'directory'));
    notices.length = 0;
    expect(await ours(join(folder, 'directory'))).toEqual({ kind: 'go' });
    expect(notices).toEqual([expect.stringMatching(/EISDIR/)]);
  });

  it('says that a certificate authority could not be asked', async () => {
    const files = [{ path: '/k', text: `@cert-authority * ${server.hostKeyLine}\n` }];
    const strict = target(join(folder, 'k'), { strictHostKeyChecking: 'yes' });
    expect(await verifyHostKey(strict, files, keyBlob(), questions, false)).toMatchObject({
      why: expect.stringMatching(/\/k line 1 trusts a certificate authority/) as string,
    });
    notices.length = 0;
    await verifyHostKey(target(join(folder, 'k')), files, keyBlob(), questions, false);
    expect(notices).toEqual([expect.stringMatching(/only the system’s ssh can check/)]);
  });

  it.each([
    ['accept-new', { kind: 'go' }, true],
    ['no', { kind: 'go' }, true],
    ['yes', { kind: 'stop', why: expect.stringMatching(/StrictHostKeyChecking is yes/) as string }, false],
  ] as const)('under StrictHostKeyChecking %s', async (strictHostKeyChecking, decision, written) => {
    const path = join(folder, 'strict');
    expect(await ours(path, { strictHostKeyChecking })).toEqual(decision);
    expect(existsSync(path)).toBe(written);
  });
});
