import { describe, expect, it } from 'vitest';
import type { HostSnapshot } from '../../model/model.ts';
import { firstTyped, judgeJob, readJob } from '../../renderer/features/jobs/run-form.ts';
import type { TypedJob } from '../../renderer/features/jobs/run-form.ts';
import { ada, hopper } from '../fakes/fake-hosts.ts';

const there: HostSnapshot = { ...hopper(), jobs: { slotsPerSlice: 1, jobs: [], jobsOmitted: 0 } };
const old = ada();
const [slice] = there.slices;
if (slice === undefined) throw new Error('the fake host has no slice');
const [elsewhere] = old.slices;
if (elsewhere === undefined) throw new Error('the fake host has no slice');
const typed = (more: Partial<TypedJob> = {}): TypedJob => ({
  ...firstTyped(slice, { command: 'python train.py', cwd: '', environment: '' }, null),
  ...more,
});
const judge = (form: TypedJob, isAsking = false) =>
  judgeJob(there, slice, form, readJob(form, slice), isAsking);

describe('what is typed for a job', () => {
  it('means a job, with what was left empty as unknown', () => {
    expect(readJob(typed({ minFree: '1.5', yields: 'requeue' }), slice)).toMatchObject({
      command: 'python train.py',
      name: null,
      cwd: null,
      environment: null,
      minFreeBytes: 1.5 * 1024 ** 3,
      graceMs: 30_000,
      preemptible: true,
      requeue: true,
    });
  });
  it('stops nobody when it is of low priority', () => {
    expect(readJob(typed({ preempts: true, priority: 'low' }), slice)).toMatchObject({ preempts: false });
    expect(readJob(typed({ preempts: true, priority: 'high' }), slice)).toMatchObject({ preempts: true });
  });
  it('is refused for the first thing that is wrong', () => {
    expect(readJob(typed({ command: ' ' }), slice)).toMatch(/^Type a command/);
    expect(readJob(typed({ command: 'x'.repeat(4001) }), slice)).toMatch(/^A command has at most 4000/);
    expect(readJob(typed({ minFree: '4096' }), slice)).toMatch(/more can never be free in it\.$/);
    expect(readJob(typed({ grace: '601' }), slice)).toBe('The grace is 0 to 600 seconds.');
    expect(readJob(typed({ grace: 'soon' }), slice)).toBe('The grace is 0 to 600 seconds.');
  });
  it('is no mistake while nothing was typed, unless nothing could be', () => {
    expect(judge(typed({ command: '' }))).toMatchObject({ isWrong: false });
    expect(judge(typed({ grace: '' }))).toMatchObject({ isWrong: true });
    expect(judgeJob(old, elsewhere, typed({ command: '' }), 'Type a command.', false)).toMatchObject({
      refusal: expect.stringContaining('has no queue for jobs'),
      isWrong: true,
    });
  });
  it('waits for the environments when one was chosen before', () => {
    expect(judge(typed({ environment: '/home/you/.venv' }), true).refusal).toBe(
      'Looking for the environments there…',
    );
    expect(judge(typed(), true).refusal).toBeNull();
  });
  it('begins with a job that is run once more', () => {
    const known = { command: 'ls', cwd: '/data', environment: '' };
    expect(firstTyped(slice, known, { command: 'make', name: 'all', priority: 'high' })).toMatchObject({
      command: 'make',
      name: 'all',
      priority: 'high',
      cwd: '/data',
    });
  });
});
