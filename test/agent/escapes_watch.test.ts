/**
 * Processes on a GPU outside every slice (docs/escapes.md): found by what the kernel hears and shows and by what the driver
 * lists, and answered by the rule of the host. The real agent, real users and device nodes made by mknod, whose opens the
 * kernel tells as it tells those of a GPU; the driver behind them is simulated.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sampleEventSchema, stateEventSchema } from '../../model/agent-protocol.ts';
import {
  Client,
  endAllIn,
  GIB,
  GPU0,
  GPU1,
  hasShim,
  hasSim,
  isRoot,
  NOBODY,
  simDir,
  TestHost,
  until,
  workload,
  type Line,
  type Root,
} from './agent_process.ts';
import fakeControlFile from './fake_mps_control.sh?raw';

/** Two people of these hosts. */
const TOM = 61_201;
const MIA = 61_202;
const HELD = 2 * GIB;
/** Samples so seldom that none comes by itself within a test. */
const SELDOM_MS = 60_000;
/** What the simulated driver takes for a context. */
const CONTEXT_BYTES = 300 * 1024 ** 2;
/** ESCAPE_HOLDERS_PER_PERSON */
const HOLDERS_PER_PERSON = 32;
/** From the start of a program that opens a GPU to its row; asserted loosely, for a busy machine, and the figure printed. */
const AT_ONCE_MS = 1_000;
/** The same where nothing is heard of it: 2 s, and what a busy machine may add. */
const BY_LOOKING_MS = 4_000;
const OPENED = 8;

let host: TestHost;
let root: Root;
let devices: string;

const mknod = (name: string): void => {
  execFileSync('mknod', ['-m', '666', join(devices, name), 'c', '1', '3']);
};

beforeEach(() => {
  host = new TestHost();
  root = host.root;
  host.people({ tom: TOM, mia: MIA });
  chmodSync(root.path, 0o777);
  chmodSync(join(root.path, 'root'), 0o755); // everybody may speak to the agent
  devices = join(root.path, 'devices');
  mkdirSync(devices);
  if (isRoot) for (const name of ['nvidiactl', 'nvidia0', 'nvidia1']) mknod(name);
  root.env['TRANCHE_SIM_RM_DEVICES'] = devices;
});

const groups: string[] = [];

afterEach(() =>
  host.end(async () => {
    await endAllIn(root);
    // A group can go when nobody is in it any more; one that others use too stays.
    for (const group of groups.splice(0).reverse())
      await until(`${group} to be empty`, () => {
        try {
          rmdirSync(group);
          return true;
        } catch (error) {
          return ['ENOTEMPTY', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '');
        }
      });
  }),
);

/** Of this path, in the first hierarchy in which we may make groups; null: there is none. */
function makeGroup(path: string): string | null {
  for (const hierarchy of ['', 'pids', 'freezer', 'cpuacct']) {
    const top = join('/sys/fs/cgroup', hierarchy);
    if (!existsSync(join(top, 'cgroup.procs'))) continue;
    try {
      let made = top;
      for (const part of path.split('/')) {
        made = join(made, part);
        if (existsSync(made)) continue;
        mkdirSync(made);
        groups.push(made);
      }
      return made;
    } catch {
      continue;
    }
  }
  return null;
}

const rowsOf = (line: Line): Line[] => line['processes'] as Line[];
const rowIn = (line: Line, pid: number | undefined): Line | undefined =>
  rowsOf(line).find((row) => row['pid'] === pid);

/** The first sample in which the row of this process is as it should be. */
async function row(client: Client, pid: number | undefined, wanted: Line = {}): Promise<Line> {
  const is = (one: Line | undefined): boolean =>
    one !== undefined && Object.entries(wanted).every(([key, value]) => one[key] === value);
  const sample = await client
    .event('sample', (line) => is(rowIn(line, pid)))
    .catch((error: unknown) => {
      const last = client.lines.findLast((line) => line['ev'] === 'sample');
      throw new Error(
        `${String(error)}: ${JSON.stringify(wanted)}, and not ${JSON.stringify(last && rowsOf(last))}`,
      );
    });
  return rowIn(sample, pid) ?? {};
}

async function watch(sampleIntervalMs: number): Promise<Client> {
  const client = await Client.open(root);
  await client.ask('subscribe', { sampleIntervalMs });
  await client.event('sample');
  return client;
}

