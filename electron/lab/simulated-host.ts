/** One simulated workstation of the demo lab: its private root, its GPUs, the programs that run on it. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createConnection, type Socket } from 'node:net';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { GIB } from '../../model/units.ts';

export interface SimulatedProgram {
  /** null: runs outside every slice, and shows as unmanaged. */
  readonly slice: string | null;
  readonly gpu: number;
  readonly args: readonly string[];
  readonly title: string;
}

export interface SimulatedSlice {
  readonly name: string;
  readonly gpu: number;
  readonly memoryLimitBytes: number;
  readonly computeLimitPercent: number;
  readonly owner: string;
}

export interface SimulatedHostPlan {
  readonly name: string;
  readonly gpus: readonly { readonly name: string; readonly bytes: number }[];
  readonly people: readonly string[];
  readonly slices: readonly SimulatedSlice[];
  readonly programs: readonly SimulatedProgram[];
}

/** The agent is deployed a moment after the desktop connects; a lab that nobody opens costs nothing. */
const AGENT_POLL_MS = 200;
const REQUEST_TIMEOUT_MS = 5_000;

export class SimulatedHost {
  readonly plan: SimulatedHostPlan;
  readonly root: string;
  private readonly simFolder: string;
  private readonly gpuUuids: readonly string[];

  /** `simFolder` holds the simulated libcuda.so.1, libnvidia-ml.so.1 and the workload. */
  constructor(plan: SimulatedHostPlan, labRoot: string, simFolder: string) {
    this.plan = plan;
    this.root = join(labRoot, plan.name);
    this.simFolder = simFolder;
    this.gpuUuids = plan.gpus.map(() => `GPU-${randomUUID()}`);
  }

  /** What every command on this host sees; nothing of the user's own environment but PATH. */
  get env(): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
      HOME: join(this.root, 'home'),
      USER: 'demo',
      SHELL: '/bin/sh',
      LANG: 'C.UTF-8',
      TRANCHE_ROOT: this.root,
      TRANCHE_DRIVER_DIR: this.simFolder,
      TRANCHE_SIM_DIR: join(this.root, 'sim'),
      LD_LIBRARY_PATH: this.simFolder,
    };
  }

  async prepare(): Promise<void> {
    await mkdir(join(this.root, 'home'), { recursive: true, mode: 0o700 });
    await mkdir(join(this.root, 'sim'), { mode: 0o700 });
    const gpus = this.plan.gpus.flatMap((gpu, index) => [
      `gpu${String(index)}.name = ${gpu.name}`,
      `gpu${String(index)}.memory = ${String(gpu.bytes)}`,
      `gpu${String(index)}.uuid = ${this.gpuUuids[index] ?? ''}`,
    ]);
    const config = ['clock = wall', `gpus = ${String(this.plan.gpus.length)}`, ...gpus, ''];
    await writeFile(join(this.root, 'sim/sim.conf'), config.join('\n'));
    const passwd = this.plan.people.map(
      (name, index) => `${name}:x:${String(2001 + index)}:2001::/home/${name}:/bin/bash`,
    );
    await writeFile(join(this.root, 'passwd'), `${passwd.join('\n')}\n`);
  }

  /** Waits for the agent to be deployed, makes the slices, starts the programs. Rejects with what went wrong. */
  async populate(): Promise<void> {
    const socketPath = join(this.root, 'agent.sock');
    let socket = await connectTo(socketPath);
    while (!socket) {
      await delay(AGENT_POLL_MS);
      socket = await connectTo(socketPath);
    }
    try {
      await this.createSlices(socket);
    } finally {
      socket.destroy();
    }
    const workload = join(this.simFolder, 'tranche-sim-workload');
    for (const program of this.plan.programs) {
      const command = [workload, ...program.args, '--process-title', program.title];
      const env = { ...this.env, CUDA_VISIBLE_DEVICES: String(program.gpu) };
      const [file, args] =
        program.slice === null
          ? [workload, command.slice(1)]
          : [join(this.root, 'bin/current/tranche'), ['run', '--slice', program.slice, '--', ...command]];
      spawn(file, args, { cwd: join(this.root, 'home'), env, stdio: 'ignore', detached: true }).unref();
    }
  }

  private async createSlices(socket: Socket): Promise<void> {
    const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
    let id = 0;
    const ask = async (fields: object): Promise<void> => {
      id += 1;
      socket.write(`${JSON.stringify({ id, ...fields })}\n`);
      for (;;) {
        const line = await lines.next();
        if (line.done === true) throw new Error('the agent closed its socket');
        const reply = JSON.parse(line.value) as Record<string, unknown>;
        if (reply['id'] !== id) continue;
        if (reply['ok'] === false) throw new Error(String(reply['message']));
        return;
      }
    };
    await ask({ op: 'hello', protocolMin: 1, protocolMax: 1, client: 'demo-lab' });
    for (const { gpu, ...fields } of this.plan.slices) {
      await ask({ op: 'slice-create', gpuUuid: this.gpuUuids[gpu], ...fields });
    }
  }
}

