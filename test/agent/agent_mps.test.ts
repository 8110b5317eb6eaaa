/** Concurrent mode: the agent and an MPS daemon that is a script; what a program gets, and what happens when it ends. */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { auditReplySchema, eventSchema } from '../../model/agent-protocol.ts';
import {
  Client,
  GIB,
  GPU0,
  hasEnded,
  hasSim,
  TestHost,
  until,
  workload,
  type Line,
  type Root,
  type RunningAgent,
} from './agent_process.ts';
import fakeControlFile from './fake_mps_control.sh?raw';

let host: TestHost;
let root: Root;
let fake: string;
let runtime = '';

beforeEach(() => {
  host = new TestHost();
  root = host.root;
  fake = join(root.path, 'fake');
  mkdirSync(fake);
  writeFileSync(join(fake, 'nvidia-cuda-mps-control'), fakeControlFile);
  chmodSync(join(fake, 'nvidia-cuda-mps-control'), 0o755);
  root.env['FAKE_MPS'] = fake;
  root.env['PATH'] = `${fake}:${String(process.env['PATH'])}`;
});

function daemonPid(): number | null {
  const path = join(runtime, `mps/${GPU0}/pipe/nvidia-cuda-mps-control.pid`);
  return existsSync(path) ? Number(readFileSync(path, 'utf8')) || null : null;
}

afterEach(() => {
  const pid = daemonPid();
  if (pid !== null && existsSync(`/proc/${String(pid)}`)) process.kill(pid, 'SIGKILL');
  return host.end();
});

async function open(): Promise<{ client: Client; agent: RunningAgent }> {
  const agent = await host.start();
  const client = await Client.open(root);
  const hello = await client.ask('hello', { protocolMin: 1, protocolMax: 1, client: 'test' });
  runtime = String(hello['runtimeDir']);
  await client.ask('subscribe', { sampleIntervalMs: 500 });
  return { client, agent };
}

const gpuOf = (line: Line): Line => (line['gpus'] as Line[])[0] ?? {};
const switched = (client: Client, word: string): Promise<Line> =>
  client.event('state', (line) => gpuOf(line)['concurrent'] === word);
const turn = (client: Client, on: boolean): Promise<Line> =>
  client.ask('gpu-concurrent', { gpuUuid: GPU0, concurrent: on });

async function makeSlice(client: Client, computeLimitPercent = 25): Promise<void> {
  expect(await client.create({ memoryLimitBytes: GIB, computeLimitPercent })).toMatchObject({ ok: true });
}

/** What `tranche run` sets for a program, by name. */
function environmentInside(slice = 'one'): Record<string, string> {
  const run = host.tranche(['run', '--slice', slice, '--', 'env']);
  expect(`${run.stderr}${String(run.status)}`).toBe('0');
  return Object.fromEntries(
    run.stdout.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]),
  );
}

