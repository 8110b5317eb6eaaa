/** Two neighbours on a GPU trade memory: one grows by what the other gives. The arithmetic. */
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { SNAP_BYTES } from './drag.ts';
import { slicesOf } from './host-figures.ts';

export interface Trade {
  readonly limitBytes: number;
  readonly neighbourBytes: number;
}

/** The slice behind the edge that is pulled: the next one, or for the last slice the one before it. */
export function neighbourOf(host: HostSnapshot, slice: Slice): Slice | null {
  const row = slicesOf(host, slice.gpuUuid);
  const at = row.findIndex((s) => s.id === slice.id);
  return row[at + 1] ?? row[at - 1] ?? null;
}

/** What both have when `slice` wants `limitBytes`: the sum stays, and neither goes below the smallest limit. */
export function tradeFor(limitBytes: number, slice: Slice, neighbour: Slice): Trade {
  const sum = slice.memoryLimitBytes + neighbour.memoryLimitBytes;
  const least = Math.min(SNAP_BYTES, slice.memoryLimitBytes, neighbour.memoryLimitBytes);
  const kept = Math.max(least, Math.min(limitBytes, sum - least));
  return { limitBytes: kept, neighbourBytes: sum - kept };
}