/** null while nobody listens there: the file appears a moment before the agent does. */
function connectTo(path: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.on('connect', () => {
      resolve(socket);
    });
    socket.on('error', () => {
      resolve(null);
    });
    socket.setTimeout(REQUEST_TIMEOUT_MS, () => socket.destroy(new Error('the agent did not answer')));
  });
}

/** What runs where: each state that a lab meets shows up once. */
export const LAB_PLAN: readonly SimulatedHostPlan[] = [
  {
    name: 'demo-hopper',
    gpus: [
      { name: 'Simulated H100 80GB', bytes: 80 * GIB },
      { name: 'Simulated RTX 4090', bytes: 24 * GIB },
    ],
    people: ['mira', 'tom', 'wei'],
    slices: [
      { name: 'resnet-sweep', gpu: 0, memoryLimitBytes: 32 * GIB, computeLimitPercent: 40, owner: 'mira' },
      { name: 'serve-7b', gpu: 0, memoryLimitBytes: 20 * GIB, computeLimitPercent: 30, owner: 'tom' },
      { name: 'nb-wei', gpu: 0, memoryLimitBytes: 8 * GIB, computeLimitPercent: 10, owner: 'wei' },
    ],
    programs: [
      {
        slice: 'resnet-sweep',
        gpu: 0,
        args: ['trainer', '--memory', String(24 * GIB)],
        title: 'python sweep.py --lr 3e-4',
      },
      {
        slice: 'serve-7b',
        gpu: 0,
        args: ['server', '--memory', String(15 * GIB)],
        title: 'vllm serve mistral-7b --port 8001',
      },
      {
        slice: 'nb-wei',
        gpu: 0,
        args: ['notebook', '--memory', String(1 * GIB)],
        title: 'python -m ipykernel_launcher',
      },
      { slice: null, gpu: 0, args: ['notebook', '--memory', String(2 * GIB)], title: 'python scratch.py' },
    ],
  },
  {
    name: 'demo-ada',
    gpus: [
      { name: 'Simulated RTX A6000', bytes: 48 * GIB },
      { name: 'Simulated RTX A6000', bytes: 48 * GIB },
    ],
    people: ['mira', 'tom', 'wei'],
    slices: [
      { name: 'nightly', gpu: 0, memoryLimitBytes: 24 * GIB, computeLimitPercent: 25, owner: 'tom' },
      { name: 'finetune', gpu: 0, memoryLimitBytes: 16 * GIB, computeLimitPercent: 60, owner: 'wei' },
    ],
    programs: [
      {
        slice: 'nightly',
        gpu: 0,
        args: ['greedy', '--memory', String(30 * GIB)],
        title: 'python train.py --config nightly.yaml',
      },
      {
        slice: 'finetune',
        gpu: 0,
        args: ['trainer', '--memory', String(12 * GIB)],
        title: 'python lora.py --rank 64',
      },
    ],
  },
];
