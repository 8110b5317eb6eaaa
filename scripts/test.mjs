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
/** Of one failure, at the end; the whole of it stands where it happened. */
const REASON_MAX_CHARS = 1_500;
/**
 * Tests that start processes and windows may meet a machine that stands still for seconds. In CI such a test has a second
 * try, and is named at the end; nowhere else, so that who works on it sees it fail.
 */
const TRIES_IN_CI = 2;
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
  const { counts, ...outcome } = await timed(name, work);
  toldFailed.push(...outcome.failures.map((one) => ({ project: name, ...one })));
  toldRetried.push(...outcome.retried.map((one) => ({ project: name, ...one })));
  for (const key of Object.keys(total)) total[key] += counts[key];
  console.log(`${name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
}

/** What did not pass, or not at once: said again at the end, where nobody has to look for it. */
const toldFailed = [];
const toldRetried = [];
const indent = (text) => text.trimEnd().replaceAll('\n', '\n    ');

function tell(heading, list) {
  if (list.length === 0) return;
  console.log(`${heading}:`);
  for (const { project, name, why } of list)
    console.log(
      `  ${project}: ${name}\n    ${indent((why ?? 'no reason given').slice(0, REASON_MAX_CHARS))}`,
    );
  console.log('');
}

/** A test skipped in CI is a failure, but for the reasons that CI may have. */
const ALLOWED_IN_CI = [/runtime cannot be obtained/];

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
      ...(inCi && project !== 'unit' ? [`--retry=${String(TRIES_IN_CI - 1)}`] : []),
    ],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: VITEST_TIMEOUT_MS,
      env: { ...process.env, FORCE_COLOR: '0', TRANCHE_TALLY: file },
    },
  );
  const { counts, failures, skipped, retried, unended } = readTally(
    existsSync(file) ? readFileSync(file, 'utf8') : '',
  );
  // What was found counts, also where the run was ended before it was through; that it was is a failure of its own.
  if (run.status !== 0 && counts.failed === 0)
    unended.push(run.error?.message ?? `vitest ended with ${run.status}`);
  failures.push(...unended.map((name) => ({ name, why: 'did not come to its end' })));
  if (inCi) failures.push(...refusedSkips(skipped, counts));
  counts.failed = failures.length;
  return { counts, failures, retried };
}

function refusedSkips(skipped, counts) {
  const refused = [];
  for (const { name, meta } of skipped) {
    const why = JSON.stringify(meta ?? {}) + name;
    if (ALLOWED_IN_CI.some((reason) => reason.test(why))) continue;
    refused.push({ name, why: 'skipped in CI, where it has to run' });
    counts.skipped -= 1;
  }
  return refused;
}

const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : null;
const wanted = (name) => only === null || only === name;
try {
  checkNode();
  installPackages({ tools: true });
  await timed('build', buildAll);
  mkdirSync(results, { recursive: true });
  if (wanted('native')) await add('native', () => testNative('', inCi ? TRIES_IN_CI : 1));
  for (const project of ['unit', 'agent', 'integration', 'e2e'])
    if (wanted(project)) await add(project, () => runVitest(project));
} catch (error) {
  console.error(`npm test could not run: ${error instanceof Error ? error.message : String(error)}`);
  total.failed += 1;
}
console.log('');
tell('Failed', toldFailed);
tell('Passed at a second try only', toldRetried);
console.log(`${timesTable(times)}\n`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 ? 0 : 1);
