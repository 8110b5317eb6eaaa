/** Two neighbours on a GPU trade memory: one grows by what the other gives. Arithmetic first, then two edits. */
import type { HostSnapshot, Slice } from '../../../model/model.ts';
import { gib, gibWithUnit } from '../../../model/units.ts';
import { edited, request, sayFailure } from '../../store/actions.ts';
import { SNAP_BYTES } from '../gpus/drag.ts';
import { shownSample } from '../../store/series.ts';
import { sliceSample, slicesOf } from '../hosts/host-figures.ts';
import { waitsFor } from './slice-actions.ts';

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

/** First the one that shrinks, so that the sum is never above what it was. Undo takes both back. */
export async function tradeMemory(
  host: HostSnapshot,
  slice: Slice,
  neighbour: Slice,
  trade: Trade,
): Promise<boolean> {
  const grows = trade.limitBytes > slice.memoryLimitBytes;
  const steps = [
    { slice, bytes: trade.limitBytes },
    { slice: neighbour, bytes: trade.neighbourBytes },
  ];
  if (grows) steps.reverse();
  const tokens: string[] = [];
  for (const step of steps) {
    const result = await request('slice:resize', {
      hostId: host.id,
      sliceId: step.slice.id,
      revision: step.slice.revision,
      memoryLimitBytes: step.bytes,
      belowUse: 'when-it-drops',
    });
    if (!result.ok) {
      const [first] = tokens;
      // Half a trade is none: what the first gave up goes back to it.
      if (first !== undefined) await request('slice:undo', { hostId: host.id, undoToken: first });
      sayFailure(result.error);
      return false;
    }
    tokens.unshift(result.value.undoToken);
  }
  const moved = gib(Math.abs(trade.limitBytes - slice.memoryLimitBytes));
  const [giver, taker] = grows ? [neighbour, slice] : [slice, neighbour];
  const keeps = giver === slice ? trade.limitBytes : trade.neighbourBytes;
  const used = sliceSample(shownSample(host.id), giver.id)?.memoryUsedBytes ?? null;
  const waits = waitsFor(keeps, used);
  const gave = waits === null ? 'gave' : 'will give';
  edited(
    host.id,
    slice.id,
    `${giver.name} ${gave} ${moved} GiB to ${taker.name}${waits === null ? '' : ` ${waits}`}: ${slice.name} ${gibWithUnit(trade.limitBytes)}, ${neighbour.name} ${gibWithUnit(trade.neighbourBytes)}`,
    tokens,
  );
  return true;
}
