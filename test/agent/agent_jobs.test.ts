/** Jobs for real: agent, supervisors, programs. What must hold when connections end, agents restart and supervisors die. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Job } from '../../model/job.ts';
import { jobLogReplySchema, jobsEventSchema, type JobLogReply } from '../../model/agent-protocol.ts';
import {
  AttachedProcess,
  binDir,
  Client,
  endAllIn,
  GIB,
  GPU0,
  hasSim,
  isRoot,
  livingIn,
  NOBODY,
  TestHost,
  trancheBin,
  until,
  workload,
  type Line,
  type Root,
} from './agent_process.ts';

let host: TestHost;
let root: Root;

const livingOf = (): number[] => livingIn(root);

beforeEach(() => {
  host = new TestHost();
  root = host.root;
});

afterEach(() => host.end(() => endAllIn(root)));

/** Started in a folder that everybody may enter. */
const tranche = (args: readonly string[], as: { uid?: number; bin?: string } = {}) =>
  host.tranche(args, { cwd: '/', ...as });

/** Starts a job as a shell would and returns its id. */
function job(args: readonly string[], command: string, options: { uid?: number; bin?: string } = {}): string {
  const run = tranche(['job', 'start', '--slice', 'one', ...args, '--', 'sh', '-c', command], options);
  expect(run.stderr).toBe('');
  expect(run.stdout).toMatch(/^j-[0-9a-f]{16}\n$/);
  return run.stdout.trim();
}

async function open(fields: Line = {}): Promise<Client> {
  const client = await Client.open(root);
  expect(await client.create(fields)).toMatchObject({ ok: true });
  await client.ask('subscribe', { sampleIntervalMs: 60000 });
  return client;
}

const jobsOf = (client: Client): readonly Job[] => {
  const last = client.lines.findLast((line) => line['ev'] === 'jobs');
  return last === undefined ? [] : jobsEventSchema.parse(last).jobs;
};

const seen = (client: Client, id: string, check: (row: Job) => boolean): Promise<Job> =>
  until(`job ${id} to be so: ${check.toString()}`, () =>
    jobsOf(client).find((row) => row.id === id && check(row)),
  );
const inState = (client: Client, id: string, state: Job['state']) =>
  seen(client, id, (row) => row.state === state);

const log = (id: string): string => tranche(['job', 'log', id]).stdout;
const logged = (id: string, text: string) =>
  until(`${text} in the log of ${id}`, () => log(id).includes(text));
const ended = (pid: number) => until(`process ${pid} to end`, () => !existsSync(`/proc/${pid}`));
const supervisorOf = (id: string): number =>
  livingOf().find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`supervise\0${id}`)) ?? 0;

