/** Where everything on a GPU's memory bar goes. Pure: bytes in, bytes out; pixels are `value / scale × width`. */

export interface BarSlice {
  readonly id: string;
  readonly limitBytes: number;
}

export interface BarSegment {
  readonly id: string;
  readonly atBytes: number;
  readonly limitBytes: number;
  /** The part of the limit that the GPU could hold if all earlier slices were full. */
  readonly backedBytes: number;
}

export interface BarTail {
  readonly id: string;
  readonly atBytes: number;
  readonly sizeBytes: number;
}

export interface BarLayout {
  /** Full width of the bar. */
  readonly scale: number;
  readonly unmanagedBytes: number;
  readonly segments: readonly BarSegment[];
  /** What is promised beyond capacity, per slice, in order; empty when everything is backed. */
  readonly tail: readonly BarTail[];
  readonly free: number;
  readonly over: number;
}

/** Slices in order of creation. Capacity is filled in that order, so free is 0 whenever there is a tail. */
export function layoutBar(capacity: number, unmanaged: number, slices: readonly BarSlice[]): BarLayout {
  const unmanagedBytes = Math.max(0, Math.min(unmanaged, capacity));
  const segments: BarSegment[] = [];
  const tail: BarTail[] = [];
  let atBytes = unmanagedBytes;
  for (const { id, limitBytes } of slices) {
    const backedBytes = Math.max(0, Math.min(limitBytes, capacity - atBytes));
    segments.push({ id, atBytes, limitBytes, backedBytes });
    if (backedBytes < limitBytes) {
      tail.push({ id, atBytes: atBytes + backedBytes, sizeBytes: limitBytes - backedBytes });
    }
    atBytes += limitBytes;
  }
  return {
    scale: Math.max(capacity, atBytes, 1),
    unmanagedBytes,
    segments,
    tail,
    free: Math.max(0, capacity - atBytes),
    over: Math.max(0, atBytes - capacity),
  };
}

/** Round marks for the ruler, in GiB, never closer than `minShare` of the scale to each other or to the capacity. */
export function rulerMarks(scaleGib: number, capacityGib: number, minShare = 0.12): readonly number[] {
  const steps = [0.5, 1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128];
  const wanted = capacityGib / 5;
  const quarter = capacityGib / 4;
  const step = Number.isInteger(quarter) ? quarter : (steps.find((s) => s >= wanted) ?? 256);
  const marks: number[] = [];
  for (let mark = 0; mark <= scaleGib; mark += step) {
    if (mark === 0 || Math.abs(capacityGib - mark) / scaleGib > minShare) marks.push(mark);
    if (marks.length > 16) break;
  }
  return marks.filter((mark) => mark < capacityGib);
}
