/** What the shim adds to a call, over a driver that does nothing (null_driver.c). */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, makeFigure, type Figure } from './report.ts';

const RUNS = 7;
const TOGETHER = 64;
const FIGURES = [
  ['shim.launch', 'a launch, no limit set', 15],
  ['shim.launchEx', 'cuLaunchKernelEx, no limit set', 15],
  ['shim.graphLaunch', 'a graph launch, no limit set', 15],
  ['shim.launch.limited', 'a launch under a limit that does not bind', 40],
  ['shim.alloc', 'cuMemAlloc and cuMemFree', 300],
  ['shim.async', 'cuMemAllocAsync and cuMemFreeAsync', 60],
] as const;

export function benchShimCost(repository: string, compile: (args: readonly string[]) => void): Figure[] {
  const folder = join(repository, 'build/bench/null');
  mkdirSync(folder, { recursive: true });
  const include = ['-std=gnu11', '-D_GNU_SOURCE', '-O2', '-Iagent/common', '-Iagent/vendor'];
  compile([...include, '-shared', '-fPIC', 'test/bench/null_driver.c', '-o', join(folder, 'libcuda.so.1')]);
  const program = join(folder, 'shim_cost');
  compile([...include, 'test/bench/shim_cost.c', 'agent/common/region_file.c', '-ldl', '-o', program]);
  const shim = join(repository, 'build/agent/x86_64/libtranche.so');
  const starter = join(folder, 'shim_start');
  compile([...include, 'test/bench/shim_start.c', 'agent/common/region_file.c', '-ldl', '-o', starter]);
  const added = new Map<string, number[]>();
  for (let run = 0; run < RUNS; run += 1) {
    for (const limited of [false, true]) {
      const runtime = mkdtempSync(join(tmpdir(), 'tranche-cost-'));
      const output = execFileSync(program, [runtime, folder, shim], {
        encoding: 'utf8',
        env: { ...process.env, ...(limited ? { SHIM_COST_LIMITED: '1' } : {}) },
      });
      rmSync(runtime, { recursive: true });
      for (const line of output.trim().split('\n')) {
        const { id, addedNs } = JSON.parse(line) as { id: string; addedNs: number };
        added.set(id, [...(added.get(id) ?? []), addedNs]);
      }
    }
  }
  const starts = Array.from({ length: RUNS }, () => startTogether(starter, folder, shim));
  return [
    ...FIGURES.map(([id, what, target]) =>
      makeFigure(
        id,
        `added to ${what}, over a driver that does nothing`,
        median(added.get(id) ?? []),
        'ns',
        target,
      ),
    ),
    makeFigure(
      'shim.start.together',
      `added to the first calls of ${TOGETHER} programs at once, over a driver that does nothing`,
      median(starts),
      'ms',
      10,
    ),
  ];
}

/** Milliseconds that a start in a slice takes longer than one beside it, both among many. */
function startTogether(starter: string, driver: string, shim: string): number {
  const runtime = mkdtempSync(join(tmpdir(), 'tranche-start-'));
  const output = execFileSync(starter, [runtime, driver, shim, String(TOGETHER)], { encoding: 'utf8' });
  rmSync(runtime, { recursive: true });
  const { nativeMs, sliceMs } = JSON.parse(output) as { nativeMs: number; sliceMs: number };
  return sliceMs - nativeMs;
}