describe.skipIf(!hasSim)('a job', () => {
  test('runs in its slice as `run` would, and its log and exit are kept', async () => {
    await host.start();
    const client = await open();
    const id = job(['--name', 'first'], 'echo "in $TRANCHE_SLICES"; pwd; echo oops >&2; exit 3');
    const row = await inState(client, id, 'ended');
    expect(row).toMatchObject({
      name: 'first',
      exitCode: 3,
      signal: null,
      runs: 1,
      user: expect.any(String),
      waits: null,
    });
    expect(row.endedAtMs).toBeGreaterThanOrEqual(row.startedAtMs ?? Infinity);
    const sliceId = row.sliceId;
    expect(log(id)).toBe(`in ${sliceId}\n/\noops\n`);
    const folder = join(root.path, 'root/jobs', String(process.getuid?.()), id);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    await until('its supervisor to leave', () => supervisorOf(id) === 0);
    client.close();
  });

  test('goes on when its log cannot be written, and says so', async () => {
    await host.start();
    const client = await open();
    const command = 'head -c 100000 /dev/zero | tr "\\\\0" x; exit 5';
    const script = 'ulimit -f 8; exec "$0" job start --slice one -- sh -c "$1"';
    const run = spawnSync('bash', ['-c', script, trancheBin, command], { env: root.env, encoding: 'utf8' });
    const id = run.stdout.trim();
    const row = await inState(client, id, 'ended');
    expect(row).toMatchObject({
      exitCode: 5,
      message: 'Its log could not be written in full: File too large.',
    });
    expect(log(id).length).toBeLessThanOrEqual(8 * 1024);
    client.close();
  });

  test('is limited like any program of the slice', async () => {
    await host.start();
    const client = await open();
    tranche(['job', 'start', '--slice', 'one', '--', workload, 'greedy', '--seconds', '20']);
    const notice = await client.event('notice', (line) => line['code'] === 'denied');
    const row = jobsOf(client)[0];
    expect(notice['pid']).toBe(row?.pid);
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    // Its process group is the job's, whoever of it is on the GPU.
    await client.event('sample', (line) =>
      (line['processes'] as { pid: number; jobId: string }[]).some(
        (one) => one.pid === row?.pid && one.jobId === row.id,
      ),
    );
    client.close();
  });

  test('waits for its turn and says for whom', async () => {
    await host.start();
    const client = await open();
    const first = job(['--name', 'long'], 'sleep 60');
    const low = job(['--priority', 'low'], 'echo low');
    const second = job([], 'echo second');
    await inState(client, first, 'running');
    const waits = await seen(client, second, (row) => row.waits?.code === 'running');
    expect(waits.waits).toMatchObject({
      position: 1,
      jobId: first,
      jobName: 'long',
      sinceMs: expect.any(Number),
    });
    expect((await seen(client, low, (row) => row.waits?.code === 'running')).waits).toMatchObject({
      position: 2,
    });
    expect(await client.ask('job-priority', { jobId: low, priority: 'high' })).toMatchObject({ ok: true });
    await seen(client, low, (row) => row.waits?.position === 1);
    await client.ask('job-cancel', { jobId: first });
    await inState(client, first, 'cancelled');
    const [one, two] = [await inState(client, low, 'ended'), await inState(client, second, 'ended')];
    expect(two.startedAtMs).toBeGreaterThanOrEqual(one.endedAtMs ?? Infinity);
    client.close();
  });

  test('is held, released and moved to the front', async () => {
    await host.start();
    const client = await open();
    const first = job([], 'sleep 60');
    await inState(client, first, 'running');
    const [a, b, c] = [job([], 'true'), job([], 'true'), job([], 'true')];
    await client.ask('job-hold', { jobId: a });
    expect((await inState(client, a, 'held')).waits).toMatchObject({ code: 'held', position: null });
    await client.ask('job-first', { jobId: c });
    await seen(client, c, (row) => row.waits?.position === 1);
    await seen(client, b, (row) => row.waits?.position === 2);
    await client.ask('job-release', { jobId: a });
    await seen(client, a, (row) => row.waits?.position === 2);
    expect(await client.ask('job-hold', { jobId: first })).toMatchObject({ ok: false, code: 'busy' });
    await client.ask('job-cancel', { jobId: b });
    expect(await client.ask('job-hold', { jobId: b })).toMatchObject({ ok: false, code: 'job-over' });
    expect(await client.ask('job-cancel', { jobId: 'j-0000000000000000' })).toMatchObject({
      code: 'unknown-job',
    });
    await until('the supervisor of the cancelled one to leave', () => supervisorOf(b) === 0);
    expect(log(b)).toBe('');
    client.close();
  });

  test('runs beside others where operators allow it', async () => {
    await host.start();
    const client = await open();
    const ids = [job([], 'sleep 60'), job([], 'sleep 60'), job([], 'sleep 60')];
    await client.ask('job-slots', { slots: 2 });
    await inState(client, ids[1] ?? '', 'running');
    await seen(client, ids[2] ?? '', (row) => row.waits?.code === 'running');
    expect(await client.ask('job-slots', { slots: 17 })).toMatchObject({ ok: false, code: 'bad-request' });
    client.close();
  });

  test('waits for the slice to open and for memory, with figures', async () => {
    await host.start();
    const opensAtMs = Date.now() + 2500;
    const client = await open({ startsAtMs: opensAtMs });
    const id = job([], 'true');
    expect((await seen(client, id, (row) => row.waits?.code === 'slice-not-open')).waits).toMatchObject({
      untilMs: opensAtMs,
    });
    const row = await inState(client, id, 'ended');
    expect(row.startedAtMs).toBeGreaterThanOrEqual(opensAtMs);
    // Outside the queue somebody holds most of the slice.
    const hog = spawn(
      trancheBin,
      ['run', '--slice', 'one', '--', workload, 'notebook', '--memory', String(3 * GIB), '--seconds', '60'],
      {
        env: root.env,
        stdio: 'ignore',
      },
    );
    host.keep(hog);
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    await client.event(
      'sample',
      (line) => ((line['slices'] as { memoryUsedBytes: number }[])[0]?.memoryUsedBytes ?? 0) >= 3 * GIB,
    );
    const needs = job(['--min-free', '2g'], 'true');
    expect((await seen(client, needs, (one) => one.waits?.code === 'slice-memory')).waits).toMatchObject({
      needBytes: 2 * GIB,
      position: 1,
      jobId: null,
    });
    hog.kill('SIGKILL');
    await inState(client, needs, 'ended');
    const much = tranche(['job', 'start', '--slice', 'one', '--min-free', '5g', '--', 'true']);
    expect(much.stderr).toContain('asks for 5.0 GiB of free memory, and slice one has a limit of 4.0 GiB');
    client.close();
  });
});

