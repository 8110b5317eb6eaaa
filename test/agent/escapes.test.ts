/**
 * Programs that the preloaded library does not reach, in a slice: RTLD_DEEPBIND, dlmopen, an unset LD_PRELOAD, a static
 * program that brings its own loader of the driver. Tranche is cooperative, so they get what they ask for; but they are
 * seen, as unmanaged processes of the GPU, and doctor says of each why.
 */
import { execFileSync, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  Client,
  GIB,
  hasShim,
  hasSim,
  simDir,
  TestHost,
  until,
  type Line,
  type Root,
} from './agent_process.ts';

/** More than the slice's limit of 1 GiB. */
const TAKEN_GIB = 2;
const USER = `
#include <stddef.h>
int cuInit(unsigned); int cuDevicePrimaryCtxRetain(void **, int); int cuCtxSetCurrent(void *); int cuMemAlloc_v2(unsigned long long *, size_t);
int take(void) { void *c; unsigned long long p; if (cuInit(0) || cuDevicePrimaryCtxRetain(&c, 0) || cuCtxSetCurrent(c)) return 100; return cuMemAlloc_v2(&p, (size_t)${String(TAKEN_GIB)} << 30); }
`;
const program = (open: string): string => `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>
int main(int n, char **argv) { void *l = ${open}; if (n < 2 || !l) { printf("%s\\n", dlerror()); return 3; }
  int code = ((int (*)(void))dlsym(l, "take"))(); printf("took %d\\n", code); fflush(stdout); if (code) return code; for (;;) pause(); }
`;
const OPENS = {
  'the usual way': 'dlopen(argv[1], RTLD_NOW)',
  RTLD_DEEPBIND: 'dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND)',
  dlmopen: 'dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW)',
};

let host: TestHost;
let root: Root;
let child: ChildProcess | null;

beforeEach(() => {
  host = new TestHost();
  root = host.root;
  child = null;
});

afterEach(() => host.end());

function build(open: string): { program: string; library: string } {
  const paths = { program: join(root.path, 'program'), library: join(root.path, 'libuser.so') };
  writeFileSync(`${paths.library}.c`, USER);
  writeFileSync(`${paths.program}.c`, program(open));
  execFileSync('gcc', [
    '-shared',
    '-fPIC',
    '-o',
    paths.library,
    `${paths.library}.c`,
    join(simDir, 'libcuda.so.1'),
  ]);
  execFileSync('gcc', ['-o', paths.program, `${paths.program}.c`, '-ldl']);
  return paths;
}

async function start(words: readonly string[]): Promise<{ client: Client; said: () => string }> {
  await host.start();
  const client = await Client.open(root);
  expect(await client.create({ memoryLimitBytes: GIB })).toMatchObject({ ok: true });
  await client.ask('subscribe', { sampleIntervalMs: 100 });
  let text = '';
  child = host.run('one', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout?.setEncoding('utf8').on('data', (more: string) => (text += more));
  return { client, said: () => text };
}

const processesOf = (line: Line): Line[] => line['processes'] as Line[];

describe.skipIf(!hasSim || !hasShim)('programs that the shim does not reach', () => {
  test('the same program the usual way is held to its slice', async () => {
    const { program, library } = build(OPENS['the usual way']);
    const { client, said } = await start([program, library]);
    await until('the refusal', () => said().includes('took 2')); // CUDA_ERROR_OUT_OF_MEMORY
    client.close();
  });

  test.each(['RTLD_DEEPBIND', 'dlmopen', 'no LD_PRELOAD'] as const)(
    '%s escapes, and is seen',
    async (how) => {
      const { program, library } = build(how === 'no LD_PRELOAD' ? OPENS['the usual way'] : OPENS[how]);
      const words = [program, library];
      const { client, said } = await start(
        how === 'no LD_PRELOAD' ? ['env', '-u', 'LD_PRELOAD', ...words] : words,
      );
      await until('its memory', () => said().includes('took 0'));
      const pid = child?.pid;
      const sample = await client.event('sample', (line) =>
        processesOf(line).some(
          (one) => one['pid'] === pid && Number(one['memoryUsedBytes']) >= TAKEN_GIB * GIB,
        ),
      );
      expect(processesOf(sample).find((one) => one['pid'] === pid)).toMatchObject({ sliceId: null });
      await client.event(
        'sample',
        (line) => Number((line['gpus'] as Line[])[0]?.['unmanagedBytes']) >= TAKEN_GIB * GIB,
      );
      const told = host.tranche(['doctor', '--json', '--pid', String(pid)]);
      const codes = (JSON.parse(told.stdout) as { code: string }[]).map(({ code }) => code);
      expect(codes).toContain(how === 'no LD_PRELOAD' ? 'process-no-preload' : 'process-bypasses');
      expect(codes).not.toContain('process-shim');
      client.close();
    },
  );
});
