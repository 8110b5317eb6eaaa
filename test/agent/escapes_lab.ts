/**
 * A host for the tests of processes outside every slice (docs/escapes.md): the real agent, real users and device nodes made
 * by mknod, whose opens the kernel tells as it tells those of a GPU; the driver behind them is simulated.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import {
  Client,
  endAllIn,
  GIB,
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

/** Whether these tests can be had here: they make device nodes and processes of other users. */
export const isPossible = hasSim && hasShim && isRoot;

/** Two people of these hosts. */
export const TOM = 61_201;
export const MIA = 61_202;
export const HELD = 2 * GIB;
/** Samples so seldom that none comes by itself within a test. */
export const SELDOM_MS = 60_000;
/** What the simulated driver takes for a context. */
export const CONTEXT_BYTES = 300 * 1024 ** 2;
/** ESCAPE_HOLDERS_PER_PERSON */
export const HOLDERS_PER_PERSON = 32;
/** From the start of a program that opens a GPU to its row; asserted loosely, for a busy machine, and the figure printed. */
export const AT_ONCE_MS = 1_000;
/** The same where nothing is heard of it: 2 s, and what a busy machine may add. */
export const BY_LOOKING_MS = 4_000;

/** The host of the test that runs. */
export const lab = {} as { host: TestHost; root: Root; devices: string };

export const mknod = (name: string): void => {
  execFileSync('mknod', ['-m', '666', join(lab.devices, name), 'c', '1', '3']);
};

beforeEach(() => {
  lab.host = new TestHost();
  lab.root = lab.host.root;
  lab.host.people({ tom: TOM, mia: MIA });
  chmodSync(lab.root.path, 0o777);
  chmodSync(join(lab.root.path, 'root'), 0o755); // everybody may speak to the agent
  lab.devices = join(lab.root.path, 'devices');
  mkdirSync(lab.devices);
  if (isRoot) for (const name of ['nvidiactl', 'nvidia0', 'nvidia1']) mknod(name);
  lab.root.env['TRANCHE_SIM_RM_DEVICES'] = lab.devices;
});

const groups: string[] = [];

afterEach(() =>
  lab.host.end(async () => {
    await endAllIn(lab.root);
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
export function makeGroup(path: string): string | null {
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

export const rowsOf = (line: Line): Line[] => line['processes'] as Line[];
export const rowIn = (line: Line, pid: number | undefined): Line | undefined =>
  rowsOf(line).find((row) => row['pid'] === pid);

/** The first sample in which the row of this process is as it should be. */
export async function row(client: Client, pid: number | undefined, wanted: Line = {}): Promise<Line> {
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

export async function watch(sampleIntervalMs: number): Promise<Client> {
  const client = await Client.open(lab.root);
  await client.ask('subscribe', { sampleIntervalMs });
  await client.event('sample');
  return client;
}

export const spawned = (
  command: string,
  args: readonly string[],
  uid?: number,
  env: NodeJS.ProcessEnv = {},
): ChildProcess =>
  lab.host.keep(
    spawn(command, args, {
      env: { ...lab.root.env, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    }),
  );

/** Has a node open and nothing else. */
export const opener = (node: string, uid?: number): ChildProcess =>
  spawned('/bin/sh', ['-c', `exec 3<"$0"; read line`, join(lab.devices, node)], uid);

/** A program on GPU 0, without any slice. */
export const outsider = (uid?: number, env: NodeJS.ProcessEnv = {}): ChildProcess =>
  spawned(workload, ['notebook', '--memory', String(HELD)], uid, env);

export const stateOf = (pid: number | undefined): string | null => {
  const path = `/proc/${String(pid)}/stat`;
  return existsSync(path) ? (/\) (.)/.exec(readFileSync(path, 'utf8'))?.[1] ?? null) : null;
};

/** Takes HELD of GPU 0, in one of these ways, and says so. */
export function build(): string {
  const binary = join(lab.root.path, 'program');
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

export const rule = async (client: Client, fields: Line): Promise<void> => {
  expect(await client.ask('escapes-set', fields)).toMatchObject({ ok: true });
};
export const audits = (client: Client, action = 'escape'): Line[] =>
  client.lines
    .filter((line) => line['ev'] === 'audit')
    .map((line) => line['record'] as Line)
    .filter((record) => record['action'] === action);
export const told = (client: Client, pid: number | undefined): Line[] =>
  audits(client).filter((record) => String(record['detail']).includes(`(pid ${String(pid)})`));
export const cpuMs = (pid: number | undefined): number => {
  const fields =
    readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
      .split(') ')[1]
      ?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
};

/** The agent and its people are nobody; what is watched is the same. */
export async function startAsNobody(
  prepare: (at: (name: string) => string) => void = () => undefined,
): Promise<(name: string) => string> {
  const at = lab.host.openToOthers();
  prepare(at);
  execFileSync('chown', ['-R', `${String(NOBODY)}:${String(NOBODY)}`, join(lab.root.path, 'root')]);
  await lab.host.start({ bin: at('tranche'), uid: NOBODY });
  return at;
}
