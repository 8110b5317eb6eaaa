/** Builds the agent with gcc and the address and undefined behaviour sanitizers, as it is or with files of a test. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { repo } from './agent_process.ts';

export const hasGcc = spawnSync('gcc', ['--version']).status === 0;

const sources = (path: string): string[] =>
  readdirSync(join(repo, path), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.c'))
    .sort()
    .map((name) => join(path, name));

/** Says where it is. `without` of ours, and all of `folder` with its headers instead. */
export function buildSanitized(
  name: string,
  { without = [], folder }: { readonly without?: readonly string[]; readonly folder?: string } = {},
): string {
  const out = join(repo, 'build/test-native');
  const binary = join(out, name);
  const flags = ['-std=gnu11', '-D_GNU_SOURCE', '-O1', '-g', '-Wall', '-Wextra', '-Werror'].concat(
    '-fsanitize=address,undefined',
    '-fno-sanitize-recover=all',
    '-fno-omit-frame-pointer',
  );
  const own = folder === undefined ? [] : [folder];
  const includes = ['agent/common', 'agent/vendor', 'agent/gate', 'agent/door', 'agent/src', ...own].map(
    (path) => `-I${path}`,
  );
  const files = ['agent/src', 'agent/gate', 'agent/door', 'agent/common', ...own]
    .flatMap(sources)
    .filter((path) => !without.includes(path));
  mkdirSync(out, { recursive: true });
  execFileSync('gcc', [...flags, ...includes, ...files, '-o', binary, '-lpthread', '-ldl', '-lrt', '-lm'], {
    cwd: repo,
  });
  return binary;
}
