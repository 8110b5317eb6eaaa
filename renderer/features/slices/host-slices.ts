/** Slices that an act is meant for, as they are now: those that are gone are left out. */
import type { HostSlice } from './slice-actions.ts';
import { useFleet } from '../../store/fleet.ts';
import type { Picked } from '../../store/ui.ts';

export function useHostSlices(picked: readonly Picked[]): readonly HostSlice[] {
  const hosts = useFleet((s) => s.hosts);
  return picked.flatMap(({ hostId, sliceId }): HostSlice[] => {
    const host = hosts[hostId];
    const slice = host?.slices.find((one) => one.id === sliceId);
    return host === undefined || slice === undefined ? [] : [{ host, slice }];
  });
}

/** What all of them have, or null where they differ. */
export function commonOf<T>(
  slices: readonly HostSlice[],
  read: (of: HostSlice) => T,
): { readonly value: T } | null {
  const [first, ...others] = slices;
  if (first === undefined) return null;
  const value = read(first);
  return others.every((one) => read(one) === value) ? { value } : null;
}