describe.skipIf(!hasSim)('a job that waits', () => {
  test('runs all the same when Tranche was installed again meanwhile', async () => {
    await host.start();
    const client = await open();
    const versions = join(root.path, 'bin');
    const install = (folder: string): void => {
      mkdirSync(join(versions, folder), { recursive: true });
      for (const file of ['tranche', 'libtranche.so'])
        copyFileSync(join(binDir, file), join(versions, folder, file));
    };
    install('v1');
    symlinkSync('v1', join(versions, 'current'));
    const bin = join(versions, 'current/tranche');
    const first = job([], 'sleep 60', { bin });
    const waits = job([], 'echo "$LD_PRELOAD"', { bin });
    await seen(client, waits, (row) => row.waits?.code === 'running');
    // As an installation does it: the old folder steps aside, and goes.
    renameSync(join(versions, 'v1'), join(versions, '.old-1'));
    install('v1');
    rmSync(join(versions, '.old-1'), { recursive: true });
    await client.ask('job-cancel', { jobId: first });
    expect(await inState(client, waits, 'ended')).toMatchObject({ exitCode: 0 });
    expect(log(waits)).toBe(`${versions}/current/libtranche.so\n`);
    client.close();
  });
});

describe.skipIf(!hasSim)('stopping a job', () => {
  test('is SIGTERM to its group, and SIGKILL after the grace', async () => {
    await host.start();
    const client = await open();
    const id = job(
      ['--grace', '1'],
      'trap "echo asked" TERM; sleep 60 & echo child $!; while :; do wait; done',
    );
    await logged(id, 'child');
    const child = Number(/child (\d+)/.exec(log(id))?.[1]);
    const askedAtMs = Date.now();
    await client.ask('job-cancel', { jobId: id });
    const stopping = await inState(client, id, 'stopping');
    expect(stopping.killAtMs).toBeGreaterThanOrEqual(askedAtMs + 1000);
    const row = await inState(client, id, 'cancelled');
    expect((row.endedAtMs ?? 0) - askedAtMs).toBeGreaterThanOrEqual(1000);
    expect(row).toMatchObject({ signal: 9, exitCode: null });
    expect(log(id)).toContain('asked');
    await ended(child);
    client.close();
  });

  test('can be at once', async () => {
    await host.start();
    const client = await open();
    const id = job(['--grace', '600'], 'trap "" TERM; echo up; while :; do sleep 0.05; done');
    await logged(id, 'up');
    await client.ask('job-cancel', { jobId: id });
    await inState(client, id, 'stopping');
    await client.ask('job-cancel', { jobId: id, kill: true });
    expect(await inState(client, id, 'cancelled')).toMatchObject({ signal: 9 });
    client.close();
  });

  test('leaves nothing of its group, and what it left behind does not hold the end up', async () => {
    await host.start();
    const client = await open();
    const id = job([], 'sleep 60 & echo child $!');
    const row = await inState(client, id, 'ended');
    expect(row.exitCode).toBe(0);
    await ended(Number(/child (\d+)/.exec(log(id))?.[1]));
    client.close();
  });

  test('makes room for a higher one: once back in the line, then over', async () => {
    await host.start();
    const client = await open();
    const low = job(
      ['--priority', 'low', '--requeue', '--grace', '5'],
      'trap "echo saved; exit 0" TERM; echo run; while :; do sleep 0.05; done',
    );
    await logged(low, 'run');
    const high = job(['--priority', 'high'], 'sleep 0.5; echo high');
    await seen(
      client,
      high,
      (row) => row.waits?.code === 'stopping' || row.state === 'running' || row.state === 'ended',
    );
    await seen(client, low, (row) => row.state === 'queued' && row.waits?.code === 'running');
    await inState(client, high, 'ended');
    await seen(client, low, (row) => row.state === 'running' && row.runs === 2);
    await until('the second run to begin', () => /saved\n\n--- tranche: run 2 ---\nrun\n/.test(log(low)));
    const again = job(['--priority', 'high'], 'true');
    const row = await inState(client, low, 'preempted');
    expect(row).toMatchObject({ runs: 2, exitCode: 0, byUser: expect.any(String) });
    await inState(client, again, 'ended');
    client.close();
  });

  test('is not done to one that did not agree, unless the higher one insists', async () => {
    await host.start();
    const client = await open();
    const low = job(['--priority', 'low'], 'sleep 60');
    await inState(client, low, 'running');
    const high = job(['--priority', 'high'], 'true');
    await seen(client, high, (row) => row.waits?.code === 'running');
    const insists = job(['--priority', 'high', '--preempt'], 'true');
    // Second in its line, and the first one has claimed no slot: it claims the one that it has freed.
    await client.ask('job-first', { jobId: insists });
    await inState(client, low, 'preempted');
    await inState(client, insists, 'ended');
    await inState(client, high, 'ended');
    client.close();
  });
});