const spawned = (
  command: string,
  args: readonly string[],
  uid?: number,
  env: NodeJS.ProcessEnv = {},
): ChildProcess =>
  host.keep(
    spawn(command, args, {
      env: { ...root.env, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    }),
  );

/** Has a node open and nothing else. */
const opener = (node: string, uid?: number): ChildProcess =>
  spawned('/bin/sh', ['-c', `exec 3<"$0"; read line`, join(devices, node)], uid);

/** A program on GPU 0, without any slice. */
const outsider = (uid?: number, env: NodeJS.ProcessEnv = {}): ChildProcess =>
  spawned(workload, ['notebook', '--memory', String(HELD)], uid, env);

const stateOf = (pid: number | undefined): string | null => {
  const path = `/proc/${String(pid)}/stat`;
  return existsSync(path) ? (/\) (.)/.exec(readFileSync(path, 'utf8'))?.[1] ?? null) : null;
};

/** Takes HELD of GPU 0, in one of these ways, and says so. */
function build(): string {
  const binary = join(root.path, 'program');
  writeFileSync(
    `${binary}.c`,
    `
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
int cuInit(unsigned); int cuDevicePrimaryCtxRetain(void **, int); int cuCtxSetCurrent(void *);
int cuMemAlloc_v2(unsigned long long *, size_t); int cuMemAllocManaged(unsigned long long *, size_t, unsigned);
static int uid;
static void drop(int number) { (void)number; if (setresuid(uid, uid, uid)) _exit(4); }
int main(int n, char **argv) { void *c; unsigned long long p; size_t bytes = (size_t)${String(HELD)};
  if (n > 1 && !strcmp(argv[1], "stubborn")) signal(SIGTERM, SIG_IGN);
  if (n > 1 && !strcmp(argv[1], "hidden")) prctl(PR_SET_DUMPABLE, 0);
  if (n > 2 && !strcmp(argv[1], "drops")) { uid = atoi(argv[2]); signal(SIGUSR1, drop); }
  int managed = n > 1 && !strcmp(argv[1], "managed");
  if (cuInit(0) || cuDevicePrimaryCtxRetain(&c, 0) || cuCtxSetCurrent(c)) return 3;
  if (n > 1 && !strcmp(argv[1], "both"))
    { int a=cuMemAlloc_v2(&p, 4096), b=cuDevicePrimaryCtxRetain(&c, 1), d= cuCtxSetCurrent(c); if (a||b||d) { fprintf(stderr,"%d %d %d\\n",a,b,d); return 5;}}
  printf("took %d\\n", managed ? cuMemAllocManaged(&p, bytes, 1) : cuMemAlloc_v2(&p, bytes)); fflush(stdout);
  for (;;) pause(); }
`,
  );
  execFileSync('gcc', ['-o', binary, `${binary}.c`, join(simDir, 'libcuda.so.1')]);
  return binary;
}

const rule = async (client: Client, fields: Line): Promise<void> => {
  expect(await client.ask('escapes-set', fields)).toMatchObject({ ok: true });
};
const audits = (client: Client, action = 'escape'): Line[] =>
  client.lines
    .filter((line) => line['ev'] === 'audit')
    .map((line) => line['record'] as Line)
    .filter((record) => record['action'] === action);
const told = (client: Client, pid: number | undefined): Line[] =>
  audits(client).filter((record) => String(record['detail']).includes(`(pid ${String(pid)})`));
const gateOf = (line: Line): unknown => (line['backends'] as Line[])[0]?.['gate'];
const cpuMs = (pid: number | undefined): number => {
  const fields =
    readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
      .split(') ')[1]
      ?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
};

