/**
 * The agent answers an edit before it sends the picture that has it. Until that comes, the next edit of the same slice
 * goes by the answer: otherwise two quick edits of one person would be refused as two persons' are.
 */
import type { HostId, SliceEdit } from '../../model/model.ts';

/** More slices than are edited within the moment in which this matters; the oldest goes. */
const KEPT_MAX = 500;

const newest = new Map<string, number>();
const keyOf = (hostId: HostId, sliceId: string): string => `${hostId}\n${sliceId}`;

export function noteEdit(hostId: HostId, { sliceId, revision }: SliceEdit): void {
  const key = keyOf(hostId, sliceId);
  newest.delete(key);
  newest.set(key, revision);
  const [oldest] = newest.keys();
  if (newest.size > KEPT_MAX && oldest !== undefined) newest.delete(oldest);
}

/** The revision to send for a slice that was seen with this one. */
export const newestOf = (hostId: HostId, sliceId: string, seen: number): number =>
  Math.max(seen, newest.get(keyOf(hostId, sliceId)) ?? 0);
