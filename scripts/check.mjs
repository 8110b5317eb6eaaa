#!/usr/bin/env node
// `npm run check`: types, lint with import boundaries, format, native build with warnings as errors, native checks.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
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

const steps = [
  ...['model', 'electron', 'renderer', 'test'].map((project) => [
    `types: ${project}`,
    bin('tsc'),
    ['-p', project],
  ]),
  ['lint and import boundaries', bin('oxlint'), ['--type-aware', '--deny-warnings', ...LINTED]],
  ['format', bin('prettier'), ['--check', '--log-level', 'warn', '.']],
  ['native build', process.execPath, ['scripts/build-agent.mjs']],
  ['native checks', process.execPath, ['scripts/check-native.mjs']],
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