describe.skipIf(!hasSim || !hasShim || !isRoot)('processes outside every slice', () => {
  test('an open is on the wire at once, though no sample is due, and says by whom', async () => {
    await host.start();
    const client = await watch(SELDOM_MS);
    const state = stateEventSchema.parse(await client.event('state'));
    expect(state.escapes).toMatchObject({ rule: 'report', graceSeconds: 30, watchedBy: 'fanotify' });
    const began = performance.now();
    const child = opener('nvidia0', TOM);
    const seen = await row(client, child.pid);
    const took = performance.now() - began;
    console.log(`from the start of the program to its row: ${took.toFixed(0)} ms`);
    expect(seen).toMatchObject({
      seenBy: 'kernel',
      reason: 'outside',
      user: 'tom',
      sliceId: null,
      gpuUuid: GPU0,
      memoryUsedBytes: null,
      answer: 'waiting',
    });
    expect(took).toBeLessThan(AT_ONCE_MS);
    client.close();
  });

  test('one after the other is on the wire as soon as the first', async () => {
    await host.start();
    const client = await watch(SELDOM_MS);
    const tookMs: number[] = [];
    for (let i = 0; i < OPENED; i++) {
      const began = performance.now();
      const child = opener('nvidia0', TOM);
      await row(client, child.pid);
      tookMs.push(performance.now() - began);
    }
    tookMs.sort((a, b) => a - b);
    const [median, slowest] = [tookMs[OPENED / 2] ?? 0, tookMs.at(-1) ?? 0];
    console.log(
      `from the start of a program to its row: ${median.toFixed(0)} ms, at most ${slowest.toFixed(0)}`,
    );
    expect(slowest).toBeLessThan(AT_ONCE_MS);
    client.close();
  });

  test('a program on a GPU is named by both, and told once', async () => {
    await host.start();
    const client = await watch(100);
    const child = outsider(TOM);
    await row(client, child.pid, { seenBy: 'both', memoryUsedBytes: HELD + CONTEXT_BYTES });
    await row(client, child.pid, { answer: 'reported' });
    const notice = await client.event('notice', (line) => line['code'] === 'escape');
    expect(notice['message']).toMatch(
      /notebook .*\(pid \d+\) of tom.* 2\.3 GiB of GPU 0 is outside every slice/,
    );
    const looks = client.lines.length;
    await until('some more samples', () => client.lines.length > looks + 10);
    expect(told(client, child.pid)).toHaveLength(1);
    expect(host.tranche(['ls']).stdout).toMatch(/\(no slice\) +tom .*reported/);
    expect(host.tranche(['escapes']).stdout).toContain(`pid ${String(child.pid)}`);
    expect(host.tranche(['doctor']).stdout).toContain('outside every slice');
    client.close();
  });

  test('who only has the control device open is not on a GPU', async () => {
    await host.start();
    const client = await watch(100);
    const [control, gpu] = [opener('nvidiactl', TOM), opener('nvidia0', MIA)];
    const sample = await client.event('sample', (line) => rowIn(line, gpu.pid) !== undefined);
    expect(rowIn(sample, control.pid)).toBeUndefined();
    client.close();
  });

  test('a node that is made again is heard again', async () => {
    await host.start();
    const client = await watch(SELDOM_MS);
    rmSync(join(devices, 'nvidia0'));
    mknod('nvidia0');
    const [first, second] = [opener('nvidia0', TOM), opener('nvidia1', TOM)];
    await row(client, first.pid, { gpuUuid: GPU0 });
    await row(client, second.pid);
    client.close();
  });

  test('what is no device node is not watched: a link leads where it likes', async () => {
    rmSync(join(devices, 'nvidia0'));
    execFileSync('ln', ['-s', '/dev/null', join(devices, 'nvidia0')]);
    await host.start();
    const client = await watch(100);
    const child = spawned('/bin/sh', ['-c', 'exec 3</dev/null; read line'], TOM);
    const other = opener('nvidia1', TOM);
    const sample = await client.event('sample', (line) => rowIn(line, other.pid) !== undefined);
    expect(rowIn(sample, child.pid)).toBeUndefined();
    client.close();
  });

  test('what was open before the agent began is found', async () => {
    const child = opener('nvidia0', TOM);
    await host.start();
    const client = await watch(SELDOM_MS);
    await row(client, child.pid, { seenBy: 'kernel' });
    client.close();
  });

  test.each([
    ['one process', 'while :; do exec 3<"$0"; done'],
    ['a new process each time', 'while :; do (exec 3<"$0"); done'],
  ])('an opener in a loop (%s) makes nobody wait', async (_, script) => {
    const agent = await host.start();
    const client = await watch(100);
    spawned('/bin/sh', ['-c', script, join(devices, 'nvidia1')], TOM);
    await client.event('sample', (line) => Number(line['seq']) > 3);
    const [from, cpu, began] = [client.lines.length, cpuMs(agent.child.pid), performance.now()];
    const child = opener('nvidia0', MIA);
    await row(client, child.pid, { user: 'mia' });
    await until(
      'two seconds of samples',
      () => performance.now() - began > 2000 && client.lines.length > from,
    );
    const samples = client.lines.slice(from).filter((line) => line['ev'] === 'sample').length;
    const used = cpuMs(agent.child.pid) - cpu;
    const tookMs = performance.now() - began;
    console.log(
      `${String(samples)} samples in ${tookMs.toFixed(0)} ms, ${used.toFixed(0)} ms of the agent's time`,
    );
    expect(samples).toBeGreaterThan(10);
    expect(used).toBeLessThan(tookMs / 2);
    client.close();
  });

  test('one person fills the table of those who only have a GPU open for nobody else', async () => {
    await host.start();
    const client = await watch(100);
    const many = Array.from({ length: HOLDERS_PER_PERSON + 8 }, () => opener('nvidia1', TOM));
    await until('the most of them', () => {
      const last = client.lines.findLast((line) => line['ev'] === 'sample');
      return last && rowsOf(last).length === HOLDERS_PER_PERSON;
    });
    const child = opener('nvidia0', MIA);
    const sample = await client.event('sample', (line) => rowIn(line, child.pid) !== undefined);
    expect(rowsOf(sample).length).toBe(HOLDERS_PER_PERSON + 1);
    expect(many).toHaveLength(HOLDERS_PER_PERSON + 8);
    client.close();
  });
});

