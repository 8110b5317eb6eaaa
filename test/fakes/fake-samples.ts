/** Readings that move the way real ones do: steps in memory, noise in GPU time, one slice that is throttled. */
import type { ProcessSample, Sample } from '../../model/sample.ts';
import type { Slice } from '../../model/slice.ts';
import type { History, HistoryPoint, HostSnapshot } from '../../model/model.ts';
import { GIB } from '../../model/units.ts';

const USE: Readonly<Record<string, number>> = {
  'resnet-sweep': 0.77,
  'serve-7b': 0.76,
  'nb-wei': 0.14,
  embed: 0.22,
  nightly: 0.905,
  finetune: 0.81,
};
const COMMANDS = [
  'python train.py --config nightly.yaml',
  'vllm serve mistral-7b --port 8001',
  'python lora.py --rank 64',
  'python -m ipykernel_launcher -f /home/wei/.local/share/jupyter/runtime/kernel-3f2a.json',
  '<img src=x onerror=alert(1)> \u202epy.daol',
];

/** What is said of a process that is in a slice and holds what was counted. */
export const IN_ITS_SLICE = {
  seenBy: null,
  reason: null,
  sinceMs: null,
  answer: null,
  answerWhy: null,
} as const;

/** Same input, same noise: pictures of two runs can be compared. */
function noise(seed: number): number {
  const x = Math.sin(seed * 12.9898) * 43758.5453;
  return x - Math.floor(x);
}
const hash = (text: string): number =>
  Array.from(text).reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 10007, 7);

const startedAtMs = Date.now();
const TENTHS = 10;
/** The sleeper stopped working this long ago: 3 h 12 min. */
const IDLE_MS = 11_520_000;

export class Meter {
  #seq = 0;

