/** What the door adds to an open of a device, at a cgroup of the bench's own (door_cost.c). */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeFigure, median, type Figure } from './report.ts';

const RUNS = 7;
/** What exits so was skipped, and has said why. */
const SKIPPED = 77;
const TARGET_NS = 1000;
const FIGURES = [
  ['door.open', 'slice', 'a GPU’s device, by a program in a slice'],
  ['door.open.holder', 'holder', 'a GPU’s device, by a process that held it when the door was shut'],
  ['door.open.other', 'unguarded', 'another device'],
] as const;

/** None where this is not root, or there is no cgroup hierarchy of version 2. */
export function benchDoorCost(repository: string, compile: (args: readonly string[]) => void): Figure[] {
  const folder = join(repository, 'build/bench');
  mkdirSync(folder, { recursive: true });
  const program = join(folder, 'door_cost');
  const include = ['agent/common', 'agent/door', 'test/agent'].map((path) => `-I${path}`);
  const sources = ['bpf', 'door', 'program'].map((name) => `agent/door/${name}.c`);
  compile([
    '-std=gnu11',
    '-D_GNU_SOURCE',
    '-O2',
    ...include,
    'test/bench/door_cost.c',
    ...sources,
    '-o',
    program,
  ]);
  const added = new Map<string, number[]>();
  for (let run = 0; run < RUNS; run += 1) {
    const done = spawnSync(program, { encoding: 'utf8' });
    if (done.status === SKIPPED) {
      process.stderr.write(`door.open is not measured: ${done.stdout}`);
      return [];
    }
    if (done.status !== 0) throw new Error(`door_cost ended with ${String(done.status)}: ${done.stderr}`);
    for (const line of done.stdout.trim().split('\n')) {
      const { id, addedNs } = JSON.parse(line) as { id: string; addedNs: number };
      added.set(id, [...(added.get(id) ?? []), addedNs]);
    }
  }
  return FIGURES.map(([id, opener, what]) =>
    makeFigure(
      id,
      `added by the door to an open of ${what}`,
      median(added.get(`door.open.${opener}`) ?? []),
      'ns',
      TARGET_NS,
    ),
  );
}