describe.skipIf(!hasSim || !hasShim || !isRoot)('the rule for processes outside every slice', () => {
  test('charge: its bytes are its owner’s slice’s, which then has no room for more', async () => {
    await host.start();
    const client = await watch(100);
    await client.create({ memoryLimitBytes: 3 * GIB, owner: 'tom' });
    await rule(client, { rule: 'charge' });
    const [tom, mia] = [outsider(TOM), outsider(MIA)];
    await row(client, tom.pid, { answer: 'charged', answerWhy: 'charged to one' });
    await row(client, mia.pid, { answer: 'reported', answerWhy: 'its owner has no slice there' });
    const charged = (line: Line): boolean =>
      (line['slices'] as Line[])[0]?.['residueBytes'] === HELD + CONTEXT_BYTES &&
      (line['slices'] as Line[])[0]?.['memoryUsedBytes'] === HELD + CONTEXT_BYTES &&
      Number((line['gpus'] as Line[])[0]?.['unmanagedBytes']) < 2 * HELD;
    await client.event('sample', charged);
    const greedy = host.run('one', [workload, 'notebook', '--memory', String(GIB), '--seconds', '1']);
    await until('the end of a program that found no room', () => greedy.exitCode);
    await client.event('sample', (line) => Number((line['slices'] as Line[])[0]?.['deniedAllocations']) > 0);
    tom.kill('SIGKILL');
    await client.event('sample', (line) => (line['slices'] as Line[])[0]?.['residueBytes'] === 0);
    expect(told(client, tom.pid)[0]?.['detail']).toContain('charged to one');
    client.close();
  });

  test('charge: to the largest of its owner’s slices, and to none of another GPU', async () => {
    await host.start();
    const client = await watch(100);
    await client.create({ name: 'small', memoryLimitBytes: GIB, owner: 'tom' });
    const { sliceId } = await client.create({ name: 'large', memoryLimitBytes: 2 * GIB, owner: 'tom' });
    await client.create({ name: 'there', memoryLimitBytes: 8 * GIB, owner: 'tom', gpuUuid: GPU1 });
    await rule(client, { rule: 'charge' });
    const child = outsider(TOM);
    await row(client, child.pid, { answer: 'charged', answerWhy: 'charged to large' });
    // More than it was granted: then it is full, and the line is still one that is taken.
    const sample = await client.event('sample', (line) =>
      (line['slices'] as Line[]).some((one) => one['id'] === sliceId && Number(one['residueBytes']) >= HELD),
    );
    expect(
      sampleEventSchema
        .parse(sample)
        .slices.map((one) => Number(one.residueBytes) > 0)
        .sort(),
    ).toEqual([false, false, true]);
    client.close();
  });

  test('stop: it stands still, again when it goes on by itself, and an operator lets it go on', async () => {
    await host.start();
    const client = await watch(100);
    await rule(client, { rule: 'stop' });
    const child = outsider(TOM);
    await until('it to stand still', () => stateOf(child.pid) === 'T');
    await row(client, child.pid, { answer: 'stopped' });
    child.kill('SIGCONT');
    await until(
      'it to stand still again',
      () => told(client, child.pid).length === 2 && stateOf(child.pid) === 'T',
    );
    expect(host.tranche(['escapes', 'continue', String(child.pid)]).status).toBe(0);
    await row(client, child.pid, { answer: 'released' });
    expect(stateOf(child.pid)).not.toBe('T');
    expect(told(client, child.pid)).toHaveLength(2);
    client.close();
  });

  test('stop: with another rule they go on', async () => {
    await host.start();
    const client = await watch(100);
    await rule(client, { rule: 'stop' });
    const child = outsider(TOM);
    await until('it to stand still', () => stateOf(child.pid) === 'T');
    await rule(client, { rule: 'report' });
    await until('it to go on', () => stateOf(child.pid) !== 'T');
    client.close();
  });

  test('stop: one whose user is exempt from now on goes on', async () => {
    await host.start();
    const client = await watch(100);
    await rule(client, { rule: 'stop' });
    const child = outsider(TOM);
    await until('it to stand still', () => stateOf(child.pid) === 'T');
    await rule(client, { exempt: 'tom' });
    await until('it to go on', () => stateOf(child.pid) !== 'T');
    await row(client, child.pid, { answer: 'exempt' });
    client.close();
  });

  test('end: SIGTERM, and SIGKILL after the grace for who does not go', async () => {
    await host.start();
    const client = await watch(100);
    await rule(client, { rule: 'end', graceSeconds: 2 });
    const polite = outsider(TOM);
    const stubborn = spawned(build(), ['stubborn'], MIA);
    await until('the polite one to end', () => polite.exitCode !== null || polite.signalCode !== null);
    await row(client, stubborn.pid, { answer: 'ending' });
    const began = performance.now();
    expect(stateOf(stubborn.pid)).not.toBeNull();
    await until('the stubborn one to end', () => stubborn.signalCode === 'SIGKILL');
    expect(performance.now() - began).toBeGreaterThan(1_000);
    expect(told(client, stubborn.pid).map(({ detail }) => String(detail).split(':')[0])).toEqual([
      'It was told to end (SIGTERM), and is killed in 2 s',
      'It was killed (SIGKILL) after its time to end',
    ]);
    client.close();
  });

  test('exempt people, and what root runs itself, are left alone, and it says so', async () => {
    await host.start();
    const client = await watch(100);
    await rule(client, { rule: 'end', graceSeconds: 0, exempt: 'mia,unit:dcgm.service' });
    const [mia, own, tom] = [outsider(MIA), outsider(), outsider(TOM)];
    await row(client, mia.pid, { answer: 'exempt', answerWhy: 'mia is exempt' });
    await row(client, own.pid, { answer: 'protected', answerWhy: 'root runs it, in no container' });
    await until('tom’s to end', () => tom.exitCode !== null || tom.signalCode !== null);
    expect([stateOf(mia.pid), stateOf(own.pid)]).not.toContain(null);
    expect(await client.ask('escapes-set', { exempt: 'nobody-of-this-name' })).toMatchObject({
      code: 'unknown-owner',
    });
    expect(await client.ask('escapes-set', { exempt: 'unit:../x' })).toMatchObject({ code: 'unknown-owner' });
    expect(await client.ask('escapes-set', { rule: 'explode' })).toMatchObject({ code: 'bad-request' });
    client.close();
  });

  test.for(['dcgm.service', 'nvidia-persistenced.service'])(
    'what runs in %s is left alone, and what another group calls so is not',
    async (unit, { skip }) => {
      const [mine, other] = [makeGroup(`system.slice/${unit}`), makeGroup(`user.slice/${unit}`)];
      if (!mine || !other) {
        skip('no control group can be made here');
        return;
      }
      await host.start();
      const client = await watch(100);
      await rule(client, { rule: 'end', graceSeconds: 0, exempt: 'unit:dcgm.service' });
      const inGroup = (group: string): ChildProcess => {
        const child = spawned(
          '/bin/sh',
          ['-c', 'read line; exec "$0" notebook --memory "$1"', workload, String(HELD)],
          TOM,
        );
        writeFileSync(join(group, 'cgroup.procs'), String(child.pid));
        child.stdin?.end('\n');
        return child;
      };
      const [spared, ended] = [inGroup(mine), inGroup(other)];
      await row(client, spared.pid, { answer: unit === 'dcgm.service' ? 'exempt' : 'protected' });
      await until('the other to end', () => ended.exitCode !== null || ended.signalCode !== null);
      expect(stateOf(spared.pid)).not.toBeNull();
      expect(told(client, spared.pid)).toEqual([]);
      client.close();
    },
  );

  test('what root began and its user goes on with is its user’s', async () => {
    await host.start();
    const client = await watch(100);
    await rule(client, { rule: 'stop' });
    const child = spawned(build(), ['drops', String(TOM)]);
    await row(client, child.pid, { answer: 'protected' });
    child.kill('SIGUSR1');
    await until('it to stand still', () => stateOf(child.pid) === 'T');
    await until('it to be told', () => told(client, child.pid).length === 2);
    expect(told(client, child.pid)[1]?.['detail']).toContain(' of tom');
    client.close();
  });

  test('what the agent tries its gate with is told to nobody', async () => {
    await host.start();
    const client = await watch(100);
    await client.event('state', (line) => gateOf(line) === 'proved');
    await until(
      'some more samples',
      () => client.lines.filter((line) => line['ev'] === 'sample').length > 20,
    );
    expect(audits(client)).toEqual([]);
    client.close();
  });

  test('a user who hides the memory of a program is not taken for root', async () => {
    await host.start();
    const client = await watch(100);
    await rule(client, { rule: 'stop' });
    const child = spawned(build(), ['hidden'], TOM);
    await until('it to stand still', () => stateOf(child.pid) === 'T');
    client.close();
  });

  test('a process in a slice is never answered: not one that claims its entry late, nor one that only has a GPU open', async () => {
    await host.start();
    const client = await watch(100);
    await client.create({ owner: 'tom' });
    await rule(client, { rule: 'end', graceSeconds: 0 });
    const inside = host.run('one', [workload, 'notebook', '--memory', String(GIB)]);
    const late = host.run('one', [
      '/bin/sh',
      '-c',
      'exec 3<"$0"; sleep 1; exec "$1" notebook --memory 1000000',
      join(devices, 'nvidia0'),
      workload,
    ]);
    const holds = host.run('one', [
      '/bin/sh',
      '-c',
      'exec 3<"$0"; while :; do sleep 1; done',
      join(devices, 'nvidia0'),
    ]);
    const outside = outsider(TOM);
    await row(client, holds.pid, { seenBy: 'kernel', answer: 'waiting' });
    await until('who is outside to end', () => outside.exitCode !== null || outside.signalCode !== null);
    await row(client, late.pid, {
      sliceId: rowIn(
        await client.event('sample', (line) => rowIn(line, inside.pid) !== undefined),
        inside.pid,
      )?.['sliceId'] as string,
    });
    for (const child of [inside, late, holds]) expect(stateOf(child.pid)).not.toBeNull();
    const rows = client.lines.filter((line) => line['ev'] === 'sample').flatMap(rowsOf);
    expect(rows.filter((one) => one['pid'] === inside.pid && 'seenBy' in one)).toEqual([]);
    expect(rows.filter((one) => one['pid'] === late.pid && 'seenBy' in one)).toEqual([]);
    client.close();
  });

  test('a slice on one GPU is none on another', async () => {
    const bin = host.openToOthers()('tranche');
    await host.start({ bin });
    const client = await watch(100);
    const { sliceId } = await client.create({ owner: 'tom' });
    await rule(client, { rule: 'stop' });
    // Behind the gate and without the library, which would have refused it the other GPU.
    const words = ['env', '-u', 'LD_PRELOAD', '-u', 'CUDA_VISIBLE_DEVICES', build(), 'both'];
    host.run('one', words, { bin, uid: TOM, options: ['--gate'] });
    const sample = await client.event('sample', (line) =>
      rowsOf(line).some((one) => one['answer'] === 'stopped'),
    );
    const pid = rowsOf(sample).find((one) => one['answer'] === 'stopped')?.['pid'];
    expect(rowsOf(sample).filter((one) => one['pid'] === pid)).toMatchObject([
      { gpuUuid: GPU1, sliceId: null, reason: 'outside' },
      { gpuUuid: GPU0, sliceId },
    ]);
    expect(rowsOf(sample).filter((one) => one['pid'] === pid && 'seenBy' in one)).toHaveLength(1);
    client.close();
  });

  test('names of a slice in the environment alone put nobody into it', async () => {
    await host.start();
    const client = await watch(100);
    const { sliceId } = await client.create({ owner: 'tom' });
    await rule(client, { rule: 'end', graceSeconds: 0 });
    const child = outsider(TOM, {
      TRANCHE_SLICES: String(sliceId),
      TRANCHE_GATED: '1',
      TRANCHE_RUNTIME_DIR: root.path,
    });
    await until('it to end', () => child.exitCode !== null || child.signalCode !== null);
    await until('it to be told', () => told(client, child.pid).length === 1);
    client.close();
  });

  test('the rule outlives the agent, and one that was changed on disk is reported and said', async () => {
    const first = await host.start();
    expect(host.tranche(['escapes', 'end', '--grace', '7', '--exempt', 'tom']).stdout).toContain(
      'end, 7 s after SIGTERM. Exempt: tom.',
    );
    await first.stop();
    const second = await host.start();
    expect(host.tranche(['escapes']).stdout).toContain('end, 7 s after SIGTERM. Exempt: tom.');
    await second.stop();
    const path = join(root.path, 'root/state/escapes');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"end"', '"stop"'));
    await host.start();
    expect(host.tranche(['escapes']).stdout).toContain('slice: report. Exempt: nobody.');
    expect(host.tranche(['doctor']).stdout).toContain('is damaged: they are reported');
  });

  test('whoever is no operator sets no rule and lets nothing go on', async () => {
    await host.start();
    const client = await watch(100);
    await rule(client, { rule: 'stop' });
    const child = outsider(TOM);
    await until('it to stand still', () => stateOf(child.pid) === 'T');
    for (const args of [
      ['escapes', 'report'],
      ['escapes', 'continue', String(child.pid)],
    ]) {
      const asked = host.tranche(args, { uid: TOM });
      expect(asked.status).not.toBe(0);
      expect(asked.stderr).toContain('may use slices that you own');
    }
    expect(stateOf(child.pid)).toBe('T');
    client.close();
  });
});

