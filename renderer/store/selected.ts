/** The GPU and slice that are selected, if they are (still) on this host. */
import type { Gpu } from '../../model/gpu.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { useUi } from './ui.ts';

export function selectedSlice(host: HostSnapshot): Slice | null {
  const { selection, hostId } = useUi.getState();
  if (hostId !== host.id || selection.kind !== 'slice') return null;
  return host.slices.find((slice) => slice.id === selection.id) ?? null;
}

export function selectedGpu(host: HostSnapshot): Gpu | null {
  const { selection, hostId } = useUi.getState();
  if (hostId !== host.id) return null;
  const uuid = selection.kind === 'gpu' ? selection.uuid : selectedSlice(host)?.gpuUuid;
  return host.gpus.find((gpu) => gpu.uuid === uuid) ?? null;
}
