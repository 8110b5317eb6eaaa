/** Sums over a host, for its row, its heading and its inspector. Pure; unknown stays null. */
import type { Gpu, GpuSample, HostSnapshot, Sample, Slice, SliceSample } from '../../../model/model.ts';
import { layoutBar } from '../gpus/bar-layout.ts';
import type { BarLayout } from '../gpus/bar-layout.ts';

export interface GpuView {
  readonly gpu: Gpu;
  readonly slices: readonly Slice[];
  readonly sample: GpuSample | null;
  readonly layout: BarLayout;
}

/** Oldest first; equal times by id, so that the order never depends on the sender's. */
export function slicesOf(host: HostSnapshot, gpuUuid: string): readonly Slice[] {
  return host.slices
    .filter((slice) => slice.gpuUuid === gpuUuid)
    .sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
}

export const gpuSample = (sample: Sample | null, uuid: string): GpuSample | null =>
  sample?.gpus.find((gpu) => gpu.uuid === uuid) ?? null;
export const sliceSample = (sample: Sample | null, id: string): SliceSample | null =>
  sample?.slices.find((slice) => slice.id === id) ?? null;

export function gpuView(host: HostSnapshot, gpu: Gpu, sample: Sample | null): GpuView {
  const slices = slicesOf(host, gpu.uuid);
  const reading = gpuSample(sample, gpu.uuid);
  const layout = layoutBar(
    gpu.capacityBytes,
    reading?.unmanagedBytes ?? 0,
    slices.map((slice) => ({ id: slice.id, limitBytes: slice.memoryLimitBytes })),
  );
  return { gpu, slices, sample: reading, layout };
}

export interface Mini {
  readonly key: string;
  readonly capacityBytes: number;
  readonly limitShare: number;
  readonly usedShare: number;
}
export interface HostFigures {
  readonly freeBytes: number | null;
  readonly capacityBytes: number;
  readonly minis: readonly Mini[];
}

const share = (part: number, whole: number): number => Math.max(0, Math.min(1, whole > 0 ? part / whole : 0));

export function hostFigures(host: HostSnapshot, sample: Sample | null): HostFigures {
  if (host.connection.kind === 'preview' && host.gpus.length === 0) {
    const gpus = host.connection.gpus.filter((gpu) => gpu.capacityBytes !== null);
    const known = gpus.length > 0 && gpus.every((gpu) => gpu.memoryUsedBytes !== null);
    const capacityBytes = gpus.reduce((sum, gpu) => sum + (gpu.capacityBytes ?? 0), 0);
    return {
      capacityBytes,
      freeBytes: known
        ? capacityBytes - gpus.reduce((sum, gpu) => sum + (gpu.memoryUsedBytes ?? 0), 0)
        : null,
      minis: gpus.map((gpu) => ({
        key: gpu.uuid,
        capacityBytes: gpu.capacityBytes ?? 0,
        limitShare: 0,
        usedShare: share(gpu.memoryUsedBytes ?? 0, gpu.capacityBytes ?? 0),
      })),
    };
  }
  const views = host.gpus.map((gpu) => gpuView(host, gpu, sample));
  return {
    capacityBytes: host.gpus.reduce((sum, gpu) => sum + gpu.capacityBytes, 0),
    freeBytes: views.length === 0 ? null : views.reduce((sum, view) => sum + view.layout.free, 0),
    minis: views.map(({ gpu, layout, sample: reading }) => ({
      key: gpu.uuid,
      capacityBytes: gpu.capacityBytes,
      limitShare: share(
        layout.unmanagedBytes + layout.segments.reduce((sum, s) => sum + s.limitBytes, 0),
        gpu.capacityBytes,
      ),
      usedShare: share(reading?.memoryUsedBytes ?? 0, gpu.capacityBytes),
    })),
  };
}

/** Whether this user may change slices here, and if not, why: said on every disabled control. */
export function editRefusal(host: HostSnapshot): string | null {
  const { connection } = host;
  if (connection.kind === 'live') {
    return connection.agent.operator
      ? null
      : `Only ${connection.agent.managerName} and the operators they named change slices on ${host.name}.`;
  }
  if (connection.kind === 'stale') return `${host.name} has not answered for a while.`;
  return `${host.name} is not connected.`;
}

/** The same for a slice on this GPU: one in MIG mode is cut by the hardware, and not by us. */
export const cutRefusal = (host: HostSnapshot, gpu: Gpu): string | null =>
  editRefusal(host) ??
  (gpu.migEnabled === true ? 'This GPU is in MIG mode: slices are not cut from it.' : null);