/** Of this pid, which is free: the kernel gives the next one after the last. null: others were faster each time. */
function spawnedAs(pid: number, start: () => ChildProcess): ChildProcess | null {
  for (let tries = 0; tries < 50; tries++) {
    writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1));
    const child = start();
    if (child.pid === pid) return child;
    child.kill('SIGKILL');
  }
  return null;
}

describe.skipIf(!hasSim || !hasShim || !isRoot)('whose process it is', () => {
  test('a pid that is given to another process gives it nothing of the first one’s answer', async ({
    skip,
  }) => {
    await host.start();
    const first = await watch(100);
    await rule(first, { rule: 'end', graceSeconds: 3 });
    const binary = build();
    const before = spawned(binary, ['stubborn'], TOM);
    await row(first, before.pid, { answer: 'ending' });
    before.kill('SIGKILL');
    await until('its end', () => before.signalCode !== null);
    const began = performance.now();
    const after = spawnedAs(before.pid ?? 0, () => spawned(binary, ['stubborn'], MIA));
    if (!after) {
      skip('no process could be given the pid of another one');
      return;
    }
    const second = await watch(100);
    await row(second, after.pid, { answer: 'ending', user: 'mia' });
    await until('its end', () => after.signalCode === 'SIGKILL');
    expect(performance.now() - began).toBeGreaterThan(3_500);
    first.close();
    second.close();
  });

  test('a gated program that holds more than was counted is one, too, though it is in its slice', async () => {
    const bin = host.openToOthers()('tranche');
    await host.start({ bin });
    const client = await watch(100);
    const { sliceId } = await client.create({ owner: 'tom', memoryLimitBytes: GIB });
    await rule(client, { rule: 'stop' });
    const words = ['env', '-u', 'LD_PRELOAD', build()];
    const honest = host.run('one', words, { bin, uid: TOM, options: ['--gate'] });
    const raced = host.run('one', [...words, 'managed'], { bin, uid: TOM, options: ['--gate'] });
    const beyond = await client.event('sample', (line) =>
      rowsOf(line).some((one) => one['reason'] === 'beyond-count' && one['answer'] === 'stopped'),
    );
    const rows = rowsOf(beyond).filter((one) => 'reason' in one);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ sliceId, seenBy: 'both', memoryUsedBytes: HELD + CONTEXT_BYTES });
    expect(rows[0]?.['pid']).not.toBe(raced.pid); // that stands for it
    expect(audits(client, 'beyond-count')[0]).toMatchObject({ sliceId });
    expect(stateOf(honest.pid)).not.toBe('T');
    expect(host.tranche(['ls']).stdout).toContain('(beyond its count)');
    client.close();
  });
});

