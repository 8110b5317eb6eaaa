/** What a process and everything it has started cost, read from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null; // gone meanwhile
  }
}

/** Fields of /proc/PID/stat after the command's name, which may hold anything. */
const statOf = (pid: number): readonly string[] =>
  readOrNull(`/proc/${String(pid)}/stat`)
    ?.replace(/^.*\) /s, '')
    .split(' ') ?? [];

export function treeOf(root: number): readonly number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync('/proc'))
    if (/^\d+$/.test(entry)) parents.set(Number(entry), Number(statOf(Number(entry))[1]));
  const tree = new Set([root]);
  for (let before = 0; before !== tree.size;) {
    before = tree.size;
    for (const [pid, parent] of parents) if (tree.has(parent)) tree.add(pid);
  }
  return [...tree];
}

/** User and system time so far, of each process. */
export function cpuSeconds(pids: readonly number[]): ReadonlyMap<number, number> {
  return new Map(
    pids.map((pid) => {
      const fields = statOf(pid);
      return [pid, (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND];
    }),
  );
}

/** Proportional set size: memory that several processes share is counted once. */
export function pssBytes(pids: readonly number[]): number {
  let kib = 0;
  for (const pid of pids)
    kib += Number(/^Pss:\s+(\d+)/m.exec(readOrNull(`/proc/${String(pid)}/smaps_rollup`) ?? '')?.[1] ?? 0);
  return kib * 1024;
}

/** Which part of the app a process is, by how it was started. */
export function roleOf(pid: number): string {
  const command = readOrNull(`/proc/${String(pid)}/cmdline`)?.replaceAll('\0', ' ') ?? '';
  const type = /--type=([\w-]+)/.exec(command)?.[1];
  const utility = /--utility-sub-type=([\w.]+)/.exec(command)?.[1];
  return utility ?? type ?? 'main';
}
