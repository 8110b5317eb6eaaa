/** A process in a container's control group, made as an engine makes it: its sample says so. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sampleEventSchema } from '../../model/agent-protocol.ts';
import { Client, GIB, hasShim, hasSim, TestHost, trancheBin, until, workload } from './agent_process.ts';

let host: TestHost;
const groups: string[] = [];

beforeEach(() => {
  host = new TestHost();
});

afterEach(() =>
  host.end(async () => {
    // A group can go when nobody is in it any more; one that others use too stays.
    for (const group of groups.splice(0).reverse()) {
      await until(`${group} to be empty`, () => {
        try {
          rmdirSync(group);
          return true;
        } catch (error) {
          return (
            (error as NodeJS.ErrnoException).code === 'ENOTEMPTY' ||
            (error as NodeJS.ErrnoException).code === 'ENOENT'
          );
        }
      });
    }
  }),
);

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

test.skipIf(!hasSim || !hasShim)('a program in a container says so in its sample', async (context) => {
  const id = randomBytes(32).toString('hex');
  const group = makeGroup(id);
  if (typeof group === 'string') {
    context.skip(`no control group can be made here: ${group}`);
    return;
  }
  await host.start();
  const client = await Client.open(host.root);
  await client.create();
  await client.ask('subscribe', { sampleIntervalMs: 100 });
  const shell = `echo $$ > "$0" && exec "$@"`;
  const program = [trancheBin, 'run', '--slice', 'one', '--', workload, 'notebook', '--memory', String(GIB)];
  const child = host.keep(
    spawn('/bin/sh', ['-c', shell, group.procs, ...program], { env: host.root.env, stdio: 'ignore' }),
  );
  const seen = await client.event('sample', (line) => (line['processes'] as unknown[]).length === 1);
  expect(readFileSync(`/proc/${String(child.pid)}/cgroup`, 'utf8')).toContain(id);
  expect(sampleEventSchema.parse(seen).processes).toMatchObject([
    { pid: child.pid, container: `docker ${id.slice(0, 12)}`, unit: null },
  ]);
  client.close();
});
