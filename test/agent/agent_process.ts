/** Starts a real agent in a private root and talks to it as a client would. */
import {
  spawn,
  spawnSync,
  type ChildProcess,
  type SpawnSyncOptions,
  type SpawnSyncReturns,
  type StdioOptions,
} from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const repo = join(import.meta.dirname, '../..');
export const binDir = join(repo, 'build/agent/x86_64');
export const trancheBin = join(binDir, 'tranche');
export const simDir = join(binDir, 'sim');
export const workload = join(simDir, 'tranche-sim-workload');
export const hasSim = existsSync(join(simDir, 'libnvidia-ml.so.1'));
export const hasShim = existsSync(join(binDir, 'libtranche.so'));
export const isRoot = process.getuid?.() === 0;
/** Two other users of every Debian. */
export const DAEMON = 1;
export const NOBODY = 65534;
export const GPU0 = 'GPU-51000000-0000-4000-8000-000000000000';
export const GPU1 = 'GPU-51000000-0000-4000-8000-000000000001';
export const GIB = 1024 ** 3;

const WAIT_MS = 10_000;
/** For one command to its end; a supervisor's start is one. */
const COMMAND_MS = 20_000;

export type Line = Record<string, unknown>;

/** Resolves when `check` gives something, asked again at each `wake`; rejects with `what` after 10 s. */
export async function until<T>(
  what: string,
  check: () => T | undefined | null | false,
  limitMs = WAIT_MS,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const found = check();
    if (found !== undefined && found !== null && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`waited ${limitMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export interface Root {
  readonly path: string;
  readonly env: NodeJS.ProcessEnv;
  remove(): void;
}

export function makeRoot(options: { sim?: boolean } = {}): Root {
  const path = mkdtempSync(join(tmpdir(), 'tranche-test-'));
  const env: NodeJS.ProcessEnv = {
    PATH: process.env['PATH'],
    HOME: path,
    TRANCHE_ROOT: join(path, 'root'),
  };
  if (options.sim !== false && hasSim) {
    env['TRANCHE_DRIVER_DIR'] = simDir;
    env['TRANCHE_SIM_DIR'] = path;
  }
  return { path, env, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export interface RunningAgent {
  readonly child: ChildProcess;
  readonly log: () => string;
  readonly ended: Promise<number | NodeJS.Signals>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** The group of the same number: nobody's but his. */
const asUser = (uid: number | undefined): { uid?: number; gid?: number } =>
  uid === undefined ? {} : { uid, gid: uid };

/** Runs `tranche agent --foreground` until it listens (or ends). */
export async function startAgent(
  root: Root,
  options: { shell?: string; uid?: number; bin?: string } = {},
): Promise<RunningAgent> {
  const bin = options.bin ?? trancheBin;
  const [command, args] = options.shell
    ? ['/bin/sh', ['-c', `${options.shell}; exec "$0" agent --foreground`, bin]]
    : [bin, ['agent', '--foreground']];
  const child = spawn(command, args, {
    env: root.env,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...asUser(options.uid),
  });
  let log = '';
  let over = false;
  child.stderr?.on('data', (data: Buffer) => {
    log += data.toString('utf8');
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on('exit', (code, signal) => {
      over = true;
      resolve(code ?? signal ?? -1);
    });
  });
  await until('the agent to listen', () => over || log.includes(' listens on '));
  return {
    child,
    log: () => log,
    ended,
    stop: async (signal = 'SIGTERM') => {
      if (!over) child.kill(signal);
      await ended;
    },
  };
}

export const hasEnded = (child: ChildProcess): boolean =>
  child.exitCode !== null || child.signalCode !== null;

/** Which tranche runs, and as whom: ours and as us, unless it says so. */
interface As {
  readonly bin?: string;
  readonly uid?: number;
}

/** What one test starts: a root with the simulated driver, agents over it, programs. Made before it, ended after it. */
export class TestHost {
  readonly root: Root;
  readonly #agents: RunningAgent[] = [];
  readonly #children: ChildProcess[] = [];

  /** sim: false is a host without a driver. */
  constructor(options: { readonly sim?: boolean } = {}) {
    this.root = makeRoot(options);
    if (options.sim !== false) this.root.env['LD_LIBRARY_PATH'] = simDir;
  }

  /** Who lives there besides the machine's own users, and the lines of their groups. Before the agent starts. */
  people(uids: Readonly<Record<string, number>>, groups: readonly string[] = []): void {
    const folder = join(this.root.path, 'root');
    const lines = (all: readonly string[]): string => all.map((line) => `${line}\n`).join('');
    const people = Object.entries(uids).map(([name, uid]) => `${name}:x:${uid}:${uid}::/:/bin/sh`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, 'passwd'), lines(people));
    writeFileSync(join(folder, 'group'), lines(groups));
  }

  /** Copies of all programs and of the driver that other users reach too; says where one is. Before the agent starts. */
  openToOthers(): (name: string) => string {
    const { path, env } = this.root;
    const [bin, sim] = [join(path, 'bin'), join(path, 'sim')];
    for (const folder of [bin, sim]) mkdirSync(folder);
    chmodSync(sim, 0o777);
    for (const file of ['tranche', 'libtranche.so']) copyFileSync(join(binDir, file), join(bin, file));
    for (const file of ['libcuda.so.1', 'libnvidia-ml.so.1', 'tranche-sim-workload'])
      copyFileSync(join(simDir, file), join(bin, file));
    chmodSync(path, 0o755);
    env['LD_LIBRARY_PATH'] = env['TRANCHE_DRIVER_DIR'] = bin;
    env['TRANCHE_SIM_DIR'] = sim;
    return (name) => join(bin, name);
  }

  async start(options: Parameters<typeof startAgent>[1] = {}): Promise<RunningAgent> {
    const agent = await startAgent(this.root, options);
    this.#agents.push(agent);
    return agent;
  }

  /** The agent that was started last. */
  get agent(): RunningAgent | undefined {
    return this.#agents.at(-1);
  }

  /** One command, to its end. */
  tranche(
    args: readonly string[],
    { bin = trancheBin, uid, ...options }: As & Pick<SpawnSyncOptions, 'cwd' | 'env' | 'input'> = {},
  ): SpawnSyncReturns<string> {
    const bounds = { env: this.root.env, encoding: 'utf8', timeout: COMMAND_MS } as const;
    return spawnSync(bin, args, { ...bounds, ...asUser(uid), ...options });
  }

  /** A program in a slice, which ends with the test at the latest. */
  run(
    slice: string,
    program: readonly string[],
    {
      bin = trancheBin,
      uid,
      env,
      stdio = 'ignore',
      options = [],
    }: As & { env?: NodeJS.ProcessEnv; stdio?: StdioOptions; options?: readonly string[] } = {},
  ): ChildProcess {
    const args = ['run', '--slice', slice, ...options, '--', ...program];
    return this.keep(spawn(bin, args, { env: { ...this.root.env, ...env }, stdio, ...asUser(uid) }));
  }

  /** A program that ends with the test at the latest. */
  keep<T extends ChildProcess>(child: T): T {
    this.#children.push(child);
    return child;
  }

  /** Programs first: what they leave is the agent's to tidy. `others` ends what a test knows of besides. */
  async end(others: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    await until('the programs of the test to end', () => this.#children.every(hasEnded));
    for (const agent of this.#agents) await agent.stop('SIGKILL');
    await others();
    await endAllIn(this.root); // a command that found no agent has started one
    this.root.remove();
  }
}

export class Client {
  readonly lines: Line[] = [];
  readonly socket: Socket;
  closed = false;
  #rest = '';
  #nextId = 1000;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (data: string) => {
      const parts = (this.#rest + data).split('\n');
      this.#rest = parts.pop() ?? '';
      for (const part of parts) this.lines.push(JSON.parse(part) as Line);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
    });
  }

  static async open(root: Root): Promise<Client> {
    const socket = connect(join(root.env['TRANCHE_ROOT'] ?? '', 'agent.sock'));
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new Client(socket);
  }

  /** Sends a line as it is and returns the next reply. */
  async raw(text: string): Promise<Line> {
    const before = this.lines.filter((line) => 'ok' in line).length;
    this.socket.write(`${text}\n`);
    return until(`a reply to ${text.slice(0, 80)}`, () => {
      const replies = this.lines.filter((line) => 'ok' in line);
      if (replies.length > before) return replies[before];
      if (this.closed) throw new Error('the connection ended');
      return null;
    });
  }

  async ask(op: string, fields: Line = {}): Promise<Line> {
    const id = this.#nextId++;
    this.socket.write(`${JSON.stringify({ id, op, ...fields })}\n`);
    return until(`the reply to ${op}`, () => {
      const reply = this.lines.find((line) => line['id'] === id && 'ok' in line);
      if (!reply && this.closed) throw new Error(`the connection ended before the reply to ${op}`);
      return reply;
    });
  }

  /** A slice of 4 GiB and half of GPU 0, called "one", where the fields say nothing else. The reply may be a refusal. */
  create(fields: Line = {}): Promise<Line> {
    const usual = { gpuUuid: GPU0, memoryLimitBytes: 4 * GIB, computeLimitPercent: 50, name: 'one' };
    return this.ask('slice-create', { ...usual, ...fields });
  }

  async event(ev: string, check: (line: Line) => boolean = () => true): Promise<Line> {
    return until(`an event ${ev}`, () => this.lines.find((line) => line['ev'] === ev && check(line)));
  }

  close(): void {
    this.socket.destroy();
  }
}

/** `tranche attach` as the desktop has it, answering what it answers itself. */
export class AttachedProcess {
  readonly lines: Line[] = [];
  readonly child: ChildProcess;
  /** Called for each line as it comes. */
  onLine: (line: Line) => void = () => undefined;
  #rest = '';
  #id = 1;

  constructor(
    root: Root,
    [command = '', ...args]: readonly string[] = [trancheBin, 'attach', 'x'],
    ids: { readonly uid?: number; readonly gid?: number } = {},
  ) {
    this.child = spawn(command, args, { env: root.env, stdio: ['pipe', 'pipe', 'ignore'], ...ids });
    this.child.stdin?.on('error', () => undefined); // it was ended: the answer does not come, and says so
    this.child.stdout?.setEncoding('utf8');
    this.child.stdout?.on('data', (text: string) => {
      const parts = (this.#rest + text).split('\n');
      this.#rest = parts.pop() ?? '';
      for (const part of parts) {
        if (!part.startsWith('{')) continue;
        const line = JSON.parse(part) as Line;
        this.lines.push(line);
        this.onLine(line);
      }
    });
  }

  /** Without waiting for its answer; returns its id. */
  send(op: string, fields: Line = {}): number {
    const id = this.#id++;
    this.child.stdin?.write(`${JSON.stringify({ id, op, ...fields })}\n`);
    return id;
  }

  async ask(op: string, fields: Line = {}): Promise<Line> {
    const id = this.send(op, fields);
    return until(`the answer to ${op}`, () => this.lines.find((line) => line['id'] === id));
  }
}

/** Everything that a test left running has its private root in its environment. */
export function livingIn(root: Root): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(
          `TRANCHE_ROOT=${root.env['TRANCHE_ROOT'] ?? '?'}`,
        );
      } catch {
        return false; // it has just ended, or is not ours to read
      }
    })
    .map(Number);
}

export async function endAllIn(root: Root): Promise<void> {
  await until('everything of the test to end', () => {
    const living = livingIn(root);
    for (const pid of living) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // it has ended by itself
      }
    }
    return living.length === 0;
  });
}

export interface SliceRow {
  id: string;
  name: string;
  memoryLimitBytes: number;
  pendingMemoryLimitBytes: number | null;
  owner: string;
  revision: number;
}

/** The slices as a fresh connection sees them. */
export async function slicesOf(root: Root): Promise<SliceRow[]> {
  const client = await Client.open(root);
  await client.ask('subscribe', { sampleIntervalMs: 60000 });
  const state = await client.event('state');
  client.close();
  return state['slices'] as SliceRow[];
}

export const goldenLines = (name: string): Line[] =>
  readFileSync(join(repo, 'model/golden', name), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
