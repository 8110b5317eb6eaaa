/** Slices of one host or of all as rows: allocated beside used. Pure; unknown stays null. */
import type { Gpu } from '../../model/gpu.ts';
import type { Sample } from '../../model/sample.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { gpuSample, sliceSample } from './host-figures.ts';

export interface SliceRow {
  readonly key: string;
  readonly host: HostSnapshot;
  readonly gpu: Gpu | null;
  /** null: what runs outside every slice on that GPU. */
  readonly slice: Slice | null;
  readonly name: string;
  readonly owner: string | null;
  readonly limitBytes: number | null;
  readonly usedBytes: number | null;
  readonly timeLimitPercent: number | null;
  readonly timeUsedTenths: number | null;
  readonly throttledTenths: number | null;
  readonly guaranteePercent: number | null;
  readonly processes: number | null;
  readonly denied: number | null;
  readonly old: boolean;
}

export function sliceRows(
  hosts: readonly HostSnapshot[],
  sampleOf: (hostId: string) => Sample | null,
): readonly SliceRow[] {
  return hosts.flatMap((host) => {
    const sample = sampleOf(host.id);
    const old = host.connection.kind !== 'live';
    const rows = host.slices.map((slice): SliceRow => {
      const reading = sliceSample(sample, slice.id);
      return {
        key: `${host.id}\n${slice.id}`,
        host,
        gpu: host.gpus.find((gpu) => gpu.uuid === slice.gpuUuid) ?? null,
        slice,
        name: slice.name,
        owner: slice.owner,
        limitBytes: slice.memoryLimitBytes,
        usedBytes: reading?.memoryUsedBytes ?? null,
        timeLimitPercent: slice.computeLimitPercent,
        timeUsedTenths: reading?.computeUsedTenths ?? null,
        throttledTenths: reading?.throttledTenths ?? null,
        guaranteePercent: slice.computeGuaranteePercent,
        processes: reading?.processCount ?? null,
        denied: reading?.deniedAllocations ?? null,
        old,
      };
    });
    const unmanaged = host.gpus.flatMap((gpu): SliceRow[] => {
      const bytes = gpuSample(sample, gpu.uuid)?.unmanagedBytes ?? 0;
      if (bytes <= 0) return [];
      const processes = sample?.processes.filter((p) => p.sliceId === null && p.gpuUuid === gpu.uuid);
      return [
        {
          key: `${host.id}\n${gpu.uuid}`,
          host,
          gpu,
          slice: null,
          name: 'unmanaged',
          owner: null,
          limitBytes: null,
          usedBytes: bytes,
          timeLimitPercent: null,
          timeUsedTenths: null,
          throttledTenths: null,
          guaranteePercent: null,
          processes: processes?.length ?? null,
          denied: null,
          old,
        },
      ];
    });
    return [...rows, ...unmanaged];
  });
}

/** Each word of the filter must be found somewhere in the row. */
export function matchesRow(row: SliceRow, filter: string, tags: readonly string[]): boolean {
  const state = row.slice === null || row.slice.suspendedReason === null ? '' : 'suspended';
  const text = [row.name, row.owner ?? '', row.host.name, row.gpu?.name ?? '', state, ...tags]
    .join(' ')
    .toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
