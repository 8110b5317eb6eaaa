#!/usr/bin/env node
// Takes protections of the shim and the agent out, one at a time, in a copy of the tree, and runs the test that must
// notice: a test that still passes protects nothing. Minutes, so by hand and not part of `npm test`:
//   node scripts/mutations.mjs [part of an id]
// test/agent/mutations.json says what is taken out: {id, says, file, take, put, test}; `take` stands once in its file.
// Where two protections stand behind each other, `also` is {file, take, put} of the second.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const copy = join(root, 'build/mutations');
/** A mutation may make a test wait for its own bounds; longer than this it has hung, which is noticed as well. */
const RUN_TIMEOUT_MS = 240_000;

const COPIED = [
  'agent',
  'model',
  'test/agent',
  'test/fuzz',
  'test/gpu',
  'scripts',
  'package.json',
  'vitest.config.ts',
  'tsconfig.base.json',
  '.cache',
];

export function readMutations() {
  return JSON.parse(readFileSync(join(root, 'test/agent/mutations.json'), 'utf8'));
}

/** The file with the protection out of it; throws if the place is not there exactly once. */
export function mutate(text, { id, file, take, put }) {
  const parts = text.split(take);
  if (parts.length !== 2)
    throw new Error(`${id}: stands ${parts.length - 1} times in ${file}, not once: ${take.slice(0, 80)}`);
  return parts.join(put);
}

function makeCopy() {
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy, { recursive: true });
  for (const part of COPIED) cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
}

const node = (...args) =>
  spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8', timeout: RUN_TIMEOUT_MS });

/** 'noticed', or why not. */
function attempt(mutation) {
  const edits = [mutation, ...(mutation.also ? [{ id: mutation.id, ...mutation.also }] : [])];
  const wholes = edits.map(({ file }) => [join(copy, file), readFileSync(join(copy, file), 'utf8')]);
  try {
    edits.forEach((edit, at) => writeFileSync(wholes[at][0], mutate(wholes[at][1], edit)));
    const built = node('scripts/build-agent.mjs', 'libtranche.so', 'tranche', 'sim');
    if (built.status !== 0) return `does not build:\n${built.stderr.slice(-1500)}`;
    const tested = mutation.test.endsWith('.ts')
      ? node('node_modules/vitest/vitest.mjs', 'run', '--project', 'agent', `test/agent/${mutation.test}`)
      : node('scripts/test-native.mjs', mutation.test);
    // A test that could not even begin has noticed nothing.
    if (/no tests/.test(tested.stdout)) return `the test did not run:\n${tested.stdout.slice(-1500)}`;
    if (/FAIL/.test(tested.stdout + tested.stderr)) {
      return /does not compile/.test(tested.stdout)
        ? `the test does not compile:\n${tested.stdout.slice(-1500)}`
        : 'noticed';
    }
    if (tested.error) return 'noticed'; // it never ended
    return `${mutation.test} still passes:\n${tested.stdout.slice(-500)}`;
  } finally {
    for (const [path, whole] of wholes) writeFileSync(path, whole);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const only = process.argv[2] ?? '';
  const chosen = readMutations().filter(({ id }) => id.includes(only));
  makeCopy();
  let unnoticed = 0;
  for (const mutation of chosen) {
    const started = Date.now();
    const outcome = attempt(mutation);
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    const noticed = outcome === 'noticed';
    unnoticed += noticed ? 0 : 1;
    console.log(
      `${noticed ? 'noticed  ' : 'UNNOTICED'} ${mutation.id}: ${mutation.says} (${mutation.test}, ${seconds} s)${noticed ? '' : `\n${outcome}`}`,
    );
  }
  rmSync(copy, { recursive: true, force: true });
  console.log(`${chosen.length - unnoticed} passed, ${unnoticed} failed`);
  process.exit(unnoticed === 0 ? 0 : 1);
}
