#!/usr/bin/env node
// `npm run check`: types, walls between rooms, lint, format, floors of the C, error codes, native build with warnings as
// errors, native checks, and, where clang-format and shellcheck are installed, the format of C and the shell scripts.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { checkNode, installPackages, root } from './setup.mjs';

const bin = (name) => join(root, 'node_modules/.bin', name);
const LINTED = [
  'model',
  'electron',
  'renderer',
  'test',
  'scripts',
  'vitest.config.ts',
  'vite.renderer.config.ts',
].filter((path) => existsSync(join(root, path)));

/** Other versions lay out some lines differently; this is Debian 12's. */
const CLANG_FORMAT_MAJOR = '14';
/** Folders whose C clang-format keeps. */
const FORMATTED_C = [
  'agent/common',
  'agent/src',
  'agent/gate',
  'agent/shim',
  'agent/vendor',
  'agent/sim',
  'test/agent',
  'test/bench',
  'test/gpu',
];

function clangFormatSteps() {
  const asked = spawnSync('clang-format', ['--version'], { encoding: 'utf8' });
  const major = /version (\d+)/.exec(asked.stdout ?? '')?.[1];
  if (major !== CLANG_FORMAT_MAJOR) {
    const why = major ? `it is version ${major}, not ${CLANG_FORMAT_MAJOR}` : 'it is not installed';
    console.log(`skip format of C: clang-format: ${why}`);
    return [];
  }
  const files = FORMATTED_C.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((name) => /\.[ch]$/.test(name))
      .map((name) => join(folder, name)),
  );
  return [['format of C', 'clang-format', ['--dry-run', '-Werror', ...files]]];
}

/** Those that are sent to hosts are .sh files for this reason. */
function shellcheckSteps() {
  if (spawnSync('shellcheck', ['--version']).status !== 0) {
    console.log('skip shell scripts: shellcheck is not installed');
    return [];
  }
  const files = ['agent', 'electron', 'scripts', 'test'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((name) => name.endsWith('.sh'))
      .map((name) => join(folder, name)),
  );
  return [['shell scripts', 'shellcheck', [...files, '.ci/run']]];
}

const steps = [
  ...['model', 'electron', 'renderer', 'test'].map((project) => [
    `types: ${project}`,
    bin('tsc'),
    ['-p', project],
  ]),
  ['walls between rooms', process.execPath, ['scripts/check-rooms.mjs']],
  ['lint', bin('oxlint'), ['--type-aware', '--deny-warnings', ...LINTED]],
  ['format', bin('prettier'), ['--check', '--log-level', 'warn', '.']],
  ...clangFormatSteps(),
  ['one dialect', process.execPath, ['scripts/check-dialect.mjs']],
  ['nothing twice', process.execPath, ['scripts/check-repeats.mjs']],
  ['vendors’ words', process.execPath, ['scripts/check-vendors.mjs']],
  ['floors of agent/', process.execPath, ['scripts/check-layers.mjs']],
  ...shellcheckSteps(),
  ['error codes and their catalogue', process.execPath, ['scripts/error-catalogue.mjs', '--check']],
  ['native build', process.execPath, ['scripts/build-agent.mjs']],
  ['native checks', process.execPath, ['scripts/check-native.mjs']],
  ['header diff (where a toolkit is)', process.execPath, ['scripts/header-diff.mjs']],
];

checkNode();
installPackages({ tools: true });
let failed = 0;
for (const [name, command, args] of steps) {
  const started = Date.now();
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  const good = result.status === 0;
  console.log(`${good ? 'ok  ' : 'FAIL'} ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  if (!good) {
    failed += 1;
    console.log(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error ? result.error.message : ''}`);
  }
}
process.exit(failed === 0 ? 0 : 1);
