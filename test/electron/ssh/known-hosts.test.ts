import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  authorityOf,
  fingerprint,
  judgeHostKey,
  keyTypeOf,
  knownHostsLine,
  knownKeyTypes,
} from '../../../electron/core/ssh/known-hosts.ts';

// Keys and hashed files are made by ssh-keygen itself: our reading is held against OpenSSH's writing.
let folder: string;
const keys: Record<string, { blob: Buffer; line: string; shown: string }> = {};
const keygen = (...args: string[]) =>
  execFileSync('ssh-keygen', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'known-hosts-'));
  for (const [name, type] of [
    ['a', 'ed25519'],
    ['b', 'ed25519'],
    ['r', 'rsa'],
  ] as const) {
    const path = join(folder, name);
    keygen('-q', '-t', type, '-N', '', '-f', path);
    const line = readFileSync(`${path}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
    keys[name] = {
      line,
      blob: Buffer.from(line.split(' ')[1] ?? '', 'base64'),
      shown: keygen('-l', '-f', `${path}.pub`).split(' ')[1] ?? '',
    };
  }
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const key = (name: string) => {
  const found = keys[name];
  if (!found) throw new Error(name);
  return found;
};
const at = (hostName: string, port: number, hostKeyAlias: string | null = null) => ({
  hostName,
  port,
  hostKeyAlias,
});
const judge = (text: string, host: string, port: number, offered: string) =>
  judgeHostKey([{ path: 'known_hosts', text }], at(host, port), key(offered).blob).kind;

describe('judgeHostKey', () => {
  it('shows fingerprints as ssh-keygen does', () => {
    for (const name of ['a', 'r']) expect(fingerprint(key(name).blob)).toBe(key(name).shown);
    expect(keyTypeOf(key('a').blob)).toBe('ssh-ed25519');
  });

  it('tells known, unknown and changed apart', () => {
    const text = `# a comment\nhopper,10.0.0.1 ${key('a').line}\n`;
    expect(judge(text, 'hopper', 22, 'a')).toBe('known');
    expect(judge(text, 'HOPPER', 22, 'a')).toBe('known');
    expect(judge(text, '10.0.0.1', 22, 'a')).toBe('known');
    expect(judge(text, 'hopper', 22, 'b')).toBe('changed');
    expect(judge(text, 'turing', 22, 'a')).toBe('unknown');
  });

  it('takes a port other than 22 as another name', () => {
    const text = `[hopper]:2222 ${key('a').line}\n`;
    expect(judge(text, 'hopper', 2222, 'a')).toBe('known');
    expect(judge(text, 'hopper', 22, 'a')).toBe('unknown');
    expect(judge(`hopper ${key('a').line}\n`, 'hopper', 2222, 'b')).toBe('unknown');
  });

  it('takes a key under the bare name for that host on any port, but never a contradiction', () => {
    expect(judge(`hopper ${key('a').line}\n`, 'hopper', 2222, 'a')).toBe('known');
    expect(judge(`@revoked hopper ${key('a').line}\n`, 'hopper', 2222, 'a')).toBe('revoked');
  });

  it('looks a HostKeyAlias up by itself, whatever name and port', () => {
    const files = [{ path: 'known_hosts', text: `lab-gpu ${key('a').line}\n` }];
    const kind = (alias: string, name: string) =>
      judgeHostKey(files, at('10.0.0.9', 2222, alias), key(name).blob).kind;
    expect(kind('Lab-GPU', 'a')).toBe('known');
    expect(kind('lab-gpu', 'b')).toBe('changed');
    expect(kind('other', 'a')).toBe('unknown');
  });

  it('does not take a key of another type for a changed one', () => {
    expect(judge(`hopper ${key('r').line}\n`, 'hopper', 22, 'a')).toBe('unknown');
  });

  it('honours wildcards and negation', () => {
    const text = `*.lab,!gate.lab ${key('a').line}\n`;
    expect(judge(text, 'x.lab', 22, 'a')).toBe('known');
    expect(judge(text, 'gate.lab', 22, 'a')).toBe('unknown');
    expect(judge(`h?pper ${key('a').line}\n`, 'hopper', 22, 'a')).toBe('known');
    expect(judge(`h.pper ${key('a').line}\n`, 'hopper', 22, 'a')).toBe('unknown');
  });

  it('lets a revoked key pass under no circumstances', () => {
    const text = `hopper ${key('a').line}\n@revoked * ${key('a').line}\n`;
    expect(judge(text, 'hopper', 22, 'a')).toBe('revoked');
    expect(judge(`@revoked * ${key('b').line}\nhopper ${key('a').line}\n`, 'hopper', 22, 'a')).toBe('known');
  });

  it('neither trusts nor blames a certificate authority, and names its line', () => {
    const files = [{ path: 'known_hosts', text: `\n@cert-authority *.lab ${key('a').line}\n` }];
    const verdict = judgeHostKey(files, at('x.lab', 22), key('a').blob);
    expect(verdict).toMatchObject({ kind: 'unknown', authority: { file: 'known_hosts', line: 2 } });
    expect(judgeHostKey(files, at('x.example', 22), key('a').blob)).toEqual({
      kind: 'unknown',
      authority: null,
    });
    expect(authorityOf(files, at('x.lab', 22))).toMatchObject({ line: 2 });
    const pinned = [{ path: 'k', text: `x.lab ${key('b').line}\n@cert-authority * ${key('a').line}\n` }];
    expect(authorityOf(pinned, at('x.lab', 22))).toBeNull();
  });

  it('reads what ssh-keygen -H hashed, and names file and line of a changed key', () => {
    const path = join(folder, 'known_hosts');
    writeFileSync(path, `turing ${key('b').line}\n[hopper]:2222 ${key('a').line}\n`);
    keygen('-H', '-f', path);
    const text = readFileSync(path, 'utf8');
    expect(text).toContain('|1|');
    expect(judge(text, 'hopper', 2222, 'a')).toBe('known');
    const verdict = judgeHostKey([{ path, text }], at('hopper', 2222), key('b').blob);
    expect(verdict).toMatchObject({
      kind: 'changed',
      known: { file: path, line: 2, fingerprint: key('a').shown },
    });
  });

  it('survives nonsense', () => {
    expect(judge('hopper\n|1|x\n@revoked\n\0\0\nhopper ssh-ed25519 !!!\n', 'hopper', 22, 'a')).toBe(
      'changed',
    );
    expect(judge('', 'hopper', 22, 'a')).toBe('unknown');
  });
});

