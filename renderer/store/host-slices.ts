/** Slices that an act is meant for, as they are now: those that are gone are left out. */
import type { HostSlice } from '../domain/slice-edits.ts';
import type { Picked } from './dialogs.ts';
import { useFleet } from './fleet.ts';

export function useHostSlices(picked: readonly Picked[]): readonly HostSlice[] {
  const hosts = useFleet((s) => s.hosts);
  return picked.flatMap(({ hostId, sliceId }): HostSlice[] => {
    const host = hosts[hostId];
    const slice = host?.slices.find((one) => one.id === sliceId);
    return host === undefined || slice === undefined ? [] : [{ host, slice }];
  });
}
