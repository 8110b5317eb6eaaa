/**
 * A program in namespaces of its own (containers, sandboxes, `unshare`): it is limited like any other, seen under the
 * pid that the host knows, and neither it nor those outside take each other for dead.
 */
import { execFileSync, spawnSync, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Client, GIB, hasShim, hasSim, simDir, TestHost, until, type Line } from './agent_process.ts';

/** Takes blocks of 256 MiB until one is refused, and again at each line it reads; at most so many in all. */
const FILL = `
#include <stdio.h>
#include <stddef.h>
#include <unistd.h>
int cuInit(unsigned); int cuDevicePrimaryCtxRetain(void **, int); int cuCtxSetCurrent(void *); int cuMemAlloc_v2(unsigned long long *, size_t);
int main(int n, char **argv) { void *c; unsigned long long p; char line[64]; unsigned most = n > 1 ? 4 : 1000;
  if (cuInit(0) || cuDevicePrimaryCtxRetain(&c, 0) || cuCtxSetCurrent(c)) return 100;
  do { unsigned got = 0; while (got < most && cuMemAlloc_v2(&p, (size_t)256 << 20) == 0) got++;
    most -= got; printf("pid %d got %u\\n", (int)getpid(), got); fflush(stdout); (void)argv; } while (fgets(line, sizeof line, stdin));
  return 0; }
`;
const NAMESPACES = ['unshare', '-Ur', '--pid', '--fork', '--mount-proc'];
const refused = spawnSync(NAMESPACES[0] ?? '', [...NAMESPACES.slice(1), 'true'], { encoding: 'utf8' });
const mayUnshare = refused.status === 0;

let host: TestHost;
let program = '';

beforeEach(() => {
  host = new TestHost();
  program = join(host.root.path, 'fill');
  writeFileSync(`${program}.c`, FILL);
  execFileSync('gcc', ['-o', program, `${program}.c`, join(simDir, 'libcuda.so.1')]);
});
afterEach(() => host.end());

interface Filler {
  child: ChildProcess;
  said: () => string[];
  again: () => void;
}

function start(words: readonly string[]): Filler {
  let text = '';
  const child = host.run('one', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdout?.setEncoding('utf8').on('data', (more: string) => (text += more));
  return {
    child,
    said: () => text.split('\n').filter((line) => line !== ''),
    again: () => child.stdin?.write('\n'),
  };
}

/** A sample that was taken after this one. */
const later = (client: Client, line: Line, by: number, check: (line: Line) => boolean): Promise<Line> =>
  client.event('sample', (other) => Number(other['seq']) >= Number(line['seq']) + by && check(other));
const rows = (line: Line): Line[] => line['processes'] as Line[];

describe.skipIf(!hasSim || !hasShim || !mayUnshare)(
  `programs in a PID namespace of their own${mayUnshare ? '' : ` (unshare is refused: ${refused.stderr})`}`,
  () => {
    test('are limited, seen under the pid of the host, and reap nobody', async () => {
      await host.start();
      const client = await Client.open(host.root);
      expect(await client.create({ memoryLimitBytes: 4 * GIB })).toMatchObject({ ok: true });
      await client.ask('subscribe', { sampleIntervalMs: 100 });
      const outside = start([program, 'one GiB']);
      await until('the one outside', () => outside.said().length === 1);
      const inside = start([...NAMESPACES, program]);
      await until('the one inside', () => inside.said().length === 1);
      expect(outside.said()[0]).toMatch(/got 4$/);
      expect(inside.said()[0]).toBe('pid 1 got 12');
      const full = (line: Line): boolean =>
        rows(line).filter((row) => row['sliceId'] !== null).length === 2 &&
        rows(line).every((row) => row['sliceId'] !== null);
      const sample = await client.event('sample', full);
      const others = rows(sample).filter((row) => row['pid'] !== outside.child.pid);
      expect(others).toHaveLength(1);
      expect(others[0]?.['pid']).toBeGreaterThan(1);
      expect(others[0]?.['command']).toBe(program);
      expect(Number(others[0]?.['memoryUsedBytes'])).toBeGreaterThanOrEqual(3 * GIB);
      /* Each asks again, and so looks who is dead; and the agent has looked some ten times. */
      const much = await later(client, sample, 10, full);
      inside.again();
      await until('its second answer', () => inside.said().length === 2);
      outside.again();
      await until('its second answer', () => outside.said().length === 2);
      expect([...inside.said().slice(1), ...outside.said().slice(1)].join()).toMatch(
        /^pid 1 got 0,pid \d+ got 0$/,
      );
      const last = await later(client, much, 3, full);
      const told = host.tranche(['doctor', '--json', '--pid', String(others[0]?.['pid'])]);
      const codes = (JSON.parse(told.stdout) as { code: string }[]).map(({ code }) => code);
      expect(codes).toContain('process-shim');
      /* It ends, and what it had is free. */
      inside.child.stdin?.end();
      await later(client, last, 1, (line) => rows(line).length === 1);
      client.close();
    });
  },
);
