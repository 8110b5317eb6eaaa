/** An agent that is a script: the real line protocol with invented figures, for fleets that no machine here could run. */
import type { Duplex } from 'node:stream';

const GIB = 1024 ** 3;
const CAPACITY_BYTES = 80 * GIB;
const HISTORY_POINTS = 300;

export interface FleetShape {
  readonly gpus: number;
  readonly slicesPerGpu: number;
  /** Samples come no faster than this, whatever is asked for. */
  readonly periodMs: number;
}

/** The first slice's use counts the samples, in steps that the screen shows, so that one can be found again there. */
export const SEQ_CYCLE = 80;
export const seqShownBytes = (seq: number): number => Math.round(((seq % SEQ_CYCLE) * GIB) / 10);

type Line = Readonly<Record<string, unknown>>;

function makeState(name: string, shape: FleetShape) {
  const gpus = Array.from({ length: shape.gpus }, (_, index) => ({
    uuid: `GPU-${name}-${String(index)}`,
    index,
    name: 'NVIDIA H100 80GB HBM3',
    capacityBytes: CAPACITY_BYTES,
    simulated: true,
    computeMode: 'default',
    migEnabled: false,
  }));
  const slices = gpus.flatMap(({ uuid, index }) =>
    Array.from({ length: shape.slicesPerGpu }, (_, n) => ({
      id: `s-${name}-${String(index)}-${String(n)}`,
      name: `job-${String(index)}-${String(n)}`,
      gpuUuid: uuid,
      memoryLimitBytes: Math.floor(CAPACITY_BYTES / shape.slicesPerGpu),
      pendingMemoryLimitBytes: null,
      computeLimitPercent: Math.floor(100 / shape.slicesPerGpu),
      computeGuaranteePercent: 0,
      priority: 'normal',
      owner: `user${String(n)}`,
      ownerUid: 1000 + n,
      createdAtMs: 1,
      startsAtMs: null,
      expiresAtMs: null,
      revision: 1,
    })),
  );
  const people = Array.from({ length: shape.slicesPerGpu }, (_, n) => ({
    name: `user${String(n)}`,
    uid: 1000 + n,
    source: 'slice',
  }));
  return {
    ev: 'state',
    revision: 1,
    memoryOvercommitMaxPercent: null,
    quotas: [],
    faults: [],
    migSlices: [],
    gpus,
    slices,
    people,
  };
}

export class ScriptedAgent {
  private readonly shape: FleetShape;
  private readonly name: string;
  private readonly state: ReturnType<typeof makeState>;
  private seq = 0;
  /** Samples that went out, over all channels. */
  sent = 0;
  /** When each of the newest samples was written, by its number, in ms of this machine's clock. */
  readonly writtenAtMs = new Map<number, number>();

  constructor(name: string, shape: FleetShape) {
    this.name = name;
    this.shape = shape;
    this.state = makeState(name, shape);
  }

