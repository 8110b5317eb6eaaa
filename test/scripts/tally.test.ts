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
    const vitest = join(root, 'node_modules/vitest/dist/index.js');
    const tally = join(folder, 'tally.jsonl');
    const whole = join(folder, 'whole.test.mjs');
    writeFileSync(
      whole,
      `import { expect, test } from '${vitest}';
test('is right', () => {});
test('is wrong', () => expect(1).toBe(2));
let tries = 0;
test('is right at the second try', { retry: 1 }, () => expect((tries += 1)).toBe(2));
test.skip('is left out', () => {});
`,
    );
    // It ends the whole run, as a bound of the run would. It waits for the end of the other file and the beginning of
    // its own, and not for a result, which vitest may hold back until there are more.
    const endless = join(folder, 'endless.test.mjs');
    writeFileSync(
      endless,
      `import { existsSync, readFileSync } from 'node:fs';
import { test } from '${vitest}';
const tally = process.env.TRANCHE_TALLY;
test('does not come to its end', async () => {
  const told = () => (existsSync(tally) ? readFileSync(tally, 'utf8') : '');
  while (!told().includes('"ends"') || !told().includes('endless'))
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
        '--maxWorkers=2',
        `--reporter=${join(root, 'scripts/test-tally.mjs')}`,
      ],
      { cwd: folder, timeout: WHOLE_RUN_MS, env: { ...process.env, TRANCHE_TALLY: tally }, encoding: 'utf8' },
    );
    expect(run.status, run.stderr).not.toBe(0);
    const { counts, failures, retried, unended } = readTally(readFileSync(tally, 'utf8'));
    expect(counts).toEqual({ passed: 2, failed: 1, skipped: 1 });
    expect(failures.map(({ name }) => name)).toEqual(['is wrong']);
    expect(retried.map(({ name }) => name)).toEqual(['is right at the second try']);
    expect(unended).toEqual([endless]);
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
    retried: [],
    unended: ['a'],
  });
  expect(
    readTally(JSON.stringify({ kind: 'ends', file: 'b', errors: ['no such module'] })).counts.failed,
  ).toBe(1);
});

test('who passed at a second try only is named, with what was wrong at the first', () => {
  const line = (name: string, state: string, retryCount: number) =>
    JSON.stringify({ kind: 'test', file: 'a', name, state, retryCount, why: 'late' });
  const { counts, retried, failures } = readTally(
    [line('at once', 'passed', 0), line('again', 'passed', 1), line('never', 'failed', 1)].join('\n'),
  );
  expect(counts).toEqual({ passed: 2, failed: 1, skipped: 0 });
  expect(retried).toEqual([{ name: 'again', why: 'late' }]);
  expect(failures).toEqual([{ name: 'never', why: 'late' }]);
});
