/** What GPUs and their parts are called. Pure. */
import type { Gpu } from '../../model/gpu.ts';

/** A model's name without its vendor and family: for narrow places. */
export const shortGpuName = ({ name, backend }: Pick<Gpu, 'name' | 'backend'>): string => {
  const words = name.split(/\s+/);
  const known = [backend.vendor.toLowerCase(), 'geforce', 'radeon'];
  const first = words.findIndex((word) => !known.includes(word.toLowerCase()));
  return first <= 0 ? name : words.slice(first).join(' ');
};

/** `1g.10gb` of `NVIDIA H100 80GB HBM3 MIG 1g.10gb`. */
export const partitionProfile = ({ backend }: Pick<Gpu, 'backend'>, name: string): string =>
  (backend.partitions === null ? name : name.split(` ${backend.partitions} `).at(-1)) ?? name;

/** `MIG slices`, or what goes for any vendor. */
export const partitionsWord = ({ backend }: Pick<Gpu, 'backend'>): string =>
  backend.partitions === null ? 'Hardware partitions' : `${backend.partitions} slices`;

/** `MIG: 2 slices`, and what it says while it is cut into nothing. */
export function partitionedText({ backend, partitions }: Pick<Gpu, 'backend' | 'partitions'>): string {
  const kind = backend.partitions ?? 'hardware';
  const count = partitions?.length ?? 0;
  if (count === 0) return backend.partitions === null ? 'cut by the hardware' : `${kind} is on`;
  return `${kind}: ${String(count)} ${count === 1 ? 'slice' : 'slices'}`;
}

/** What its readings come from. */
export const readerOf = ({ backend }: Pick<Gpu, 'backend'>): string => backend.reader ?? 'the driver';
