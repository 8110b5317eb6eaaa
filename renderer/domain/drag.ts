/** Resizing by hand, by pointer or by key, without a DOM: what the new limit is and whether it would be accepted. */
import type { Admission } from '../../model/admission.ts';
import { assertNever } from '../../model/errors.ts';
import { SLICES_PER_GPU_MAX } from '../../model/limits.ts';
import { GIB, MIB } from '../../model/units.ts';

export const SNAP_BYTES = GIB / 2;
/** Shift multiplies a key's step. */
const SHIFT_FACTOR = 10;
/** How near (in bytes) a magnet pulls: half a snap on either side. */
const MAGNET_BYTES = SNAP_BYTES / 2;

export interface ResizeBounds {
  readonly capacityBytes: number;
  /** The limit that would use up exactly the free memory. */
  readonly fitBytes: number;
  /** What the slice uses now; null when unknown. */
  readonly usedBytes: number | null;
}

export const minLimitBytes = (capacityBytes: number): number => Math.min(SNAP_BYTES, capacityBytes);

/** Half-GiB steps, except that "exactly what is free" and "the whole GPU" can be reached too. */
export function snapLimit(bytes: number, bounds: ResizeBounds): number {
  const clamped = Math.max(minLimitBytes(bounds.capacityBytes), Math.min(bytes, bounds.capacityBytes));
  const capacity = Math.floor(bounds.capacityBytes / MIB) * MIB;
  const fit = Math.floor(bounds.fitBytes / MIB) * MIB;
  for (const magnet of [fit, capacity]) {
    if (magnet >= SNAP_BYTES && Math.abs(clamped - magnet) <= MAGNET_BYTES) return magnet;
  }
  return Math.min(capacity, Math.max(minLimitBytes(capacity), Math.round(clamped / SNAP_BYTES) * SNAP_BYTES));
}

/** The limit under a pointer that moved `deltaPx` on a bar where one pixel is `bytesPerPx`. */
export function dragLimit(
  startBytes: number,
  deltaPx: number,
  bytesPerPx: number,
  bounds: ResizeBounds,
): number {
  if (deltaPx === 0) return startBytes;
  return snapLimit(startBytes + deltaPx * bytesPerPx, bounds);
}

/** What a key does to a limit; null when the key is not ours. */
export function keyLimit(
  key: string,
  shift: boolean,
  limitBytes: number,
  bounds: ResizeBounds,
): number | null {
  const step = SNAP_BYTES * (shift ? SHIFT_FACTOR : 1);
  const min = minLimitBytes(bounds.capacityBytes);
  const capacity = Math.floor(bounds.capacityBytes / MIB) * MIB;
  const clamp = (bytes: number): number => Math.max(min, Math.min(bytes, capacity));
  switch (key) {
    case 'ArrowRight':
    case 'ArrowUp':
      // From an odd value the first step lands on the grid.
      return clamp(Math.floor((limitBytes + step) / SNAP_BYTES) * SNAP_BYTES);
    case 'ArrowLeft':
    case 'ArrowDown':
      return clamp(Math.ceil((limitBytes - step) / SNAP_BYTES) * SNAP_BYTES);
    case 'Home':
      return clamp(Math.ceil((bounds.usedBytes ?? 0) / SNAP_BYTES) * SNAP_BYTES);
    case 'End':
      return clamp(Math.max(limitBytes, Math.floor(bounds.fitBytes / MIB) * MIB));
    default:
      return null;
  }
}

export type Drag =
  | { readonly kind: 'rest' }
  | {
      readonly kind: 'dragging' | 'committing';
      readonly by: 'pointer' | 'key';
      readonly startBytes: number;
      readonly limitBytes: number;
      readonly refusal: string | null;
    };

export type DragEvent =
  | { readonly type: 'start'; readonly by: 'pointer' | 'key'; readonly limitBytes: number }
  | { readonly type: 'to'; readonly limitBytes: number; readonly refusal: string | null }
  | { readonly type: 'release' }
  | { readonly type: 'leave' }
  | { readonly type: 'settled' };

export const REST: Drag = { kind: 'rest' };

export function dragReducer(state: Drag, event: DragEvent): Drag {
  switch (event.type) {
    case 'start':
      if (state.kind === 'committing') return state;
      return {
        kind: 'dragging',
        by: event.by,
        startBytes: event.limitBytes,
        limitBytes: event.limitBytes,
        refusal: null,
      };
    case 'to':
      return state.kind === 'dragging'
        ? { ...state, limitBytes: event.limitBytes, refusal: event.refusal }
        : state;
    case 'release':
      if (state.kind !== 'dragging') return state;
      // Refused or not moved: nothing is sent, the slice stays as it is.
      if (state.refusal !== null || state.limitBytes === state.startBytes) return REST;
      return { ...state, kind: 'committing' };
    case 'leave':
      return state.kind === 'dragging' ? REST : state;
    case 'settled':
      return REST;
    default:
      return assertNever(event, 'drag event');
  }
}

/** A refusal in the few words that fit on a ruler; null when it would be accepted. */
export function refusalWords(admission: Admission, capacityBytes: number): string | null {
  if (admission.ok) return null;
  const words: Partial<Record<typeof admission.code, string>> = {
    'memory-limit-too-small': 'at least 1 MiB',
    'memory-limit-exceeds-gpu': `the GPU has ${(capacityBytes / GIB).toFixed(1)} GiB`,
    'compute-limit-out-of-range': 'a GPU time limit is 1 to 100 %',
    'guarantee-out-of-range': 'a guarantee is 0 to 100 %',
    'guarantee-exceeds-limit': 'the guarantee is above the GPU time limit',
    'guarantee-exceeds-headroom': 'more than 100 % of GPU time would be promised',
    'overcommit-exceeds-guard': 'limits would add up to more than this host allows',
    'too-many-slices': `a GPU holds ${String(SLICES_PER_GPU_MAX)} slices at most`,
  };
  return words[admission.code] ?? admission.code;
}