describe.skipIf(!hasSim)('over a restart of the agent', () => {
  test.each(['SIGTERM', 'SIGKILL'] as const)(
    '(%s) programs go on, the line stays, what ended meanwhile is told',
    async (signal) => {
      const first = await host.start();
      let client = await open();
      const running = job([], 'echo up; sleep 60');
      const short = job(['--name', 'done'], 'true');
      const held = job([], 'true');
      await inState(client, running, 'running');
      await client.ask('job-hold', { jobId: held });
      await client.ask('job-first', { jobId: short });
      await client.ask('job-priority', { jobId: short, priority: 'high' });
      const { pid } = await inState(client, running, 'running');
      client.close();
      await first.stop(signal);
      expect(existsSync(`/proc/${pid}`)).toBe(true);
      await host.start();
      client = await Client.open(root);
      await client.ask('subscribe', { sampleIntervalMs: 60000 });
      const back = await seen(client, running, (row) => row.state === 'running' && row.pid === pid);
      expect(back.runs).toBe(1);
      await inState(client, held, 'held');
      expect(await seen(client, short, (row) => row.waits?.code === 'running')).toMatchObject({
        priority: 'high',
      });
      client.close();
      await host.agent?.stop('SIGKILL');
      process.kill(pid ?? 0, 'SIGTERM');
      await ended(pid ?? 0);
      await host.start();
      client = await Client.open(root);
      await client.ask('subscribe', { sampleIntervalMs: 60000 });
      expect(await inState(client, running, 'ended')).toMatchObject({ signal: 15 });
      await inState(client, short, 'ended');
      client.close();
      await host.agent?.stop('SIGKILL');
      await host.start();
      client = await Client.open(root);
      await client.ask('subscribe', { sampleIntervalMs: 60000 });
      expect(await inState(client, running, 'ended')).toMatchObject({ signal: 15 });
      client.close();
    },
  );

  test('one whose supervisor was killed is lost, its program is stopped, and the next one starts', async () => {
    await host.start();
    const client = await open();
    const id = job([], 'sleep 60');
    const next = job([], 'true');
    const { pid } = await inState(client, id, 'running');
    process.kill(supervisorOf(id), 'SIGKILL');
    expect(await inState(client, id, 'lost')).toMatchObject({ message: expect.stringContaining('killed') });
    await ended(pid ?? 0);
    await inState(client, next, 'ended');
    // Its record still says that it runs; who follows its log is told that nothing will come.
    expect(await new Attached().log(id)).toMatchObject({ over: true });
    client.close();
  });

  test('nothing is started beside one that runs and that the journal has as waiting', async () => {
    const first = await host.start();
    let client = await open();
    const runs = job([], 'sleep 60');
    const waits = job([], 'true');
    const { pid } = await inState(client, runs, 'running');
    const supervisor = supervisorOf(runs);
    client.close();
    await first.stop('SIGKILL');
    const file = join(root.path, 'root/state/jobs.jsonl');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"state":"running"', '"state":"queued"'));
    process.kill(supervisor, 'SIGSTOP');
    await host.start();
    client = await Client.open(root);
    await client.ask('subscribe', { sampleIntervalMs: 60000 });
    // The other one is back by then.
    await seen(client, waits, (row) => row.waits?.code === 'away');
    // Twice as long as its supervisor may take to come back: it is there, and does not start.
    const backAtMs = Date.now();
    await until('a second', () => Date.now() - backAtMs > 1000);
    process.kill(supervisor, 'SIGCONT');
    expect(await inState(client, runs, 'running')).toMatchObject({ pid, runs: 1 });
    await seen(client, waits, (row) => row.waits?.jobId === runs);
    expect(jobsOf(client).find((row) => row.id === waits)).toMatchObject({ startedAtMs: null });
    client.close();
  });

  test('one whose supervisor died while no agent was there is lost too', async () => {
    const first = await host.start();
    let client = await open();
    const id = job([], 'sleep 60');
    await inState(client, id, 'running');
    client.close();
    await first.stop('SIGKILL');
    const supervisor = supervisorOf(id);
    process.kill(supervisor, 'SIGKILL');
    await ended(supervisor);
    await host.start();
    client = await Client.open(root);
    await client.ask('subscribe', { sampleIntervalMs: 60000 });
    await inState(client, id, 'lost');
    client.close();
  });

  test('a journal with torn lines loses those alone', async () => {
    const first = await host.start();
    let client = await open();
    const id = job([], 'true');
    await inState(client, id, 'ended');
    client.close();
    await first.stop();
    const file = join(root.path, 'root/state/jobs.jsonl');
    writeFileSync(file, `{"jobId":"j-1\nnonsense\n${readFileSync(file, 'utf8')}`);
    const second = await host.start();
    expect(second.log()).toContain('2 lines of');
    client = await Client.open(root);
    await client.ask('subscribe', { sampleIntervalMs: 60000 });
    await inState(client, id, 'ended');
    client.close();
  });
});

