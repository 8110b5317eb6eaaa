/** A private root on this machine that stands for one GPU host: simulated driver, own home, own agent; removed at the end. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('../../..', import.meta.url));
export const artifactsFolder = join(repository, 'build/agent');
export const simFolder = join(artifactsFolder, 'x86_64/sim');
export const workload = join(simFolder, 'tranche-sim-workload');

export interface PrivateRoot {
  readonly path: string;
  readonly env: Record<string, string>;
  /** Ends every process that runs in this root, and only these, then removes it. */
  destroy(): void;
}

/** Pids whose environment names this root. */
export function processesIn(root: string): number[] {
  const found: number[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if (readFileSync(`/proc/${entry}/environ`, 'latin1').split('\0').includes(`TRANCHE_ROOT=${root}`))
        found.push(Number(entry));
    } catch {
      // gone meanwhile, or another user's
    }
  }
  return found;
}

/** kill -9 for whatever runs in this root; what ended by itself meanwhile is no error. */
export function killProcessesIn(root: string): void {
  for (const pid of processesIn(root)) {
    if (pid === process.pid) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

export function makePrivateRoot(
  options: { readonly gpus?: number; readonly simulator?: boolean; readonly clock?: 'wall' | 'virtual' } = {},
): PrivateRoot {
  const path = mkdtempSync(join(tmpdir(), 'tranche-it-'));
  mkdirSync(join(path, 'home'));
  mkdirSync(join(path, 'sim'));
  const gpus = options.gpus ?? 2;
  const lines = [`clock = ${options.clock ?? 'wall'}`, `gpus = ${String(gpus)}`];
  writeFileSync(join(path, 'sim/sim.conf'), `${lines.join('\n')}\n`);
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: join(path, 'home'),
    USER: 'tester',
    LANG: 'C.UTF-8',
    TRANCHE_ROOT: path,
    ...(options.simulator === false
      ? {}
      : { TRANCHE_DRIVER_DIR: simFolder, TRANCHE_SIM_DIR: join(path, 'sim'), LD_LIBRARY_PATH: simFolder }),
  };
  return {
    path,
    env,
    destroy: () => {
      killProcessesIn(path);
      rmSync(path, { recursive: true, force: true });
    },
  };
}

export function requireBuilt(): void {
  for (const file of [
    'tranche',
    'libtranche.so',
    'sim/libcuda.so.1',
    'sim/libnvidia-ml.so.1',
    'sim/tranche-sim-workload',
  ]) {
    if (!existsSync(join(artifactsFolder, 'x86_64', file)))
      throw new Error(`build/agent/x86_64/${file} is missing: run npm run build:agent`);
  }
}

/** Runs the deployed command line of a root. */
export function tranche(root: PrivateRoot, ...args: readonly string[]): string {
  return execFileSync(join(root.path, 'bin/current/tranche'), args, {
    env: root.env,
    encoding: 'utf8',
    timeout: 15_000,
  });
}
