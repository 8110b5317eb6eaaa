/**
 * A host for tests of the limit that a driver keeps itself: real groups, a real agent, the simulated driver as of 615, and
 * programs without any library of ours, so that nothing but the driver refuses them.
 */
import { execFileSync, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import {
  Client,
  endAllIn,
  GIB,
  GPU0,
  hasShim,
  hasSim,
  repo,
  TestHost,
  until,
  type Root,
} from './agent_process.ts';
import { CgroupRoot, noGroups } from './cgroup_root.ts';
import { stateWith, type State } from './events.ts';

export const NO_LIMIT = '18446744073709551615';
export const OUT_OF_MEMORY = 2;
/** Why tests with it are skipped here; null: they are not. */
export const noLimits = noGroups ?? (hasSim && hasShim ? null : 'not built');

export const hasKernel = (state: State): boolean =>
  state.slices.every(({ enforcement }) => enforcement === 'kernel');
export const standing = (state: State): string | null | undefined => state.backends?.[0]?.kernelLimit;

interface Limits {
  readonly result: number;
  readonly soft: string;
  readonly hard: string;
  readonly used: number;
}
interface Open {
  readonly client: Client;
  readonly id: string;
}
interface Taker {
  readonly child: ChildProcess;
  /** The result, what it got, what it was told of total and free memory. */
  readonly said: () => Promise<readonly number[]>;
}

/** group_limits.c, built for one file of tests. */
export class LimitsTool {
  readonly #folder = mkdtempSync(join(tmpdir(), 'tranche-limits-'));
  readonly path = join(this.#folder, 'group-limits');

  constructor() {
    chmodSync(this.#folder, 0o755);
    const source = join(import.meta.dirname, 'group_limits.c');
    execFileSync('gcc', [`-I${join(repo, 'agent/vendor')}`, '-o', this.path, source, '-ldl']);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export class LimitsHost {
  readonly host = new TestHost();
  readonly root: Root = this.host.root;
  readonly groups = new CgroupRoot();
  readonly #tool: string;

  constructor(tool: LimitsTool) {
    this.#tool = tool.path;
    this.root.env['TRANCHE_CGROUP_ROOT'] = this.groups.path;
    this.configure();
  }

  /** The simulated machine; before its driver is used first. */
  configure(...lines: readonly string[]): void {
    const all = ['memory_limits = 1', 'driver = 615.71', ...lines, ''];
    writeFileSync(join(this.root.path, 'sim.conf'), all.join('\n'));
  }

  /** A file beside sim.conf that bends the driver. */
  bend(name: string): void {
    writeFileSync(join(this.root.path, name), '');
  }

  straighten(name: string): void {
    rmSync(join(this.root.path, name));
  }

  #say(...args: readonly string[]): string {
    return execFileSync(this.#tool, args, { env: this.root.env, encoding: 'utf8' }).trim();
  }

  /** As root sees (and sets) them at the driver. */
  limits(id: string, gpu = GPU0, set: readonly string[] = []): Limits {
    const [result, soft = '', hard = '', used] = this.#say(
      'limits',
      gpu,
      this.groups.scope(id),
      ...set,
    ).split(' ');
    return { result: Number(result), soft, hard, used: Number(used) };
  }

  /** Groups that are gone and still reserve memory. */
  stale = (): number => Number(this.#say('stale'));

  /** Another client of the agent that runs, told of all. */
  async watch(): Promise<Client> {
    const client = await Client.open(this.root);
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    return client;
  }

  /** An agent, with the slice `one` of 1 GiB on GPU 0. */
  async open(): Promise<Open> {
    await this.host.start();
    const client = await this.watch();
    const reply = await client.create({ memoryLimitBytes: GIB });
    expect(reply).toMatchObject({ ok: true });
    return { client, id: String(reply['sliceId']) };
  }

  /** The same, once the driver was proved and keeps the slice's limit. */
  async openHard(): Promise<Open> {
    const opened = await this.open();
    await stateWith(opened.client, 'the driver to keep it', (s) => s.slices.length === 1 && hasKernel(s));
    return opened;
  }

  /** A program in a slice that nothing of ours is loaded into. */
  take(
    slice: string,
    bytes: number,
    kind: 'take' | 'managed' = 'take',
    before: readonly string[] = [],
  ): Taker {
    const { child, text, errors } = this.runTool(slice, [kind, String(bytes)], before);
    return {
      child,
      said: async () => {
        await until('the program to have taken it', () => {
          if (errors() !== '') throw new Error(errors());
          return text().includes('\n');
        });
        return text().trim().split(' ').map(Number);
      },
    };
  }

  runTool(slice: string, args: readonly string[], before: readonly string[] = []) {
    let text = '';
    let errors = '';
    const program = ['env', '-u', 'LD_PRELOAD', ...before, this.#tool, ...args];
    const child = this.host.run(slice, program, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout?.setEncoding('utf8').on('data', (more: string) => (text += more));
    child.stderr?.setEncoding('utf8').on('data', (more: string) => (errors += more));
    return { child, text: () => text, errors: () => errors };
  }

  async end(): Promise<void> {
    try {
      await this.host.end(() => endAllIn(this.root));
    } finally {
      await this.groups.end();
    }
  }
}