/** Reads logs too. */
class Attached extends AttachedProcess {
  constructor(command?: readonly string[]) {
    super(root, command);
    host.keep(this.child);
  }

  async log(jobId: string, offset: number | null = 0, maxBytes?: number): Promise<JobLogReply> {
    return jobLogReplySchema.parse(
      await this.ask('job-log', { jobId, offset, ...(maxBytes === undefined ? {} : { maxBytes }) }),
    );
  }
}

describe.skipIf(!hasSim)('attach', () => {
  test('starts a job itself, from a command line that no shell but the user’s reads', async () => {
    await host.start();
    const client = await open();
    const attached = new Attached();
    const sliceId = ((await client.event('state'))['slices'] as { id: string }[])[0]?.id;
    const command = `printf '%s|' "a b" 'c"d' "$((1+1))"; echo ü; cd /; pwd`;
    const reply = await attached.ask('job-start', { sliceId, command, cwd: '/usr' });
    expect(reply).toMatchObject({ ok: true, name: 'printf' });
    const id = reply['jobId'] as string;
    await inState(client, id, 'ended');
    expect(await attached.log(id)).toMatchObject({ data: 'a b|c"d|2|ü\n/\n', over: true, skippedBytes: 0 });
    expect(await attached.ask('job-start', { sliceId, command: ' ' })).toMatchObject({ code: 'bad-request' });
    expect(await attached.ask('job-start', { sliceId, command: 'x'.repeat(4001) })).toMatchObject({
      code: 'bad-request',
    });
    expect(await attached.ask('job-start', { sliceId, command: 'true', cwd: 'no/such' })).toMatchObject({
      ok: false,
      message: expect.stringContaining(`${root.path}/no/such: No such file`),
    });
    expect(await attached.ask('job-start', { sliceId: 's-0000000000000000', command: 'true' })).toMatchObject(
      {
        code: 'unknown-slice',
      },
    );
    expect(readdirSync(join(root.path, 'root/jobs', String(process.getuid?.())))).toEqual([id]);
    client.close();
  });

  test('reads a log from where the reader was, whole characters only, beside the agent’s own lines', async () => {
    await host.start();
    const client = await open();
    const attached = new Attached();
    await attached.ask('subscribe', { sampleIntervalMs: 100 });
    const id = job([], 'i=0; while [ $i -lt 20000 ]; do echo "line $i €"; i=$((i+1)); done');
    let offset = 0;
    let text = '';
    await until('the whole log', () => jobsOf(client).find((row) => row.id === id));
    for (;;) {
      const part = await attached.log(id, offset, 1000);
      text += part.data;
      expect(part.offset).toBe(offset);
      offset = part.nextOffset;
      if (part.over && offset === part.endOffset) break;
    }
    expect(text).toBe(Array.from({ length: 20000 }, (_, i) => `line ${i} €\n`).join(''));
    const tail = await attached.log(id, null, 64);
    expect(tail.endOffset - tail.offset).toBe(64);
    expect(tail.data.endsWith('line 19999 €\n')).toBe(true);
    expect(attached.lines.some((line) => line['ev'] === 'sample')).toBe(true);
    client.close();
  });

  test('its own lines wait for the end of the agent’s, also before a slow reader', async () => {
    await host.start();
    const client = await open();
    // Lines of the agent's that do not fit into one piece of the way.
    for (let i = 0; i < 120; i += 1) {
      const gpuUuid = i % 2 === 0 ? GPU0 : GPU0.replace(/0$/, '1');
      await client.ask('slice-create', {
        gpuUuid,
        memoryLimitBytes: GIB,
        computeLimitPercent: 1,
        name: `s${i}`,
      });
    }
    const id = job([], 'echo hello');
    await inState(client, id, 'ended');
    const gate = join(root.path, 'gate');
    execFileSync('mkfifo', [gate]);
    // A pipe of 64 KiB, of which nothing is read until the gate is opened: a line then stands half in it.
    const attached = new Attached([
      'sh',
      '-c',
      '"$0" attach x | { cat "$1" > /dev/null; cat; }',
      trancheBin,
      gate,
    ]);
    const subscribed = attached.ask('subscribe', { sampleIntervalMs: 100 });
    const from = Date.now();
    await until('the pipe to be full', () => Date.now() - from > 1500);
    const answer = attached.log(id);
    await until('the request to be there', () => Date.now() - from > 1800);
    writeFileSync(gate, '');
    await subscribed;
    expect((await answer).data).toBe('hello\n');
    const { length } = attached.lines;
    await until('more of the agent’s lines', () => attached.lines.length > length + 3);
    client.close();
  });

  test('a log of bytes that are no text is text all the same', async () => {
    await host.start();
    const client = await open();
    const attached = new Attached();
    const id = job([], String.raw`printf '\377\000\033[31mred\303'`);
    await inState(client, id, 'ended');
    expect((await attached.log(id)).data).toBe('��\u001b[31mred�');
    expect(await attached.ask('job-log', { jobId: '../../etc/passwd' })).toMatchObject({
      code: 'bad-request',
    });
    expect(await attached.ask('job-log', { jobId: 'j-0000000000000000' })).toMatchObject({
      code: 'unknown-job',
    });
    client.close();
  });

  test('a log without end keeps its head and its tail, and the program is not held up', async () => {
    await host.start();
    const client = await open();
    const attached = new Attached();
    const id = job([], 'echo head; head -c 90000000 /dev/zero | tr "\\\\0" x; echo; echo tail');
    await inState(client, id, 'ended');
    const first = await attached.log(id);
    expect(first.data.startsWith('head\nxxx')).toBe(true);
    expect(first.endOffset).toBe(90000000 + 'head\n\ntail\n'.length);
    const gap = await attached.log(id, 8 * 1024 * 1024);
    expect(gap.skippedBytes).toBeGreaterThan(0);
    expect((await attached.log(id, null)).data.endsWith('x\ntail\n')).toBe(true);
    const folder = join(root.path, 'root/jobs', String(process.getuid?.()), id);
    const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    expect(bytes).toBeLessThanOrEqual(64 * 1024 * 1024 + 8192);
    client.close();
  });

  test('an older attach in front of this agent is told what it needs', async () => {
    await host.start();
    const client = await open();
    for (const op of ['job-start', 'job-log'])
      expect(await client.ask(op, { jobId: 'j-0000000000000000' })).toMatchObject({ code: 'upgrade-needed' });
    client.close();
  });
});