describe.skipIf(!hasSim)('concurrent mode', () => {
  test('a daemon for this GPU, what a program is given, and a clean end', async () => {
    const { client } = await open();
    await makeSlice(client);
    expect(environmentInside()['CUDA_MPS_PIPE_DIRECTORY']).toBeUndefined();
    expect(await turn(client, true)).toMatchObject({ ok: true });
    const state = await switched(client, 'on');
    eventSchema.parse(state);
    const pipe = String(gpuOf(state)['mpsPipeDirectory']);
    expect(readFileSync(join(fake, 'environment'), 'utf8')).toBe(
      [
        `CUDA_MPS_LOG_DIRECTORY=${pipe.replace(/pipe$/, 'log')}`,
        `CUDA_MPS_PIPE_DIRECTORY=${pipe}`,
        `CUDA_VISIBLE_DEVICES=${GPU0}`,
        '',
      ].join('\n'),
    );
    expect(environmentInside()).toMatchObject({
      CUDA_MPS_PIPE_DIRECTORY: pipe,
      CUDA_MPS_ACTIVE_THREAD_PERCENTAGE: '25',
      CUDA_MPS_CLIENT_PRIORITY: '1',
      TRANCHE_CONCURRENT: '25',
    });
    const preferred = { memoryLimitBytes: GIB, priority: 'high', name: 'two' };
    expect(await client.create(preferred)).toMatchObject({ ok: true });
    expect(environmentInside('two')['CUDA_MPS_CLIENT_PRIORITY']).toBe('0');
    const doctor = await client.ask('doctor');
    expect((doctor['findings'] as Line[]).find((one) => one['code'] === 'concurrent')).toMatchObject({
      level: 'note',
    });
    client.lines.length = 0;
    expect(await turn(client, false)).toMatchObject({ ok: true });
    await switched(client, 'off');
    expect(daemonPid()).toBeNull();
    expect(readFileSync(join(fake, 'told'), 'utf8')).toBe('quit\n');
    expect(environmentInside()['CUDA_MPS_PIPE_DIRECTORY']).toBeUndefined();
    const audit = auditReplySchema.parse(await client.ask('audit'));
    expect(audit.records.filter((one) => one.action === 'gpu-concurrent').map((one) => one.detail)).toEqual([
      `off ${GPU0}`,
      `on ${GPU0}`,
    ]);
    client.close();
  });

  test('a daemon that dies or does not start means turns again, and is told', async () => {
    const { client } = await open();
    await makeSlice(client);
    await turn(client, true);
    await switched(client, 'on');
    process.kill(Number(daemonPid()), 'SIGKILL');
    const notice = await client.event('notice', (line) => line['code'] === 'concurrent-ended');
    expect(notice['message']).toContain('Programs take turns');
    await switched(client, 'failed');
    expect(environmentInside()['CUDA_MPS_PIPE_DIRECTORY']).toBeUndefined();
    writeFileSync(join(fake, 'fail'), '');
    client.lines.length = 0;
    await turn(client, true);
    const failed = await switched(client, 'failed');
    expect(gpuOf(failed)['concurrentNote']).toContain('ended with 3');
    client.close();
  });

  test('the next agent takes the daemon over', async () => {
    const { client, agent } = await open();
    await makeSlice(client);
    await turn(client, true);
    await switched(client, 'on');
    const pid = daemonPid();
    await agent.stop('SIGKILL');
    const next = await open();
    await switched(next.client, 'on');
    expect(daemonPid()).toBe(pid);
    expect(environmentInside()['TRANCHE_CONCURRENT']).toBe('25');
    next.client.close();
  });

  test('it is refused beside a process outside every slice, and beside a slice of somebody else', async () => {
    const { client } = await open();
    // On the GPU, and not started by `tranche run`.
    const program = host.keep(
      spawn(workload, ['notebook', '--seconds', '60'], { env: root.env, stdio: 'ignore' }),
    );
    await client.event('sample', (line) =>
      (line['processes'] as Line[]).some((one) => one['sliceId'] === null),
    );
    const refused = await turn(client, true);
    expect(refused).toMatchObject({ ok: false, code: 'concurrent-not-possible' });
    expect(refused['message']).toContain(String(program.pid));
    program.kill('SIGKILL');
    await until('the process to be gone', () => hasEnded(program));
    expect(await client.create({ owner: 'nobody', name: 'theirs' })).toMatchObject({ ok: true });
    const other = await turn(client, true);
    expect(other).toMatchObject({ ok: false, code: 'concurrent-not-possible' });
    expect(other['message']).toContain('nobody');
    expect(daemonPid()).toBeNull();
    client.close();
  });

  test('the command line', async () => {
    const { client } = await open();
    const on = host.tranche(['concurrent', 'on', '--gpu', '0']);
    expect(`${on.stderr}${String(on.status)}`).toBe('0');
    await switched(client, 'on');
    const bad = host.tranche(['concurrent', 'maybe']);
    expect(bad.status).not.toBe(0);
    client.close();
  });
});
