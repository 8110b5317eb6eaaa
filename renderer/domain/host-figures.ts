/** Sums over a host, for its row, its heading and its inspector. Pure; unknown stays null. */
import { gpuCan } from '../../model/backends.ts';
import type { Gpu } from '../../model/gpu.ts';
import type { GpuSample, Sample } from '../../model/sample.ts';
import type { Slice, SliceSample } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { layoutBar } from './bar-layout.ts';
import type { BarLayout } from './bar-layout.ts';
import { editRefusal } from './rights.ts';

export interface GpuView {
  readonly gpu: Gpu;
  readonly slices: readonly Slice[];
  readonly sample: GpuSample | null;
  readonly layout: BarLayout;
}

/**
 * Snapshots and samples never change, only new ones come; rows, cards, headings and sums of one moment all ask for the
 * same. So each answer is kept as long as what it was worked out from.
 */
const ordered = new WeakMap<HostSnapshot, ReadonlyMap<string, readonly Slice[]>>();
const readings = new WeakMap<Sample, ReadonlyMap<string, SliceSample>>();
const views = new WeakMap<HostSnapshot, { readonly of: Sample | null; readonly known: Map<Gpu, GpuView> }>();
const NO_SLICES: readonly Slice[] = [];

function orderOf(host: HostSnapshot): ReadonlyMap<string, readonly Slice[]> {
  const groups = new Map<string, Slice[]>();
  for (const slice of host.slices) {
    const group = groups.get(slice.gpuUuid);
    if (group === undefined) groups.set(slice.gpuUuid, [slice]);
    else group.push(slice);
  }
  for (const group of groups.values())
    group.sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
  ordered.set(host, groups);
  return groups;
}

/** Oldest first; equal times by id, so that the order never depends on the sender's. */
export const slicesOf = (host: HostSnapshot, gpuUuid: string): readonly Slice[] =>
  (ordered.get(host) ?? orderOf(host)).get(gpuUuid) ?? NO_SLICES;

export const gpuSample = (sample: Sample | null, uuid: string): GpuSample | null =>
  sample?.gpus.find((gpu) => gpu.uuid === uuid) ?? null;

export function sliceSample(sample: Sample | null, id: string): SliceSample | null {
  if (sample === null) return null;
  let known = readings.get(sample);
  if (known === undefined) {
    known = new Map(sample.slices.map((slice) => [slice.id, slice]));
    readings.set(sample, known);
  }
  return known.get(id) ?? null;
}

function viewOf(host: HostSnapshot, gpu: Gpu, sample: Sample | null): GpuView {
  const slices = slicesOf(host, gpu.uuid);
  const reading = gpuSample(sample, gpu.uuid);
  const layout = layoutBar(
    gpu.capacityBytes,
    reading?.unmanagedBytes ?? 0,
    slices.map((slice) => ({ id: slice.id, limitBytes: slice.memoryLimitBytes })),
  );
  return { gpu, slices, sample: reading, layout };
}

export function gpuView(host: HostSnapshot, gpu: Gpu, sample: Sample | null): GpuView {
  let kept = views.get(host);
  if (kept === undefined || kept.of !== sample) {
    kept = { of: sample, known: new Map() };
    views.set(host, kept);
  }
  const view = kept.known.get(gpu) ?? viewOf(host, gpu, sample);
  kept.known.set(gpu, view);
  return view;
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

/** Why this GPU itself is not cut into slices; null: it is. */
const uncut = (gpu: Gpu): string | null =>
  !gpuCan(gpu, 'limit-memory')
    ? `Tranche reads this GPU of ${gpu.backend.vendor} and cannot limit programs there: slices are not cut from it.`
    : gpu.partitioned === true
      ? `This GPU is cut by the hardware${gpu.backend.partitions === null ? '' : ` (${gpu.backend.partitions})`}: slices are not cut from it.`
      : null;

/** Whether slices may be cut from this GPU, and if not, why. */
export const cutRefusal = (host: HostSnapshot, gpu: Gpu): string | null => editRefusal(host) ?? uncut(gpu);