describe.skipIf(!hasSim || !isRoot)('between two users', () => {
  const bin = () => join(root.path, 'bin/tranche');
  const other = () => ({ uid: NOBODY, bin: bin() });

  beforeEach(() => {
    mkdirSync(join(root.path, 'bin'));
    for (const file of ['tranche', 'libtranche.so'])
      copyFileSync(join(binDir, file), join(root.path, 'bin', file));
    chmodSync(root.path, 0o755);
  });

  test('each queues in what he may use and stops his own; operators stop all; a log is its user’s', async () => {
    await host.start();
    const client = await open({ owner: 'nobody' });
    execFileSync('chmod', ['-R', 'go+rX', root.path]);
    const mine = job([], 'sleep 60');
    const his = job(['--name', 'his'], 'echo secret', other());
    await inState(client, mine, 'running');
    const row = await seen(client, his, (one) => one.waits?.code === 'running');
    expect(row).toMatchObject({ uid: NOBODY, user: 'nobody' });
    const refused = tranche(['job', 'cancel', mine], other());
    expect(refused.stderr).toContain(`is a job of ${row.waits?.user ?? '?'}, not yours`);
    expect(tranche(['job', 'hold', his], other()).status).toBe(0);
    expect(tranche(['job', 'release', his]).status).toBe(0);
    const audit = (await client.ask('audit'))['records'] as { action: string; detail: string }[];
    expect(audit[0]).toMatchObject({ action: 'job-release', detail: 'his of nobody' });
    expect(audit.some(({ action }) => action === 'job-hold')).toBe(false); // his own: his business
    await client.ask('job-cancel', { jobId: mine, kill: true });
    await inState(client, his, 'ended');
    expect(tranche(['job', 'log', his], other()).stdout).toBe('secret\n');
    expect(tranche(['job', 'log', his]).stderr).toContain('no log of');
    // The slice of somebody else.
    await client.create({ name: 'two', owner: 'root' });
    const foreign = tranche(['job', 'start', '--slice', 'two', '--', 'true'], other());
    expect(foreign.stderr).toContain('belongs to root, not to you');
    client.close();
  });

  test('nobody takes over a job by its id, or speaks for two', async () => {
    await host.start();
    const client = await open({ owner: 'nobody' });
    execFileSync('chmod', ['-R', 'go+rX', root.path]);
    const mine = job([], 'sleep 60');
    const row = await inState(client, mine, 'running');
    const put = (jobId: string) =>
      `${JSON.stringify({ id: 1, op: 'job-put', jobId, name: 'x', sliceId: row.sliceId, command: 'x', state: 'ended', submittedAtMs: 1 })}\n`;
    const stolen = spawnSync(bin(), ['attach', 'x'], {
      env: root.env,
      input: put(mine),
      uid: NOBODY,
      gid: NOBODY,
      encoding: 'utf8',
    });
    expect(stolen.stdout).toContain('"not-permitted"');
    const twice = spawnSync(bin(), ['attach', 'x'], {
      env: root.env,
      input: put('j-00000000000000aa').replace('ended', 'queued') + put('j-00000000000000bb'),
      uid: NOBODY,
      gid: NOBODY,
      encoding: 'utf8',
    });
    expect(twice.stdout).toContain('A connection speaks for one job');
    expect(jobsOf(client).find((one) => one.id === mine)?.state).toBe('running');
    client.close();
  });

  test('one user cannot fill the list', async () => {
    await host.start();
    const client = await open({ owner: 'nobody' });
    const row = ((await client.event('state'))['slices'] as { id: string }[])[0];
    execFileSync('chmod', ['-R', 'go+rX', root.path]);
    // One connection a job, one after the other, as a program of a user could.
    const script = `
      const net = require('node:net');
      let refused = 0, taken = 0;
      const put = (i) => {
        if (i === 66) { console.log(refused, taken); process.exit(0); }
        const socket = net.connect(process.env.TRANCHE_ROOT + '/agent.sock');
        socket.write(JSON.stringify({ id: 1, op: 'job-put', jobId: 'j-' + String(i).padStart(16, '0'), name: 'x', sliceId: process.argv[1], command: 'x', state: 'queued', submittedAtMs: 1 }) + '\\n');
        socket.once('data', (text) => {
          if (String(text).includes('too-many-jobs')) refused += 1;
          if (String(text).includes('"ok":true')) taken += 1;
          put(i + 1);
        });
      };
      put(0);`;
    const run = spawnSync(process.execPath, ['-e', script, row?.id ?? ''], {
      env: root.env,
      uid: NOBODY,
      gid: NOBODY,
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(run.stdout.trim()).toBe('2 64');
    // The operator is not locked out by them.
    await client.ask('hello', { protocolMin: 1, protocolMax: 1 });
    expect(job([], 'true')).toMatch(/^j-/);
    client.close();
  });
});