describe.skipIf(!hasSim || !hasShim || !isRoot)('a gated program that holds more than was counted', () => {
  test.each(['report', 'end'])('within its slice’s limit is charged and told (rule: %s)', async (name) => {
    const bin = host.openToOthers()('tranche');
    await host.start({ bin });
    const client = await watch(100);
    const { sliceId } = await client.create({ owner: 'tom', memoryLimitBytes: 3 * GIB });
    await rule(client, { rule: name, graceSeconds: 0 });
    const words = ['env', '-u', 'LD_PRELOAD', build()];
    const raced = host.run('one', [...words, 'managed'], { bin, uid: TOM, options: ['--gate'] });
    const sample = await client.event('sample', (line) =>
      rowsOf(line).some((one) => one['reason'] === 'beyond-count'),
    );
    const beyond = rowsOf(sample).find((one) => one['reason'] === 'beyond-count');
    expect(beyond).toMatchObject({
      sliceId,
      gated: true,
      answerWhy: 'charged to one, as the driver shows it',
    });
    expect((sample['slices'] as Line[])[0]).toMatchObject({ memoryUsedBytes: HELD + CONTEXT_BYTES });
    const record = await client.event(
      'audit',
      (line) => (line['record'] as Line)['action'] === 'beyond-count',
    );
    expect(record['record']).toMatchObject({ sliceId });
    const greedy = host.run('one', words, { bin, uid: TOM, stdio: 'pipe', options: ['--gate'] });
    let said = '';
    greedy.stdout?.on('data', (text: Buffer) => (said += text.toString()));
    await until('what it took', () => said !== '' || greedy.exitCode !== null);
    expect(said).not.toContain('took 0');
    expect(raced.exitCode).toBeNull();
    expect(audits(client, 'beyond-count')).toHaveLength(1);
    client.close();
  });
});

