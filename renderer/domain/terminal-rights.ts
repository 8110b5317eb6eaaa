/** Whether terminals can be opened on a host, and why not. Pure. */
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { suspendedRefusal, usableSlices } from './job-rights.ts';

export const isReachable = (host: HostSnapshot | null): boolean =>
  host !== null && (host.connection.kind === 'live' || host.connection.kind === 'stale');

export function terminalRefusal(host: HostSnapshot, slice: Slice): string | null {
  if (!isReachable(host)) return `${host.name} is not connected.`;
  const suspended = suspendedRefusal(slice);
  if (suspended !== null) return suspended;
  return usableSlices(host).some((one) => one.id === slice.id)
    ? null
    : `${slice.name} belongs to ${slice.owner}: its owner opens terminals in it.`;
}
