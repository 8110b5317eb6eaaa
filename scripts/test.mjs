#!/usr/bin/env node
// `npm test`: everything that can be tested without a GPU, from a fresh clone. Ends with `N passed, N failed, N skipped`.
// Options: --only native|unit|agent|integration|e2e
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildAll, checkNode, installPackages, root } from './setup.mjs';
import { testNative } from './test-native.mjs';

const VITEST_TIMEOUT_MS = 30 * 60_000;
const results = join(root, 'test-results');
const total = { passed: 0, failed: 0, skipped: 0 };
const inCi = process.env['CI'] === 'true';

function add(name, counts) {
  for (const key of Object.keys(total)) total[key] += counts[key];
  console.log(`${name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
}

/** A test skipped in CI is a failure, but for the reasons that CI may have. */
const ALLOWED_IN_CI = [/runtime can not be obtained/];

function runVitest(project) {
  const file = join(results, `${project}.json`);
  rmSync(file, { force: true });
  const result = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--project',
      project,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
      '--passWithNoTests',
    ],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: VITEST_TIMEOUT_MS,
      env: { ...process.env, FORCE_COLOR: '0' },
    },
  );
  const counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    const report = JSON.parse(readFileSync(file, 'utf8'));
    counts.passed = report.numPassedTests;
    counts.failed = report.numFailedTests;
    counts.skipped = report.numPendingTests + report.numTodoTests;
    // A file that fails to load holds no failed test, but is a failure all the same.
    if (!report.success && counts.failed === 0) counts.failed = Math.max(1, report.numFailedTestSuites);
    if (inCi) refuseSkips(project, report, counts);
  } catch (error) {
    console.log(`FAIL ${project}: no report (${result.error?.message ?? error.message})`);
    counts.failed += 1;
  }
  return counts;
}

function refuseSkips(project, report, counts) {
  for (const file of report.testResults) {
    for (const test of file.assertionResults.filter(
      ({ status }) => status === 'pending' || status === 'skipped',
    )) {
      const why = JSON.stringify(test.meta ?? {}) + test.fullName;
      if (ALLOWED_IN_CI.some((reason) => reason.test(why))) continue;
      console.log(`FAIL ${project}: skipped in CI: ${test.fullName}`);
      counts.failed += 1;
      counts.skipped -= 1;
    }
  }
}

const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : null;
const wanted = (name) => only === null || only === name;
try {
  checkNode();
  installPackages({ tools: true });
  await buildAll();
  mkdirSync(results, { recursive: true });
  if (wanted('native')) add('native', testNative());
  for (const project of ['unit', 'agent', 'integration', 'e2e'])
    if (wanted(project)) add(project, runVitest(project));
} catch (error) {
  console.error(`npm test could not run: ${error instanceof Error ? error.message : String(error)}`);
  total.failed += 1;
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 ? 0 : 1);
