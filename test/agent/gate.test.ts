/**
 * Programs in a slice behind the gate (`tranche run --gate`): the real agent, the real filter and supervisor, and the
 * simulated driver, which makes the real one's requests of stand-ins for its devices. What the library cannot hold is
 * held; what it holds is charged once.
 */
import { execFileSync, spawnSync, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  Client,
  GIB,
  hasShim,
  hasSim,
  simDir,
  TestHost,
  trancheBin,
  until,
  type Root,
} from './agent_process.ts';
import { sampleWith } from './events.ts';
import { addStandIns, isGatePossible } from './gate_host.ts';

const MIB = 1024 ** 2;
/** What the simulated driver takes for a context. */
const CONTEXT_BYTES = 300 * MIB;
const USER = `
#include <stddef.h>
int cuInit(unsigned); int cuDevicePrimaryCtxRetain(void **, int); int cuCtxSetCurrent(void *); int cuMemAlloc_v2(unsigned long long *, size_t); int cuMemAllocManaged(unsigned long long *, size_t, unsigned);
int start(void) { void *c; return cuInit(0) || cuDevicePrimaryCtxRetain(&c, 0) || cuCtxSetCurrent(c) ? 100 : 0; }
int take(int mib) { unsigned long long p; return mib < 0 ? cuMemAllocManaged(&p, (size_t)-mib << 20, 1) : cuMemAlloc_v2(&p, (size_t)mib << 20); }
`;
/** Takes as many MiB as each line of its input says (below 0: of managed memory), and says how that went. */
const program = (open: string): string => `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
int main(int n, char **argv) { void *l = ${open}; if (n < 2 || !l) { printf("%s\\n", dlerror()); return 3; }
  int (*start)(void) = (int (*)(void))dlsym(l, "start"), (*take)(int) = (int (*)(int))dlsym(l, "take");
  printf("started %d\\n", start()); fflush(stdout);
  for (int mib; scanf("%d", &mib) == 1; fflush(stdout)) printf("%d took %d\\n", mib, take(mib));
  return 7; }
`;
const WAYS = {
  'the usual way': ['dlopen(argv[1], RTLD_NOW)', []],
  RTLD_DEEPBIND: ['dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND)', []],
  dlmopen: ['dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW)', []],
  'no LD_PRELOAD': ['dlopen(argv[1], RTLD_NOW)', ['env', '-u', 'LD_PRELOAD']],
  'env -i': ['dlopen(argv[1], RTLD_NOW)', ['env', '-i']],
} as const;
const OUT_OF_MEMORY = 2;

let host: TestHost;
let root: Root;

beforeEach(() => {
  host = new TestHost();
  root = host.root;
  addStandIns(root);
});

afterEach(() => host.end());

function build(way: keyof typeof WAYS): readonly string[] {
  const [open, before] = WAYS[way];
  const library = join(root.path, 'libuser.so');
  const binary = join(root.path, `program-${way.replace(/\W/g, '-')}`);
  writeFileSync(`${library}.c`, USER);
  writeFileSync(`${binary}.c`, program(open));
  execFileSync('gcc', ['-shared', '-fPIC', '-o', library, `${library}.c`, join(simDir, 'libcuda.so.1')]);
  execFileSync('gcc', ['-o', binary, `${binary}.c`, '-ldl']);
  const kept = before[1] === '-i' ? simVariables() : [];
  return [...before, ...kept, binary, library];
}

/** Those that the simulated machine needs; nothing of ours. */
const simVariables = (): string[] =>
  ['TRANCHE_SIM_DIR', 'TRANCHE_SIM_RM_DEVICES', 'LD_LIBRARY_PATH', 'PATH']
    .filter((name) => root.env[name] !== undefined)
    .map((name) => `${name}=${root.env[name] ?? ''}`);

class Program {
  readonly child: ChildProcess;
  #text = '';
  readonly ended: Promise<number | string | null>;

