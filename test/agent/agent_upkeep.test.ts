/**
 * The runtime files go while the agent runs: cleaners of /tmp, `rm -rf /dev/shm/…`, a tenant who cuts his own. Nobody is
 * unlimited because of it: the files come back, those who run and those who come share the limit, and somebody is told.
 */
import { execFileSync, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Client, GIB, hasShim, hasSim, simDir, TestHost, until, type Line } from './agent_process.ts';

/** At each line it reads: takes as many blocks of 256 MiB as the number there, and says how many it got. */
const TAKER = `
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
int cuInit(unsigned); int cuDevicePrimaryCtxRetain(void **, int); int cuCtxSetCurrent(void *); int cuMemAlloc_v2(unsigned long long *, size_t);
int main(void) { void *c; unsigned long long p; char line[64];
  if (cuInit(0) || cuDevicePrimaryCtxRetain(&c, 0) || cuCtxSetCurrent(c)) { printf("no context\\n"); return 100; }
  while (fgets(line, sizeof line, stdin)) { int want = atoi(line), got = 0;
    while (got < want && cuMemAlloc_v2(&p, (size_t)256 << 20) == 0) got++; printf("got %d\\n", got); fflush(stdout); }
  return 0; }
`;

let host: TestHost;
let program = '';
let client: Client;
let run = '';
let id = '';

beforeEach(async () => {
  host = new TestHost();
  // What contexts take counts once the driver has been asked, which a slow machine does halfway through a test.
  writeFileSync(join(host.root.path, 'sim.conf'), 'context_memory = 0\n');
  program = join(host.root.path, 'taker');
  writeFileSync(`${program}.c`, TAKER);
  execFileSync('gcc', ['-o', program, `${program}.c`, join(simDir, 'libcuda.so.1')]);
  await host.start();
  client = await Client.open(host.root);
  const made = await client.create({ memoryLimitBytes: 4 * GIB });
  expect(made).toMatchObject({ ok: true });
  id = String(made['sliceId']);
  await client.ask('subscribe', { sampleIntervalMs: 100 });
  run = join(host.root.env['TRANCHE_ROOT'] ?? '', 'run');
});
afterEach(async () => {
  client.close();
  await host.end();
});

interface Taker {
  child: ChildProcess;
  take: (blocks: number) => Promise<number>;
}

function start(): Taker {
  let text = '';
  let answers = 0;
  const child = host.run('one', [program], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdout?.setEncoding('utf8').on('data', (more: string) => (text += more));
  const take = async (blocks: number): Promise<number> => {
    answers += 1;
    child.stdin?.write(`${String(blocks)}\n`);
    const lines = (): string[] => text.split('\n').slice(0, -1);
    await until('an answer', () => lines().length >= answers);
    return Number((lines()[answers - 1] ?? '').replace('got ', ''));
  };
  return { child, take };
}

const told = (count: number): Promise<unknown> =>
  until(
    'a notice',
    () =>
      client.lines.filter((line) => line['ev'] === 'notice' && line['code'] === 'files-made-again').length >=
      count,
  );
const ledgerOf = (line: Line): number => Number((line['slices'] as Line[])[0]?.['ledgerBytes']);

describe.skipIf(!hasSim || !hasShim)('runtime files that go', () => {
  test.each(['policy', 'usage', 'board', 'all of them'])(
    '%s: made again, and the limit is one',
    async (what) => {
      const older = start();
      expect(await older.take(8)).toBe(8);
      await client.event('sample', (line) => ledgerOf(line) === 2 * GIB);
      if (what === 'all of them') rmSync(run, { recursive: true });
      else
        for (const name of readdirSync(join(run, what))) rmSync(join(run, what, name), { recursive: true });
      const younger = start(); // `run` waits for the files
      expect(await younger.take(16)).toBe(8);
      await told(1);
      expect(existsSync(join(run, 'policy', id))).toBe(true);
      expect(existsSync(join(run, 'usage', id))).toBe(true);
      await until('the agent to count both', () => {
        const line = client.lines.findLast((one) => one['ev'] === 'sample');
        return line !== undefined && ledgerOf(line) === 4 * GIB;
      });
      expect(await older.take(1)).toBe(0);
      /* A new limit reaches both. */
      const grown = await client.ask('slice-resize', { sliceId: id, memoryLimitBytes: 5 * GIB });
      expect(grown).toMatchObject({ ok: true });
      expect((await older.take(2)) + (await younger.take(2))).toBe(4);
      const doctor = host.tranche(['doctor', '--json']);
      expect(doctor.stdout).not.toContain('slice-files-removed');
    },
  );

  test('a usage file that was cut is made again, and who has the old one gets nothing more', async () => {
    truncateSync(join(run, 'usage', id), 4096);
    await told(1);
    expect(await start().take(99)).toBe(16);
  });

  test('without an agent a program is not started where its files are not', async () => {
    const env = {
      ...process.env,
      ...host.root.env,
      LD_PRELOAD: join(simDir, '../libtranche.so'),
      TRANCHE_SLICES: id,
      TRANCHE_RUNTIME_DIR: `${run}-that-is-not-there`,
      LD_LIBRARY_PATH: simDir,
    };
    const lost = spawnSync(program, [], { env, input: '1\n', encoding: 'utf8' });
    expect(lost.stdout).toContain('no context');
  });

  test('cleaners that spare locked folders spare this one', () => {
    const refused = spawnSync('flock', ['--shared', '--nonblock', run, 'true']);
    expect(refused.status).toBe(1);
  });
});
