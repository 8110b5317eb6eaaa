/** Jobs in words, and what programs write as lines. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Job, JobWait } from '../../model/job.ts';
import { JOB_WAITS } from '../../model/job.ts';
import { compareJobs, detailText, stateText, toneOf, waitText } from '../../renderer/domain/job-text.ts';
import { LINES_MAX, LogText, filterLines } from '../../renderer/store/log-text.ts';
import { JOB, NO_WAIT } from '../fakes/fake-jobs.ts';

const clock = String;

interface Golden {
  readonly name: string;
  readonly waits: Partial<JobWait>;
  readonly expect: string;
}
const golden = readFileSync(new URL('../../model/golden/job-waits.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Golden);

describe('why a job waits', () => {
  it.each(golden)('$name', ({ waits, expect: sentence }) => {
    expect(waitText({ ...NO_WAIT, ...waits }, clock)).toBe(sentence);
  });
  it('has a sentence for every reason there is', () => {
    expect(new Set(golden.map(({ waits }) => waits.code))).toEqual(new Set(JOB_WAITS));
  });
  it('says no more than it knows for one of a newer agent', () => {
    expect(waitText(NO_WAIT, clock)).toBe('Waits for a reason that this version does not know.');
    expect(waitText({ ...NO_WAIT, position: 3 }, clock)).toBe('Third in line.');
  });
});

describe('a job in words', () => {
  it.each([
    [{ state: 'ended', exitCode: 0 }, 'done', 'plain', ''],
    [{ state: 'ended', exitCode: 2 }, 'failed, exit 2', 'bad', ''],
    [{ state: 'ended', signal: 11 }, 'ended by SIGSEGV', 'bad', ''],
    [{ state: 'ended', signal: 64 }, 'ended by signal 64', 'bad', ''],
    [{ state: 'running', runs: 1 }, 'running', 'good', ''],
    [{ state: 'running', runs: 2 }, 'running', 'good', 'Run 2, after it was displaced.'],
    [
      { state: 'stopping', byUser: 'tom', killAtMs: 9 },
      'stopping',
      'warn',
      'Asked to end by tom; killed at 9 at the latest.',
    ],
    [{ state: 'cancelled', byUser: 'tom' }, 'cancelled', 'plain', 'Cancelled by tom before it started.'],
    [{ state: 'cancelled', byUser: 'tom', startedAtMs: 5 }, 'cancelled', 'plain', 'Cancelled by tom.'],
    [{ state: 'preempted', byUser: 'tom' }, 'displaced', 'warn', 'Made room for a job of tom.'],
    [{ state: 'lost', message: 'Its supervisor was killed.' }, 'lost', 'bad', 'Its supervisor was killed.'],
    [
      { state: 'held', waits: { ...NO_WAIT, code: 'held' } },
      'on hold',
      'plain',
      'On hold until it is released.',
    ],
  ] as const)('%j', (change, state, tone, detail) => {
    const job: Job = { ...JOB, ...change };
    expect([stateText(job), toneOf(job), detailText(job, clock)]).toEqual([state, tone, detail]);
  });

  it('are listed as they run, wait and end', () => {
    const at = (name: string, change: Partial<Job>): Job => ({ ...JOB, name, ...change });
    const jobs = [
      at('old', { state: 'ended', endedAtMs: 5 }),
      at('second', { waits: { ...NO_WAIT, code: 'running', position: 2 } }),
      at('new', { state: 'cancelled', endedAtMs: 6 }),
      at('held', { state: 'held' }),
      at('first', { waits: { ...NO_WAIT, code: 'running', position: 1 } }),
      at('runs', { state: 'running' }),
    ];
    expect([...jobs].sort(compareJobs).map((job) => job.name)).toEqual([
      'runs',
      'first',
      'second',
      'held',
      'new',
      'old',
    ]);
  });
});

describe('what programs write', () => {
  const shown = (...pieces: string[]): readonly string[] => {
    const text = new LogText();
    for (const piece of pieces) text.push(piece);
    return text.lines;
  };
  it.each([
    ['plain', ['a\nb\n'], ['a', 'b']],
    ['the last line without an end', ['a\nb'], ['a', 'b']],
    ['colours', ['\u001b[1;32mgreen\u001b[0m\n'], ['green']],
    ['a sequence cut in two', ['x\u001b[3', '1mred\u001b', '[0m\n'], ['xred']],
    ['a title', ['\u001b]0;evil\u0007a\u001b]8;;http://x\u001b\\b\n'], ['ab']],
    ['a title that never ends', [`\u001b]${'x'.repeat(300)}\nnext\n`], ['x'.repeat(44), 'next']],
    ['a progress bar', ['10%\r55%\r100% done\n'], ['100% done']],
    ['a progress bar in pieces', ['10%\r', '55%'], ['55%']],
    ['lines of another system', ['a\r\nb\r\n'], ['a', 'b']],
    ['backspaces', ['abc\b\bX\n'], ['aX']],
    ['control characters', ['a\u0000b\u0001c\u009bd\n'], ['a\uFFFDb\uFFFDc\uFFFDd']],
    ['turned writing', ['\u202egnp.exe\u202c\n'], ['\uFFFDgnp.exe\uFFFD']],
    ['bells', ['a\u0007b\n'], ['ab']],
    ['tabs', ['a\tb\n'], ['a\tb']],
  ])('%s', (_name, pieces, lines) => {
    expect(shown(...pieces)).toEqual(lines);
  });

  it('is bounded, and says how much went', () => {
    const text = new LogText();
    text.push('x\n'.repeat(LINES_MAX + 7));
    text.push('y'.repeat(10_000));
    expect(text.lines).toHaveLength(LINES_MAX + 1);
    expect(text.dropped).toBe(7);
    expect(text.lines.at(-1)).toHaveLength(4001);
  });

  it('is found by what stands in it', () => {
    expect(filterLines(['Epoch 1', 'loss', 'epoch 2'], ' EPOCH ')).toEqual(['Epoch 1', 'epoch 2']);
    expect(filterLines(['a'], '')).toEqual(['a']);
  });
});