  constructor(slice: string, words: readonly string[]) {
    this.child = host.run(slice, words, { stdio: ['pipe', 'pipe', 'inherit'], options: ['--gate'] });
    this.child.stdout?.setEncoding('utf8').on('data', (more: string) => (this.#text += more));
    this.ended = new Promise((resolve) => {
      this.child.on('exit', (status, signal) => resolve(signal ?? status));
    });
  }

  has = (text: string): Promise<true> => until(text, () => this.#text.includes(`${text}\n`) || null);

  /** The result of taking so many MiB. */
  async takes(mib: number): Promise<number> {
    const before = this.#text.length;
    this.child.stdin?.write(`${String(mib)}\n`);
    const said = await until(`${String(mib)} taken`, () => /took (\d+)\n/.exec(this.#text.slice(before)));
    return Number(said[1]);
  }

  end(): Promise<number | string | null> {
    this.child.stdin?.end();
    return this.ended;
  }
}

async function open(memoryLimitBytes: number): Promise<Client> {
  await host.start();
  const client = await Client.open(root);
  expect(await client.create({ memoryLimitBytes })).toMatchObject({ ok: true });
  await client.ask('subscribe', { sampleIntervalMs: 100 });
  return client;
}

describe.skipIf(!hasSim || !hasShim || !isGatePossible)('behind the gate', () => {
  test.each(Object.keys(WAYS) as (keyof typeof WAYS)[])(
    'the limit holds, contexts included, for a program that comes by %s',
    async (way) => {
      const client = await open(GIB);
      const one = new Program('one', build(way));
      await one.has('started 0');
      expect(await one.takes(600)).toBe(0);
      expect(await one.takes(200)).toBe(OUT_OF_MEMORY);
      expect(await one.takes(100)).toBe(0);
      const held = CONTEXT_BYTES + 700 * MIB;
      const { slices, processes } = await sampleWith(
        client,
        (sample) => (sample.slices[0]?.memoryUsedBytes ?? 0) >= held,
      );
      expect(slices[0]?.memoryUsedBytes).toBeLessThanOrEqual(GIB);
      expect(slices[0]?.processCount).toBe(1);
      const row = processes.find(({ sliceId }) => sliceId === slices[0]?.id);
      expect(row?.memoryUsedBytes).toBeGreaterThanOrEqual(held);
      expect(await one.end()).toBe(7);
      await sampleWith(client, (sample) => sample.slices[0]?.memoryUsedBytes === 0);
      client.close();
    },
  );

  test.each(['the usual way', 'no LD_PRELOAD', 'env -i'] as const)(
    'managed memory is counted beside the context, for a program that comes by %s',
    async (way) => {
      const client = await open(GIB);
      const one = new Program('one', build(way));
      await one.has('started 0');
      expect(await one.takes(-600)).toBe(0);
      expect(await one.takes(-200)).toBe(OUT_OF_MEMORY);
      expect(await one.takes(200)).toBe(OUT_OF_MEMORY);
      expect(await one.takes(-50)).toBe(0);
      expect(await one.takes(50)).toBe(0);
      await sampleWith(
        client,
        ({ slices }) => (slices[0]?.memoryUsedBytes ?? 0) >= CONTEXT_BYTES + 700 * MIB,
      );
      await one.end();
      await sampleWith(client, (sample) => sample.slices[0]?.memoryUsedBytes === 0);
      client.close();
    },
  );

  test('two programs share one limit, with the library and without', async () => {
    const client = await open(GIB);
    const one = new Program('one', build('the usual way'));
    await one.has('started 0');
    const other = new Program('one', build('no LD_PRELOAD'));
    await other.has('started 0');
    expect(await one.takes(200)).toBe(0);
    expect(await other.takes(200)).toBe(0);
    expect(await one.takes(100)).toBe(OUT_OF_MEMORY);
    expect(await other.takes(100)).toBe(OUT_OF_MEMORY);
    expect(await other.end()).toBe(7);
    expect(await one.takes(500)).toBe(0);
    await one.end();
    client.close();
  });

  test('a context is counted, and not guessed as well once its size is known', async () => {
    const client = await open(GIB);
    const hello = await client.ask('hello', { protocolMin: 1, protocolMax: 1 });
    const policies = join(String(hello['runtimeDir']), 'policy');
    const policy = join(policies, readdirSync(policies).find((name) => name.startsWith('s-')) ?? '');
    const first = new Program('one', build('no LD_PRELOAD'));
    await first.has('started 0');
    // region.h: context_bytes of struct region_policy.
    await until('the size of a context', () => readFileSync(policy).readBigUInt64LE(232) > 0n);
    await first.end();
    const one = new Program('one', build('the usual way'));
    await one.has('started 0');
    expect(await one.takes(700)).toBe(0);
    await one.end();
    client.close();
  });

  test('a slice that is resized gives more, or nothing more, and ends nobody', async () => {
    const client = await open(GIB);
    const one = new Program('one', build('no LD_PRELOAD'));
    await one.has('started 0');
    expect(await one.takes(900)).toBe(OUT_OF_MEMORY);
    expect(host.tranche(['slice', 'resize', 'one', '--memory', '2g']).status).toBe(0);
    expect(await one.takes(900)).toBe(0);
    expect(host.tranche(['slice', 'resize', 'one', '--memory', '1g']).status).toBe(0);
    expect(await one.takes(2)).toBe(OUT_OF_MEMORY);
    expect(await one.end()).toBe(7);
    client.close();
  });

  test('a denial is told, of the program and not of its supervisor', async () => {
    const client = await open(GIB);
    const one = new Program('one', build('no LD_PRELOAD'));
    await one.has('started 0');
    expect(await one.takes(1000)).toBe(OUT_OF_MEMORY);
    const notice = await client.event('notice', ({ code }) => code === 'denied');
    expect(notice['message']).toContain('program-no-LD_PRELOAD');
    await one.end();
    client.close();
  });

  test('ends as the program ends, and says what could not be run', async () => {
    await open(GIB);
    expect(host.tranche(['run', '--slice', 'one', '--gate', '--', 'sh', '-c', 'exit 42']).status).toBe(42);
    expect(host.tranche(['run', '--slice', 'one', '--gate', '--', 'sh', '-c', 'kill -TERM $$']).signal).toBe(
      'SIGTERM',
    );
    const missing = host.tranche(['run', '--slice', 'one', '--gate', '--', 'no-such-program']);
    expect(missing.status).toBe(127);
    expect(missing.stderr).toContain('no-such-program cannot be run: No such file or directory');
  });

  test('takes one slice, and starts nothing otherwise', async () => {
    const client = await open(GIB);
    await client.create({
      memoryLimitBytes: GIB,
      name: 'two',
      gpuUuid: 'GPU-51000000-0000-4000-8000-000000000001',
    });
    const both = host.tranche(['run', '--slice', 'one', '--slice', 'two', '--gate', '--', 'true']);
    expect(both.status).toBe(125);
    expect(both.stderr).toContain('Nothing was started');
    client.close();
  });
});

/** A driver whose requests are others: this one stands between it and the kernel, and makes them so. */
const BENT = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int ioctl(int fd, unsigned long request, ...) {
  va_list list; va_start(list, request); unsigned char *at = va_arg(list, void *); va_end(list);
  uint32_t class = 0; uint64_t parameters = 0;
  unsigned number = request & 0xff;
  if (number == 0x2b) { memcpy(&class, at + 12, 4); memcpy(&parameters, at + 16, 8); }
  HOW
  return syscall(SYS_ioctl, fd, request, at);
}
`;

describe.skipIf(!hasSim || !isGatePossible)('the proof of the gate', () => {
  const prove = (env: NodeJS.ProcessEnv = {}): { code: string; message: string; level: string } => {
    const said = spawnSync(trancheBin, ['doctor', '--gate', '--json'], {
      encoding: 'utf8',
      env: { ...process.env, ...root.env, ...env },
    });
    const findings = JSON.parse(said.stdout) as { code: string; message: string; level: string }[];
    return (
      findings.find(({ code }) => code.startsWith('gate-')) ?? {
        code: 'none',
        message: said.stdout,
        level: '',
      }
    );
  };
  const bend = (how: string): NodeJS.ProcessEnv => {
    const library = join(root.path, 'bent.so');
    writeFileSync(`${library}.c`, BENT.replace('HOW', how));
    execFileSync('gcc', ['-shared', '-fPIC', '-o', library, `${library}.c`]);
    return { LD_PRELOAD: library };
  };

  test('holds for a driver that makes the requests that we know', () => {
    expect(prove()).toMatchObject({ code: 'gate-proved', level: 'ok' });
    expect(prove().message).toContain('A context of 300 MiB');
  });

  test.each([
    ['makes none', () => ({ TRANCHE_SIM_RM_DEVICES: undefined }), 'Of a context nothing was seen'],
    [
      'asks for memory by another class',
      () => bend('if (class == 0x40) { class = 0x41; memcpy(at + 12, &class, 4); }'),
      'Of a context nothing was seen',
    ],
    [
      'has the size elsewhere',
      () => bend('if (class == 0x40) *(uint64_t *)(uintptr_t)(parameters + 64) /= 2;'),
      'Of a block (cuMemAlloc) not the size was seen',
    ],
    [
      'has managed memory of another device',
      () => {
        rmSync(join(root.path, 'devices', 'nvidia-uvm'));
        return {};
      },
      'Of managed memory (cuMemAllocManaged) not the size was seen',
    ],
    [
      'frees by another request',
      () => bend('if (number == 0x29 && fd >= 0) { errno = ENOTTY; return -1; }'),
      'Of what was freed not all was given back',
    ],
    [
      'does not look at the answer',
      () =>
        bend('if (class == 0x40) { syscall(SYS_ioctl, fd, request, at); memset(at + 40, 0, 4); return 0; }'),
      'Asked for more than the limit, the driver answered 0',
    ],
  ])('does not for one that %s', (_what, env, said) => {
    const found = prove(env());
    expect(found).toMatchObject({ code: 'gate-not-proved', level: 'error' });
    expect(found.message).toContain(said);
  });
});