  /** Speaks on a channel until it ends. */
  attach(channel: Duplex, nonce: string): void {
    let timer: NodeJS.Timeout | undefined;
    let rest = '';
    // Latest-wins, as the real agent: who does not read misses samples.
    let full = false;
    const say = (line: Line) => {
      full = !channel.write(`${JSON.stringify(line)}\n`);
    };
    channel.on('drain', () => {
      full = false;
    });
    channel.on('close', () => {
      clearInterval(timer);
    });
    channel.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      for (const text of lines) {
        const request = JSON.parse(text) as Line;
        if (request['op'] === 'subscribe') {
          clearInterval(timer);
          const period = Math.max(this.shape.periodMs, Number(request['sampleIntervalMs']));
          timer = setInterval(() => {
            if (full) return;
            this.sent += 1;
            const line = this.sample();
            this.writtenAtMs.set(this.seq, Date.now());
            this.writtenAtMs.delete(this.seq - SEQ_CYCLE);
            say(line);
          }, period);
        }
        for (const line of this.answer(request)) say(line);
      }
    });
    channel.write(`TRANCHE-ATTACH ${nonce}\n`);
  }

  private answer(request: Line): readonly Line[] {
    const { id, op } = request;
    switch (op) {
      case 'hello':
        return [{ id, ok: true, ...this.hello() }];
      case 'subscribe':
        this.sent += 1;
        return [{ id, ok: true }, this.state, this.sample()];
      case 'unsubscribe':
        return [{ id, ok: true }];
      case 'history':
        return [this.history(request), { id, ok: true, points: HISTORY_POINTS }];
      default:
        return [
          { id, ok: false, code: 'not-permitted', message: `A scripted host does not do “${String(op)}”.` },
        ];
    }
  }

  private hello(): Line {
    return {
      protocol: 1,
      agentVersion: '0.1.0',
      regionAbi: 3,
      arch: 'x86_64',
      hostName: this.name,
      machineId: this.name,
      bootId: 'boot',
      scope: 'system',
      managerUid: 0,
      managerName: 'root',
      yourUid: 1000,
      yourName: 'user0',
      operator: true,
      driver: '580.00.00',
      gpuNote: null,
      simulated: true,
      runtimeDir: '/run/tranche',
      shimPath: null,
    };
  }

  /** Every figure moves with every sample: nothing can be left undrawn because it is the same. */
  private sample(): Line {
    const { gpus, slices } = this.state;
    const seq = (this.seq += 1);
    const wave = (salt: number, most: number) => Math.floor((most / 2) * (1 + Math.sin(seq / 7 + salt)));
    return {
      ev: 'sample',
      seq,
      atMs: Date.now(),
      gpus: gpus.map(({ uuid, index }) => ({
        uuid,
        memoryUsedBytes: wave(index, CAPACITY_BYTES),
        utilizationPercent: wave(index, 100),
        temperatureC: 40 + wave(index, 40),
        powerMilliwatts: wave(index, 700_000),
        smClockMhz: 1755,
        eccErrors: 0,
        unmanagedBytes: 0,
      })),
      slices: slices.map(({ id, memoryLimitBytes }, n) => ({
        id,
        memoryUsedBytes: n === 0 ? seqShownBytes(seq) : wave(n, memoryLimitBytes),
        ledgerBytes: n === 0 ? seqShownBytes(seq) : wave(n, memoryLimitBytes),
        residueBytes: 0,
        computeUsedTenths: wave(n, 125),
        throttledTenths: wave(n + 1, 500),
        deniedAllocations: 0,
        deniedBytes: 0,
        deniedAtMs: null,
        limitHeld: true,
        processCount: 1,
      })),
      processes: slices.map(({ id, gpuUuid, owner, ownerUid, memoryLimitBytes }, n) => ({
        pid: 10_000 + n,
        startTicks: String(100_000 + n),
        uid: ownerUid,
        user: owner,
        command: `python train.py --run ${String(n)}`,
        container: null,
        unit: null,
        sliceId: id,
        gpuUuid,
        memoryUsedBytes: wave(n, memoryLimitBytes),
        computeUsedTenths: wave(n, 125),
        throttledTenths: wave(n + 1, 500),
        startedAtMs: 1,
      })),
      processesOmitted: 0,
    };
  }

  private history({ id, gpuUuid, sliceId, toMs }: Line): Line {
    const steps = Array.from({ length: HISTORY_POINTS }, (_, n) => n);
    const last = Math.floor(Number(toMs) / 1000) * 1000;
    return {
      ev: 'history',
      id,
      ...(typeof sliceId === 'string' ? { sliceId } : { gpuUuid }),
      tierMs: 1000,
      atMs: steps.map((n) => last - (HISTORY_POINTS - n) * 1000),
      memoryUsedBytes: steps.map((n) => (n % 60) * GIB),
      computeTenths: steps.map((n) => (n * 7) % 1000),
      throttledTenths: steps.map((n) => (n * 3) % 500),
      memoryLimitBytes: steps.map(() => CAPACITY_BYTES),
      computeLimitPercent: steps.map(() => 100),
      last: true,
    };
  }
}
