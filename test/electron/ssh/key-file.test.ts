import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ParsedKey } from 'ssh2';
import { openKeyFile, publicBlobIn, publicKeyOf } from '../../../electron/core/ssh/key-file.ts';
import { plainText } from '../../../electron/core/ssh/plain-text.ts';

let folder: string;
const blobOf = (path: string) => Buffer.from(readFileSync(path, 'utf8').split(' ')[1] ?? '', 'base64');
const make = (name: string, ...args: readonly string[]) => {
  const path = join(folder, name);
  execFileSync('ssh-keygen', ['-q', '-f', path, ...args]);
  return path;
};
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tranche-keys-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const open = (path: string, passphrases: readonly (string | null)[]) => {
  const left = [...passphrases];
  const seen = { asked: 0, wrong: 0, signed: 0, outcome: '' };
  const key = openKeyFile({
    path,
    ourTurn: (work) => work(),
    askPassphrase: () => {
      seen.asked += 1;
      return Promise.resolve(left.shift() ?? null);
    },
    onWrongPassphrase: () => (seen.wrong += 1),
    onSigned: () => (seen.signed += 1),
    onOutcome: (what) => (seen.outcome = what),
  });
  return { key, seen };
};

async function sign(path: string, passphrases: readonly (string | null)[]) {
  const { key, seen } = open(path, passphrases);
  const agent = await key;
  if (agent === null || agent instanceof Error) throw new Error(`no key: ${String(agent)}`);
  const [shown] = await new Promise<readonly ParsedKey[]>((resolve) => {
    agent.getIdentities((_error, keys) => {
      resolve(keys as ParsedKey[]);
    });
  });
  const askedBefore = seen.asked;
  const data = Buffer.from('to be signed');
  const signature = await new Promise<Buffer | Error>((resolve) => {
    agent.sign(shown as ParsedKey, data, {}, (error, value) => {
      resolve(error ?? value ?? new Error('nothing'));
    });
  });
  const verified = !(signature instanceof Error) && shown?.verify(data, signature) === true;
  return { shown, seen, askedBefore, signature, verified };
}

describe('a key file', () => {
  it.each([
    ['ed25519', ['-t', 'ed25519']],
    ['rsa', ['-t', 'rsa', '-b', '2048']],
    ['ecdsa', ['-t', 'ecdsa']],
  ])('of type %s shows its public half, and asks for its passphrase only to sign', async (type, args) => {
    const path = make(`locked-${type}`, ...args, '-N', 'correct horse');
    const expected = blobOf(`${path}.pub`);
    expect(publicBlobIn(readFileSync(path, 'utf8'))).toEqual(expected);
    rmSync(`${path}.pub`);
    const { shown, askedBefore, seen, verified } = await sign(path, ['wrong', 'correct horse']);
    expect(shown?.getPublicSSH()).toEqual(expected);
    expect(askedBefore).toBe(0);
    expect(seen).toMatchObject({ asked: 2, wrong: 1, signed: 1 });
    expect(verified).toBe(true);
  });

  it('is opened once for all who ask, and nothing stands still meanwhile', async () => {
    // A quarter of a second and more of work, wherever it is done.
    const path = make('slow', '-t', 'ed25519', '-a', '64', '-N', 'correct horse');
    let longestMs = 0;
    let last = performance.now();
    const beat = setInterval(() => {
      longestMs = Math.max(longestMs, performance.now() - last);
      last = performance.now();
    }, 5);
    const startedAt = performance.now();
    const first = await sign(path, ['correct horse']);
    const onceMs = performance.now() - startedAt;
    const all = await Promise.all([1, 2, 3, 4, 5, 6].map(() => sign(path, ['correct horse'])));
    const allMs = performance.now() - startedAt - onceMs;
    clearInterval(beat);
    expect([first, ...all].every(({ verified }) => verified)).toBe(true);
    expect(longestMs).toBeLessThan(onceMs / 2);
    expect(allMs).toBeLessThan(onceMs);
  });

  it.each(['aes128-cbc', 'aes192-ctr', 'aes256-gcm@openssh.com', '3des-cbc'])(
    'locked with %s is opened',
    async (cipher) => {
      const path = make(`with-${cipher}`, '-t', 'ed25519', '-Z', cipher, '-a', '1', '-N', 'correct horse');
      expect((await sign(path, ['correct horse'])).verified).toBe(true);
    },
  );

  it('locked with a cipher that is not known says so, and asks for nothing', async () => {
    const path = make(
      'chacha',
      '-t',
      'ed25519',
      '-Z',
      'chacha20-poly1305@openssh.com',
      '-N',
      'correct horse',
    );
    const { key, seen } = open(path, ['correct horse']);
    const outcome = await key;
    expect(outcome).toBeInstanceOf(Error);
    expect((outcome as Error).message).toMatch(/chacha20-poly1305@openssh\.com.*not known here/);
    expect(seen).toMatchObject({ asked: 0, wrong: 0 });
  });

  it('that others may read is not used, as in ssh', async () => {
    const path = make('open', '-t', 'ed25519', '-N', '');
    chmodSync(path, 0o644);
    const outcome = await open(path, []).key;
    expect(outcome).toBeInstanceOf(Error);
    expect((outcome as Error).message).toMatch(/readable by others \(mode 0644\)/);
  });

  it('gives up after three wrong passphrases, and when none is given', async () => {
    const path = make('locked', '-t', 'ed25519', '-N', 'correct horse');
    const three = await sign(path, ['a', 'b', 'c', 'correct horse']);
    expect(three.signature).toBeInstanceOf(Error);
    expect(three.seen).toMatchObject({
      asked: 3,
      wrong: 3,
      signed: 0,
      outcome: `${path} (wrong passphrase)`,
    });
    expect((await sign(path, [null])).seen.outcome).toBe(`${path} (no passphrase given)`);
  });

  it('in the old format shows the half beside it', async () => {
    const path = make('old', '-t', 'rsa', '-b', '2048', '-m', 'PEM', '-N', 'correct horse');
    expect(await publicKeyOf(path)).toEqual(blobOf(`${path}.pub`));
    const { askedBefore, verified } = await sign(path, ['correct horse']);
    expect([askedBefore, verified]).toEqual([0, true]);
  });

  it('that is missing is nothing, and one that is no key says so', async () => {
    expect(await open(join(folder, 'missing'), []).key).toBeNull();
    writeFileSync(join(folder, 'nonsense'), 'nonsense');
    expect(await open(join(folder, 'nonsense'), []).key).toBeInstanceOf(Error);
    expect(
      publicBlobIn('-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----'),
    ).toBeNull();
  });
});

describe('plainText', () => {
  it('takes the power out of what a server says', () => {
    expect(plainText('a\u001b[31mb\u0007\u202ec\r\nd\te')).toBe('a[31mbc\nd\te');
    expect(plainText('x'.repeat(5000))).toHaveLength(2001);
  });
});
