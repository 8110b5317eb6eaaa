/** A host with a door of its own: attached to a cgroup of the test's, never to the root of this machine's hierarchy, and
 * with stand-ins for the GPUs' devices (numbers of memory devices, which open for everybody). */
import {
  spawn,
  spawnSync,
  type ChildProcess,
  type SpawnSyncReturns,
  type StdioOptions,
} from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isRoot, repo, TestHost, trancheBin, until } from './agent_process.ts';

const CGROUP2_SUPER_MAGIC = 0x63677270;
const PREFIX = 'tranche-test-door-';
/** 1:7 is full, 1:5 is zero. */
const DEVICES = '1:7,1:5';
const COMMAND_MS = 20_000;
/** PROC_PID_INIT_INO (include/linux/proc_ns.h). */
const HOST_PROCESSES = 'pid:[4026531836]';
const CAP_SYS_ADMIN = 21n;

export const read = (path: string): string => readFileSync(path, 'utf8');

const mount = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find(
  (path) => existsSync(path) && statfsSync(path).type === CGROUP2_SUPER_MAGIC,
);

/** From the leaves up; what is attached to a group goes with it. */
function removeGroup(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeGroup(join(path, entry.name));
  rmdirSync(path);
}

/** Of a test that was killed before it could tidy up. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    writeFileSync(join(folder, name, 'cgroup.kill'), '1');
    removeGroup(join(folder, name));
  }
}

let made = 0;
function tryToMake(): string | null {
  if (!isRoot || mount === undefined) return null;
  made += 1;
  const path = join(mount, `${PREFIX}${String(process.pid)}-${String(made)}`);
  try {
    sweep(mount);
    mkdirSync(path);
    return path;
  } catch {
    return null;
  }
}

/** In a container processes have other numbers than the kernel tells, and root may attach nothing. */
const isOfHost = (): boolean =>
  readlinkSync('/proc/self/ns/pid') === HOST_PROCESSES &&
  ((BigInt(`0x${/CapEff:\s*(\w+)/.exec(read('/proc/self/status'))?.[1] ?? '0'}`) >> CAP_SYS_ADMIN) & 1n) ===
    1n;

function whyNot(): string | null {
  if (!isRoot) return 'not root';
  if (!isOfHost()) return 'in a container, from where the kernel’s rules are not set';
  const probe = tryToMake();
  if (probe === null) return 'no cgroup v2 hierarchy that may be written to';
  rmdirSync(probe);
  return null;
}

/** Why there is no door here; null: there is. */
export const noDoor = whyNot();

export interface Outcome {
  readonly status: number | null;
  readonly text: string;
  /** The kernel said that it is not permitted, and nothing was read. */
  readonly isRefused: boolean;
  readonly isLetIn: boolean;
}

/** Enters a cgroup and becomes the command. */
const ENTER = 'echo 0 >"$0/cgroup.procs" && exec "$@"';

export class DoorHost extends TestHost {
  /** The group that the door is at. */
  readonly group: string;
  /** The stand-in for a GPU. */
  readonly node: string;
  readonly control: string;

  constructor() {
    super();
    const path = tryToMake();
    if (path === null) throw new Error('no group could be made');
    this.group = path;
    chmodSync(this.root.path, 0o755);
    this.node = this.makeNode('nvidia0', 7);
    this.control = this.makeNode('nvidiactl', 5);
    this.root.env['TRANCHE_DOOR_CGROUP'] = path;
    this.root.env['TRANCHE_DOOR_DEVICES'] = DEVICES;
    this.root.env['TRANCHE_CGROUP_ROOT'] = path;
  }

  makeNode(name: string, minor: number): string {
    const path = join(this.root.path, name);
    spawnSync('mknod', ['-m', '666', path, 'c', '1', String(minor)]);
    return path;
  }

  /** A group below; its folder. */
  below(name: string): string {
    const path = join(this.group, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** As the hierarchy calls it, with a slash in front. */
  pathOf = (group: string): string => group.slice((mount ?? '').length);

  door(...args: readonly string[]): ReturnType<TestHost['tranche']> {
    return this.tranche(['door', ...args]);
  }

  /** To its end, in a group: that of the door, where nobody is let in, unless it is said. */
  in(command: readonly string[], group = this.group, env: NodeJS.ProcessEnv = process.env): Outcome {
    const done = spawnSync('/bin/sh', ['-c', ENTER, group, ...command], {
      encoding: 'utf8',
      timeout: COMMAND_MS,
      env: { ...env },
    });
    const text = done.stdout + done.stderr;
    return {
      status: done.status,
      text,
      isRefused: done.status !== 0 && text.includes('Operation not permitted'),
      isLetIn: done.status === 0 && text.includes('opened'),
    };
  }

  /** Opens the device; further words go before it. */
  open(
    group = this.group,
    before: readonly string[] = [],
    node = this.node,
    env: NodeJS.ProcessEnv = process.env,
  ): Outcome {
    return this.in([...before, '/bin/sh', '-c', 'true <"$0" && echo opened', node], group, env);
  }

  /** In the door's group, until the test ends it. */
  keepIn(command: readonly string[]): ChildProcess {
    const stdio: StdioOptions = ['pipe', 'pipe', 'inherit'];
    return this.keep(spawn('/bin/sh', ['-c', ENTER, this.group, ...command], { stdio }));
  }

  /** Takes the door away without asking the agent, as root can: by a command that knows of no agent. */
  takeAway(): ReturnType<TestHost['tranche']> {
    return this.tranche(['door', 'off'], {
      bin: trancheBin,
      env: { ...this.root.env, TRANCHE_ROOT: join(this.root.path, 'elsewhere') },
    });
  }

  /** door_tool.c: what root can do past the agent. `layout` is that of the maps that it knows; null: of now. */
  tool(layout: string | null, ...args: readonly string[]): SpawnSyncReturns<string> {
    const path = join(this.root.path, `door_tool${layout ?? ''}`);
    const include = ['agent/common', 'agent/door'].map((folder) => `-I${join(repo, folder)}`);
    const sources = ['bpf', 'door', 'program'].map((name) => join(repo, `agent/door/${name}.c`));
    const flags = ['-std=gnu11', '-D_GNU_SOURCE', ...(layout === null ? [] : [`-DDOOR_LAYOUT="${layout}"`])];
    const files = [join(repo, 'test/agent/door_tool.c'), ...sources, '-o', path];
    spawnSync('gcc', [...flags, ...include, ...files], { stdio: 'inherit' });
    return spawnSync(path, [this.group, ...args], { encoding: 'utf8' });
  }

  stateFile = (name: string): string => join(this.root.path, 'root', 'state', name);

  override async end(): Promise<void> {
    await super.end(async () => {
      writeFileSync(join(this.group, 'cgroup.kill'), '1');
      await until('the groups of the test to be empty', () => {
        try {
          removeGroup(this.group);
          return true;
        } catch {
          return false;
        }
      });
    });
  }
}

/** A line of a state file with its checksum (agent/src/base/sealed.h). */
export function sealed(object: Record<string, unknown>): string {
  const open = JSON.stringify(object).slice(0, -1);
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(open)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return `${open},"sum":"${hash.toString(16).padStart(16, '0')}"}\n`;
}

/** Lines that a program writes. */
export class Output {
  text = '';

  constructor(child: ChildProcess) {
    child.stdout?.on('data', (data: Buffer) => {
      this.text += data.toString('utf8');
    });
  }

  async has(what: string): Promise<void> {
    await until(`${what} in the output`, () => this.text.includes(what));
  }
}