describe.skipIf(!hasSim || !hasShim || !isRoot)('without root', () => {
  /** The agent and its people are nobody; what is watched is the same. */
  async function startAsNobody(
    prepare: (at: (name: string) => string) => void = () => undefined,
  ): Promise<(name: string) => string> {
    const at = host.openToOthers();
    prepare(at);
    execFileSync('chown', ['-R', `${String(NOBODY)}:${String(NOBODY)}`, join(root.path, 'root')]);
    await host.start({ bin: at('tranche'), uid: NOBODY });
    return at;
  }

  test('an open is heard, and whose it is looked for: its own user’s processes are on the wire at once', async () => {
    await startAsNobody();
    const client = await watch(SELDOM_MS);
    const state = stateEventSchema.parse(await client.event('state'));
    expect(state.escapes).toMatchObject({ watchedBy: 'inotify' });
    expect(state.escapes?.watchNote).toContain('not by whom');
    const began = performance.now();
    const child = opener('nvidia0', NOBODY);
    await row(client, child.pid, { seenBy: 'kernel', uid: NOBODY });
    console.log(`from the start of the program to its row: ${(performance.now() - began).toFixed(0)} ms`);
    rmSync(join(devices, 'nvidia0'));
    mknod('nvidia0');
    const again = opener('nvidia0', NOBODY);
    await row(client, again.pid, { seenBy: 'kernel' });
    client.close();
  });

  test('an opener in a loop makes nobody wait', async () => {
    await startAsNobody();
    const client = await watch(100);
    spawned('/bin/sh', ['-c', 'while :; do (exec 3<"$0"); done', join(devices, 'nvidia1')], TOM);
    await client.event('sample', (line) => Number(line['seq']) > 3);
    const [from, cpu, began] = [client.lines.length, cpuMs(host.agent?.child.pid), performance.now()];
    await until('two seconds of samples', () => performance.now() - began > 2000);
    const samples = client.lines.slice(from).filter((line) => line['ev'] === 'sample').length;
    const [used, tookMs] = [cpuMs(host.agent?.child.pid) - cpu, performance.now() - began];
    console.log(
      `${String(samples)} samples in ${tookMs.toFixed(0)} ms, ${used.toFixed(0)} ms of the agent's time`,
    );
    expect(samples).toBeGreaterThan(10);
    expect(used).toBeLessThan(tookMs / 2);
    client.close();
  });

  test('somebody else’s process is seen by the driver within 2 s, and the row says why nothing was done', async () => {
    const at = await startAsNobody();
    const client = await watch(SELDOM_MS);
    await rule(client, { rule: 'end', graceSeconds: 0 });
    const child = spawned(at('tranche-sim-workload'), ['notebook', '--memory', String(HELD)], TOM);
    const began = performance.now();
    await row(client, child.pid, { seenBy: 'driver', answer: 'waiting' });
    const took = performance.now() - began;
    console.log(`from the start of the program to its row: ${took.toFixed(0)} ms`);
    expect(took).toBeLessThan(BY_LOOKING_MS);
    const other = await watch(100);
    await row(other, child.pid, { answer: 'not-permitted' });
    expect(told(client, child.pid)[0]?.['detail']).toContain('may not signal');
    expect(stateOf(child.pid)).not.toBeNull();
    client.close();
    other.close();
  });

  test('what the agent has started itself is left alone', async () => {
    const at = await startAsNobody((bin) => {
      const fake = join(root.path, 'fake');
      mkdirSync(fake);
      // Its daemon is a program on the GPU: what a server of it would be.
      const program = `exec ${bin('tranche-sim-workload')} notebook --memory ${String(HELD)}`;
      writeFileSync(
        join(fake, 'nvidia-cuda-mps-control'),
        fakeControlFile.replaceAll('exec tail -f /dev/null', program),
      );
      chmodSync(join(fake, 'nvidia-cuda-mps-control'), 0o755);
      execFileSync('chown', ['-R', String(NOBODY), fake]); // the agent runs nothing of a folder of others
      root.env['FAKE_MPS'] = fake;
      root.env['PATH'] = `${fake}:${String(process.env['PATH'])}`;
    });
    const client = await watch(100);
    await rule(client, { rule: 'end', graceSeconds: 0 });
    expect(await client.ask('gpu-concurrent', { gpuUuid: GPU0, concurrent: true })).toMatchObject({
      ok: true,
    });
    const other = spawned(at('tranche-sim-workload'), ['notebook', '--memory', '1000000'], NOBODY);
    const line = await client.event('sample', (sample) =>
      rowsOf(sample).some((one) => one['answer'] === 'protected'),
    );
    const daemon = rowsOf(line).find((one) => one['answer'] === 'protected')?.['pid'] as number;
    await until('the other to end', () => other.exitCode !== null || other.signalCode !== null);
    expect(stateOf(daemon)).not.toBeNull();
    expect(told(client, daemon)).toEqual([]);
    await client.ask('gpu-concurrent', { gpuUuid: GPU0, concurrent: false });
    await until('its end', () => stateOf(daemon) === null);
    client.close();
  });

  test('a node that may not be listened to is looked at by the timer, and it says why', async () => {
    for (const name of ['nvidiactl', 'nvidia0', 'nvidia1']) chmodSync(join(devices, name), 0o600);
    await startAsNobody();
    const client = await watch(100);
    const state = stateEventSchema.parse(await client.event('state'));
    expect(state.escapes).toMatchObject({ watchedBy: 'timer' });
    expect(state.escapes?.watchNote).toContain('Permission denied');
    client.close();
  });
});
