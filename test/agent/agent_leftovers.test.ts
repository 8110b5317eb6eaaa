/** What a job leaves behind: workers with sessions of their own are its processes all the same. */
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { jobsEventSchema } from '../../model/agent-protocol.ts';
import { Client, endAllIn, hasShim, hasSim, TestHost, until } from './agent_process.ts';

type Job = ReturnType<typeof jobsEventSchema.parse>['jobs'][number];

let host: TestHost;
let client: Client;

beforeEach(async () => {
  host = new TestHost();
  await host.start();
  client = await Client.open(host.root);
  expect(await client.create()).toMatchObject({ ok: true });
  await client.ask('subscribe', { sampleIntervalMs: 60_000 });
});

afterEach(() => host.end(() => endAllIn(host.root)));

function start(command: string, options: readonly string[] = []): string {
  const run = host.tranche(['job', 'start', '--slice', 'one', ...options, '--', 'sh', '-c', command]);
  expect(run.stderr).toBe('');
  return run.stdout.trim();
}

const inState = (id: string, state: Job['state']): Promise<Job> =>
  until(
    `job ${id} to be ${state}`,
    () => {
      const last = client.lines.findLast((line) => line['ev'] === 'jobs');
      const jobs = last ? jobsEventSchema.parse(last).jobs : [];
      return jobs.find((row) => row.id === id && row.state === state);
    },
    20_000,
  );
const log = (id: string): string => host.tranche(['job', 'log', id]).stdout;

/** The pid that the job's log says after a word. */
const pidOf = (id: string, word: string): Promise<number> =>
  until(`${word} in the log`, () => Number(new RegExp(`${word} (\\d+)`).exec(log(id))?.[1] ?? 0) || null);
const lives = (pid: number): boolean => existsSync(`/proc/${String(pid)}`);

describe.skipIf(!hasSim || !hasShim)('a job whose worker has a session of its own', () => {
  test('ends with it when it is cancelled, and says so', async () => {
    const id = start(
      `setsid sh -c 'echo worker $$; exec sleep 600' & sh -c 'echo plain $$; exec sleep 600' & wait`,
      ['--grace', '30'],
    );
    const worker = await pidOf(id, 'worker');
    const plain = await pidOf(id, 'plain');
    expect(host.tranche(['job', 'cancel', id]).status).toBe(0);
    const row = await inState(id, 'cancelled');
    expect([lives(worker), lives(plain)]).toEqual([false, false]);
    expect(row.message).toBe(`It left 1 process behind, which was ended: sleep (${String(worker)}).`);
    client.close();
  });

  test('is over when the last of them is, by force after the grace', async () => {
    const stubborn = `setsid sh -c 'trap "" TERM; echo stubborn $$; while :; do sleep 600; done' &`;
    const id = start(`${stubborn} sleep 600`, ['--grace', '1']);
    const pid = await pidOf(id, 'stubborn');
    expect(host.tranche(['job', 'cancel', id]).status).toBe(0);
    await inState(id, 'cancelled');
    expect(lives(pid)).toBe(false);
    client.close();
  });

  test('leaves none behind when it ends by itself, not one that forks on and on either', async () => {
    // Each one starts the next in a session of its own and ends: the parent of each is gone.
    const restless = `f() { setsid sh -c "$1" sh "$1" & }; export F='echo $$ > last; setsid sh -c "$F" & sleep 0.05'; setsid sh -c "$F" &`;
    const id = start(
      `cd ${host.root.path}; ${restless} (setsid sh -c 'echo daemon $$; exec sleep 600' &); sleep 0.5; exit 4`,
    );
    const daemon = await pidOf(id, 'daemon');
    const row = await inState(id, 'ended');
    expect(row.exitCode).toBe(4);
    expect(row.message).toMatch(/^It left \d+ processes? behind, which w(as|ere) ended: /);
    expect(lives(daemon)).toBe(false);
    client.close();
  });

  test('is told once: a program that saves its work at SIGTERM hears no second one', async () => {
    const id = start(
      `trap 'echo told; sleep 1; echo saved; exit 0' TERM; echo ready $$; while :; do sleep 0.1; done`,
      ['--grace', '30'],
    );
    await pidOf(id, 'ready');
    expect(host.tranche(['job', 'cancel', id]).status).toBe(0);
    const row = await inState(id, 'cancelled');
    expect(log(id).match(/told/g)).toHaveLength(1);
    expect(log(id)).toContain('saved');
    expect(row.message).toBeNull();
    client.close();
  });
});
