/** What pulling an edge to a place would do: to its slice, and in a trade to the neighbour. Pure. */
import type { Gpu } from '../../model/gpu.ts';
import type { Slice, SliceSample } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import type { BarLayout } from './bar-layout.ts';
import { refusalWords } from './drag.ts';
import type { ResizeBounds } from './drag.ts';
import { asNew, preview } from './slice-edits.ts';
import { neighbourOf, tradeFor } from './trade.ts';
import type { Trade } from './trade.ts';

/** The slice that gives or takes what the other gains or loses. */
export interface Partner extends Trade {
  readonly neighbour: Slice;
}

/** A limit under the hand. */
export interface Trial {
  readonly id: string;
  readonly limitBytes: number;
}

export interface Attempt {
  readonly limitBytes: number;
  readonly refusal: string | null;
  /** null: no trade, or nobody to trade with. */
  readonly partner: Partner | null;
  /** Everyone whose limit would be another. */
  readonly trial: readonly Trial[];
}

export const boundsOf = (
  gpu: Gpu,
  slice: Slice,
  layout: BarLayout,
  reading: SliceSample | null,
): ResizeBounds => ({
  capacityBytes: gpu.capacityBytes,
  fitBytes: slice.memoryLimitBytes + layout.free,
  usedBytes: reading?.memoryUsedBytes ?? null,
});

/** Why the slice cannot have this limit, in the few words that fit on a ruler; null when it can. */
export const limitRefusal = (
  host: HostSnapshot,
  gpu: Gpu,
  slice: Slice,
  memoryLimitBytes: number,
): string | null =>
  refusalWords(preview(host, gpu, slice, asNew(slice, { memoryLimitBytes })), gpu.capacityBytes);

export function attempt(
  host: HostSnapshot,
  gpu: Gpu,
  slice: Slice,
  wantedBytes: number,
  trades: boolean,
): Attempt {
  const neighbour = trades ? neighbourOf(host, slice) : null;
  const partner = neighbour === null ? null : { neighbour, ...tradeFor(wantedBytes, slice, neighbour) };
  const limitBytes = partner?.limitBytes ?? wantedBytes;
  return {
    limitBytes,
    refusal: limitRefusal(host, gpu, slice, limitBytes),
    partner,
    trial: [
      { id: slice.id, limitBytes },
      ...(partner === null ? [] : [{ id: partner.neighbour.id, limitBytes: partner.neighbourBytes }]),
    ],
  };
}