  #reading(slice: Slice, atMs: number): HistoryPoint {
    // Just made: nothing runs in it yet.
    if (slice.createdAtMs >= startedAtMs) {
      return {
        atMs,
        memoryUsedBytes: 0,
        computeTenths: 0,
        throttledTenths: 0,
        memoryLimitBytes: slice.memoryLimitBytes,
        computeLimitPercent: slice.computeLimitPercent,
      };
    }
    const step = Math.floor(atMs / 500);
    const seed = hash(slice.id);
    const share = USE[slice.name] ?? 0.2 + noise(seed) * 0.7;
    const grown = share * (0.9 + 0.1 * Math.min(1, Math.max(0, (atMs - startedAtMs + 600_000) / 600_000)));
    const memory = Math.floor(
      (slice.memoryLimitBytes * Math.round(grown * 40)) / 40 + noise(step + seed) * 0.05 * GIB,
    );
    const throttled = slice.name === 'nightly' && atMs > startedAtMs - 400_000;
    const busy = throttled
      ? 1
      : 0.35 + 0.6 * noise(step * 0.13 + seed) * (slice.name === 'nb-wei' ? 0.02 : 1);
    return {
      atMs,
      memoryUsedBytes: Math.min(memory, slice.memoryLimitBytes),
      computeTenths:
        slice.name === 'sleeper' && atMs > startedAtMs - IDLE_MS
          ? 0
          : Math.round(slice.computeLimitPercent * TENTHS * Math.min(1, busy)),
      throttledTenths: throttled ? 600 + Math.round(noise(step) * 40) : 0,
      memoryLimitBytes: atMs < startedAtMs - 300_000 ? slice.memoryLimitBytes * 0.8 : slice.memoryLimitBytes,
      computeLimitPercent: slice.computeLimitPercent,
    };
  }

  usedBytes(slice: Slice): number | null {
    return this.#reading(slice, Date.now()).memoryUsedBytes;
  }

  sample(host: HostSnapshot): Sample {
    const atMs = Date.now();
    this.#seq += 1;
    const readings = host.slices.map((slice) => ({ slice, point: this.#reading(slice, atMs) }));
    const processes = this.#processes(host, atMs);
    return {
      seq: Math.ceil(this.#seq / 8),
      atMs,
      gpus: host.gpus.map((gpu) => {
        const inside = readings.filter(({ slice }) => slice.gpuUuid === gpu.uuid);
        const unmanaged = gpu.index === 0 ? Math.floor(2.3 * GIB) : 0;
        const used = inside.reduce((sum, { point }) => sum + (point.memoryUsedBytes ?? 0), unmanaged);
        const busy = inside.reduce((sum, { point }) => sum + (point.computeTenths ?? 0) / TENTHS, 0);
        return {
          uuid: gpu.uuid,
          memoryUsedBytes: Math.min(gpu.capacityBytes, used),
          utilizationPercent: Math.min(100, Math.round(busy)),
          temperatureC: 34 + Math.round(Math.min(100, busy) * 0.4),
          powerMilliwatts: 22_000 + Math.round(Math.min(100, busy) * 3000),
          smClockMhz: 1755,
          slowedBy: 'nothing',
          eccErrors: gpu.name.includes('GeForce') ? null : 0,
          unmanagedBytes: unmanaged,
        };
      }),
      slices: readings.map(({ slice, point }) => ({
        id: slice.id,
        memoryUsedBytes: point.memoryUsedBytes,
        ledgerBytes: Math.max(0, (point.memoryUsedBytes ?? 0) - Math.floor(0.7 * GIB)),
        residueBytes: Math.min(point.memoryUsedBytes ?? 0, Math.floor(0.7 * GIB)),
        computeUsedTenths: point.computeTenths,
        throttledTenths: point.throttledTenths,
        heldBy: (point.throttledTenths ?? 0) > 0 ? 'own-limit' : 'nothing',
        deniedAllocations: slice.name === 'nightly' ? 1 : 0,
        deniedBytes: slice.name === 'nightly' ? 3 * GIB : null,
        deniedAtMs: slice.name === 'nightly' ? startedAtMs - 100_000 : null,
        limitHeld: true,
        processCount: slice.createdAtMs < startedAtMs ? 1 : 0,
        ungatedCount: slice.enforcement === 'gate' ? Number(slice.name === 'nb-wei') : null,
      })),
      processes,
      processesOmitted: 0,
    };
  }

  #processes(host: HostSnapshot, atMs: number): ProcessSample[] {
    const used = host.slices.filter((slice) => slice.createdAtMs < startedAtMs);
    const inSlices = used.map((slice, i): ProcessSample => {
      const point = this.#reading(slice, atMs);
      return {
        pid: 35_590 + i * 771,
        startTicks: String(81_234 + i),
        uid: 1000,
        user: slice.owner,
        command: COMMANDS[i % COMMANDS.length] ?? 'python',
        container: slice.name === 'serve-7b' ? 'docker 3f2a91c0b1de' : null,
        unit:
          slice.name === 'finetune'
            ? 'Slurm job 4711'
            : slice.name === 'nb-wei'
              ? 'jupyterhub.service'
              : null,
        sliceId: slice.id,
        gpuUuid: slice.gpuUuid,
        jobId: host.jobs?.jobs.find((j) => j.sliceId === slice.id && j.state === 'running')?.id ?? null,
        memoryUsedBytes: point.memoryUsedBytes,
        computeUsedTenths: point.computeTenths,
        throttledTenths: point.throttledTenths,
        gated: slice.enforcement === 'gate' ? slice.name !== 'nb-wei' : null,
        startedAtMs: startedAtMs - 2_900_000 * (i + 1),
        ...IN_ITS_SLICE,
      };
    });
    const first = host.gpus[0];
    if (first === undefined) return inSlices;
    return [
      ...inSlices,
      {
        pid: 2417,
        startTicks: '100',
        uid: 0,
        user: 'root',
        command: '/usr/lib/xorg/Xorg :0',
        container: null,
        unit: null,
        sliceId: null,
        gpuUuid: first.uuid,
        jobId: null,
        memoryUsedBytes: Math.floor(0.3 * GIB),
        computeUsedTenths: 0,
        throttledTenths: null,
        gated: null,
        startedAtMs: startedAtMs - 800_000_000,
        seenBy: 'driver',
        reason: 'outside',
        sinceMs: startedAtMs - 700_000_000,
        answer: 'reported',
        answerWhy: null,
      },
    ];
  }

  history(host: HostSnapshot, subject: string, fromMs: number, toMs: number): History {
    const tierMs = toMs - fromMs <= 900_000 ? 1000 : toMs - fromMs <= 3_600_000 ? 15_000 : 120_000;
    const slice = host.slices.find((s) => s.id === subject);
    const points: HistoryPoint[] = [];
    // A gap, as after a reconnect: never bridged.
    const gapFrom = toMs - 420_000;
    for (let atMs = Math.ceil(fromMs / tierMs) * tierMs; atMs <= toMs; atMs += tierMs) {
      if (atMs > gapFrom && atMs < gapFrom + 32_000) continue;
      points.push(slice === undefined ? this.#gpuPoint(host, subject, atMs) : this.#reading(slice, atMs));
    }
    return { tierMs, points };
  }

  #gpuPoint(host: HostSnapshot, uuid: string, atMs: number): HistoryPoint {
    const inside = host.slices.filter((s) => s.gpuUuid === uuid).map((s) => this.#reading(s, atMs));
    const sum = (read: (p: HistoryPoint) => number | null): number =>
      inside.reduce((all, p) => all + (read(p) ?? 0), 0);
    return {
      atMs,
      memoryUsedBytes: sum((p) => p.memoryUsedBytes),
      computeTenths: Math.min(
        1000,
        sum((p) => p.computeTenths),
      ),
      throttledTenths: null,
      memoryLimitBytes: null,
      computeLimitPercent: null,
    };
  }
}
