#!/usr/bin/env node
// `npm test`: everything that can be tested without a GPU, from a fresh clone. Ends with what took how long, and
// `N passed, N failed, N skipped`.
// Options: --only native|unit|agent|integration|e2e
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildAll, checkNode, installPackages, root } from './setup.mjs';
import { testNative } from './test-native.mjs';
import { readTally } from './test-tally.mjs';
import { readTimes, timesTable } from './times.mjs';

/** Of one project; on a machine that others use too, each takes several times as long as alone. */
const VITEST_TIMEOUT_MS = 60 * 60_000;
const results = join(root, 'test-results');
const total = { passed: 0, failed: 0, skipped: 0 };
const inCi = process.env['CI'] === 'true';
const times = [...readTimes(process.env['TRANCHE_TIMES_BEFORE'] ?? '')];

async function timed(name, work) {
  const started = Date.now();
  const result = await work();
  times.push({ name, ms: Date.now() - started });
  return result;
}

async function add(name, work) {
  const counts = await timed(name, work);
  for (const key of Object.keys(total)) total[key] += counts[key];
  console.log(`${name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
}

/** A test skipped in CI is a failure, but for the reasons that CI may have. */
const ALLOWED_IN_CI = [/runtime can not be obtained/];

function runVitest(project) {
  const file = join(results, `${project}.jsonl`);
  rmSync(file, { force: true });
  const run = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--project',
      project,
      '--reporter=default',
      `--reporter=${join(root, 'scripts/test-tally.mjs')}`,
      '--passWithNoTests',
    ],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: VITEST_TIMEOUT_MS,
      env: { ...process.env, FORCE_COLOR: '0', TRANCHE_TALLY: file },
    },
  );
  const { counts, skipped, unended } = readTally(existsSync(file) ? readFileSync(file, 'utf8') : '');
  // What was found counts, also where the run was ended before it was through; that it was is a failure of its own.
  if (run.status !== 0 && counts.failed === 0)
    unended.push(run.error?.message ?? `vitest ended with ${run.status}`);
  for (const what of unended) {
    console.log(`FAIL ${project}: did not come to its end: ${what}`);
    counts.failed += 1;
  }
  if (inCi) refuseSkips(project, skipped, counts);
  return counts;
}

function refuseSkips(project, skipped, counts) {
  for (const { name, meta } of skipped) {
    const why = JSON.stringify(meta ?? {}) + name;
    if (ALLOWED_IN_CI.some((reason) => reason.test(why))) continue;
    console.log(`FAIL ${project}: skipped in CI: ${name}`);
    counts.failed += 1;
    counts.skipped -= 1;
  }
}

const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : null;
const wanted = (name) => only === null || only === name;
try {
  checkNode();
  installPackages({ tools: true });
  await timed('build', buildAll);
  mkdirSync(results, { recursive: true });
  if (wanted('native')) await add('native', testNative);
  for (const project of ['unit', 'agent', 'integration', 'e2e'])
    if (wanted(project)) await add(project, () => runVitest(project));
} catch (error) {
  console.error(`npm test could not run: ${error instanceof Error ? error.message : String(error)}`);
  total.failed += 1;
}
console.log(`${timesTable(times)}\n`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 ? 0 : 1);
