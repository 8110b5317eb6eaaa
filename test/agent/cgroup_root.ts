/** A group of this machine's cgroup v2 hierarchy for one test, and what stands in it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { isRoot, until } from './agent_process.ts';

const CGROUP2_SUPER_MAGIC = 0x63677270;
const mount = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find(
  (path) => existsSync(path) && statfsSync(path).type === CGROUP2_SUPER_MAGIC,
);

let made = 0;
function tryToMake(): string | null {
  if (!isRoot || mount === undefined) return null;
  made += 1;
  const path = join(mount, `tranche-test-${String(process.pid)}-${String(made)}`);
  try {
    mkdirSync(path);
    return path;
  } catch {
    return null;
  }
}

const probe = tryToMake();
if (probe !== null) rmdirSync(probe);
/** Why a test with groups of its own is skipped here; null: it is not. */
export const noGroups =
  probe !== null ? null : isRoot ? 'no cgroup v2 hierarchy that may be written to' : 'not root';

export class CgroupRoot {
  readonly path: string;

  constructor() {
    const path = tryToMake();
    if (path === null) throw new Error('no group could be made');
    this.path = path;
  }

  /** Names of the scopes that there are. */
  scopes(): string[] {
    const slices = join(this.path, 'slices');
    return existsSync(slices)
      ? readdirSync(slices, { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .map(({ name }) => name)
      : [];
  }

  scope = (id: string): string => join(this.path, 'slices', id);

  /** Who is in it. */
  members = (id: string): number[] =>
    readFileSync(join(this.scope(id), 'cgroup.procs'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map(Number);

  /** What stands in /proc/PID/cgroup of a process in that scope. */
  line = (id: string): string => `0::${this.scope(id).slice((mount ?? '').length)}`;

  /** When nobody is in them any more: groups go from the leaves up. */
  async end(): Promise<void> {
    const remove = (path: string): void => {
      for (const entry of readdirSync(path, { withFileTypes: true }))
        if (entry.isDirectory()) remove(join(path, entry.name));
      rmdirSync(path);
    };
    await until('the groups of the test to be empty', () => {
      try {
        remove(this.path);
        return true;
      } catch {
        return false;
      }
    });
  }
}
