import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readTally } from '../../scripts/test-tally.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const WHOLE_RUN_MS = 60_000;
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tranche-tally-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test(
  'what was found is known of a run that was ended in the middle of a test',
  () => {
    const own = join(folder, 'own.test.mjs');
    const tally = join(folder, 'tally.jsonl');
    // The last one ends the whole run, as a bound of the run would.
    writeFileSync(
      own,
      `import { readFileSync } from 'node:fs';
import { expect, test } from '${join(root, 'node_modules/vitest/dist/index.js')}';
test('is right', () => {});
test('is wrong', () => expect(1).toBe(2));
test.skip('is left out', () => {});
test('does not come to its end', async () => {
  while (!readFileSync(process.env.TRANCHE_TALLY, 'utf8').includes('is left out'))
    await new Promise((resolve) => setTimeout(resolve, 10));
  process.kill(process.ppid, 'SIGKILL');
  process.kill(process.pid, 'SIGKILL');
}, ${String(WHOLE_RUN_MS)});
`,
    );
    const run = spawnSync(
      process.execPath,
      [
        join(root, 'node_modules/vitest/vitest.mjs'),
        'run',
        '--root',
        folder,
        '--pool=forks',
        `--reporter=${join(root, 'scripts/test-tally.mjs')}`,
      ],
      { cwd: folder, timeout: WHOLE_RUN_MS, env: { ...process.env, TRANCHE_TALLY: tally }, encoding: 'utf8' },
    );
    expect(run.status, run.stderr).not.toBe(0);
    const { counts, failures, unended } = readTally(readFileSync(tally, 'utf8'));
    expect(counts).toEqual({ passed: 1, failed: 1, skipped: 1 });
    expect(failures.map(({ name }) => name)).toEqual(['is wrong']);
    expect(unended).toEqual([own]);
  },
  2 * WHOLE_RUN_MS,
);

test('a line that is cut off is no result, and its file has not ended', () => {
  const lines = [
    { kind: 'begins', file: 'a' },
    { kind: 'test', file: 'a', name: 'one', state: 'passed' },
  ].map((line) => JSON.stringify(line));
  expect(readTally(`${lines.join('\n')}\n{"kind":"te`)).toEqual({
    counts: { passed: 1, failed: 0, skipped: 0 },
    failures: [],
    skipped: [],
    unended: ['a'],
  });
  expect(
    readTally(JSON.stringify({ kind: 'ends', file: 'b', errors: ['no such module'] })).counts.failed,
  ).toBe(1);
});