describe('held against ssh-keygen', () => {
  // Each line of each file, plain and hashed, for each name: what -F finds is what we find.
  const names = [
    ['hopper', 22],
    ['hopper', 2222],
    ['10.0.0.1', 22],
    ['gate.lab', 22],
    ['x.lab', 22],
    ['fe80::1', 22],
  ] as const;

  it.each(['plain', 'hashed'])('finds what ssh-keygen -F finds in a %s file', (form) => {
    const path = join(folder, `golden-${form}`);
    const lines = [
      '# comment',
      `hopper,10.0.0.1 ${key('a').line}`,
      `[hopper]:2222 ${key('b').line} with a comment`,
      `*.lab,!gate.lab ${key('r').line}`,
      `fe80::1\t${key('a').line}`,
    ];
    writeFileSync(path, `${lines.join('\n')}\n`);
    if (form === 'hashed') keygen('-H', '-f', path);
    const text = readFileSync(path, 'utf8');
    for (const [host, port] of names) {
      const name = port === 22 ? host : `[${host}]:${String(port)}`;
      for (const candidate of ['a', 'b', 'r']) {
        let found = '';
        try {
          found = keygen('-F', name, '-f', path);
        } catch {
          // -F exits with 1 when it finds nothing
        }
        const theirs = found.includes(key(candidate).line.split(' ')[1] ?? '');
        const files = [{ path, text }];
        const ours = judgeHostKey(files, at(host, port), key(candidate).blob).kind === 'known';
        // The bare name vouches for another port too, which -F does not look at.
        if (port !== 22 && ours && !theirs) continue;
        expect([name, candidate, ours]).toEqual([name, candidate, theirs]);
      }
    }
  });
});

describe('knownHostsLine', () => {
  it.each([false, true])('writes a line that ssh-keygen -F finds (hashed: %s)', (hashed) => {
    const path = join(folder, `written-${String(hashed)}`);
    writeFileSync(path, knownHostsLine(at('Hopper', 2222), key('a').blob, hashed));
    expect(keygen('-F', '[hopper]:2222', '-f', path)).toContain(key('a').line.split(' ')[1]);
    expect(knownKeyTypes([{ path, text: readFileSync(path, 'utf8') }], at('hopper', 2222))).toEqual([
      'ssh-ed25519',
    ]);
  });
});
