/** A process in a container's control group, made as an engine makes it: its sample says so. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sampleEventSchema } from '../../model/agent-protocol.ts';
import { binDir, Client, GIB, GPU0, hasSim, makeRoot, simDir, startAgent, trancheBin, until, type Root, type RunningAgent } from './agent_process.ts';

let root: Root;
let agent: RunningAgent | null = null;
let child: ChildProcess | null = null;
const groups: string[] = [];

beforeEach(() => {
  root = makeRoot();
  root.env['LD_LIBRARY_PATH'] = simDir;
});

afterEach(async () => {
  const running = child;
  running?.kill('SIGKILL');
  if (running !== null) await until('the child to end', () => running.exitCode !== null || running.signalCode !== null);
  await agent?.stop('SIGKILL');
  // A group can go when nobody is in it any more; one that others use too stays.
  for (const group of groups.splice(0).reverse()) {
    await until(`${group} to be empty`, () => {
      try {
        rmdirSync(group);
        return true;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'ENOTEMPTY' || (error as NodeJS.ErrnoException).code === 'ENOENT';
      }
    });
  }
  root.remove();
});

/** The first hierarchy in which we may make groups: v2, or one of v1's. Why there is none, else. */
function makeGroup(id: string): { readonly procs: string } | string {
  const reasons: string[] = [];
  for (const hierarchy of ['', 'pids', 'freezer', 'cpuacct']) {
    const engine = join('/sys/fs/cgroup', hierarchy, 'docker');
    const path = join(engine, id);
    try {
      if (!existsSync(join('/sys/fs/cgroup', hierarchy, 'cgroup.procs'))) continue;
      if (!existsSync(engine)) {
        mkdirSync(engine);
        groups.push(engine);
      }
      mkdirSync(path);
      groups.push(path);
      return { procs: join(path, 'cgroup.procs') };
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  return reasons.join('; ') || 'no control groups are mounted';
}

test.skipIf(!hasSim || !existsSync(join(binDir, 'libtranche.so')))('a program in a container says so in its sample', async (context) => {
  const id = randomBytes(32).toString('hex');
  const group = makeGroup(id);
  if (typeof group === 'string') {
    context.skip(`no control group can be made here: ${group}`);
    return;
  }
  agent = await startAgent(root);
  const client = await Client.open(root);
  await client.ask('slice-create', { gpuUuid: GPU0, memoryLimitBytes: 4 * GIB, computeLimitPercent: 50, name: 'one' });
  await client.ask('subscribe', { sampleIntervalMs: 100 });
  const program = join(simDir, 'tranche-sim-workload');
  const shell = `echo $$ > "$0" && exec "$@"`;
  child = spawn('/bin/sh', ['-c', shell, group.procs, trancheBin, 'run', '--slice', 'one', '--', program, 'notebook', '--memory', String(GIB)], {
    env: root.env,
    stdio: 'ignore',
  });
  const seen = await client.event('sample', (line) => (line['processes'] as unknown[]).length === 1);
  expect(readFileSync(`/proc/${String(child.pid)}/cgroup`, 'utf8')).toContain(id);
  expect(sampleEventSchema.parse(seen).processes).toMatchObject([
    { pid: child.pid, container: `docker ${id.slice(0, 12)}`, unit: null },
  ]);
  client.close();
});
