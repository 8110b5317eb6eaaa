/** Two neighbours on a GPU trade memory, in two edits and one Undo. */
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { gib, gibWithUnit } from '../../model/units.ts';
import { sliceSample } from '../domain/host-figures.ts';
import { waitsFor } from '../domain/slice-edits.ts';
import type { Trade } from '../domain/trade.ts';
import { request, sayFailure } from '../store/ask.ts';
import { shownSample } from '../store/series.ts';
import { edited } from './edits.ts';

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
