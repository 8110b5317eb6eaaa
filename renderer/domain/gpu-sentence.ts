/** The one most urgent sentence under a GPU, and what is wrong with a slice. Pure. */
import type { Gpu } from '../../model/gpu.ts';
import type { Sample } from '../../model/sample.ts';
import type { Slice, SliceSample } from '../../model/slice.ts';
import { gib, gibWithUnit } from '../../model/units.ts';
import { sliceSample } from './host-figures.ts';
import type { GpuView } from './host-figures.ts';
import { clock, dayTime, untilText } from './when.ts';

/** How long a denied allocation keeps its mark. */
export const DENIED_SHOWN_MS = 600_000;
/** Below one part in fifty the limit is doing its everyday work. */
export const THROTTLED_SHOWN_TENTHS = 20;

export interface Sentence {
  readonly mark: 'denied' | 'warn' | 'idle' | null;
  readonly text: string;
  readonly more: string | null;
}

export const recentlyDenied = (sample: SliceSample | null, nowMs: number): boolean =>
  sample?.deniedAtMs != null && nowMs - sample.deniedAtMs < DENIED_SHOWN_MS;

/** A broken GPU stays news for a day, a program's error for as long as a denial. */
export const HARDWARE_FAULT_SHOWN_MS = 86_400_000;

function faultSentence(faults: Gpu['faults'], nowMs: number): Sentence | null {
  const fault = (faults ?? []).find(
    ({ kind, atMs }) =>
      nowMs - atMs < (kind === 'hardware' ? HARDWARE_FAULT_SHOWN_MS : DENIED_SHOWN_MS) && kind !== 'other',
  );
  if (fault === undefined) return null;
  return {
    mark: 'warn',
    text: `${fault.source} ${String(fault.code)} at ${dayTime(fault.atMs, nowMs)}: ${fault.text}`,
    more: fault.count > 1 ? `${String(fault.count)} times` : null,
  };
}

/** GPU time that no guarantee promises to anybody. */
export const unpromisedPercent = (slices: readonly Slice[]): number =>
  Math.max(0, 100 - slices.reduce((sum, slice) => sum + slice.computeGuaranteePercent, 0));

/** `idleOf`: how long a slice has been idle, in words; null while it is not, or not for long. */
export function gpuSentence(
  view: GpuView,
  sample: Sample | null,
  nowMs: number,
  idleOf: (slice: Slice) => string | null = () => null,
): Sentence | null {
  const broken = faultSentence(view.gpu.faults?.filter(({ kind }) => kind === 'hardware') ?? null, nowMs);
  if (broken !== null) return broken;
  const closed = view.slices.find(({ suspendedReason }) => suspendedReason !== null);
  if (closed !== undefined) {
    return { mark: 'warn', text: `${closed.name} is suspended`, more: closed.suspendedReason };
  }
  const readings = view.slices.map((slice) => ({ slice, reading: sliceSample(sample, slice.id) }));
  const denied = readings
    .filter(({ reading }) => recentlyDenied(reading, nowMs))
    .sort((a, b) => (b.reading?.deniedAtMs ?? 0) - (a.reading?.deniedAtMs ?? 0))[0];
  if (denied?.reading?.deniedAtMs != null) {
    const bytes = denied.reading.deniedBytes;
    return {
      mark: 'denied',
      text: `${denied.slice.name} was denied ${bytes === null ? 'memory' : gibWithUnit(bytes)} at ${clock(denied.reading.deniedAtMs)}`,
      more: `its limit is ${gibWithUnit(denied.slice.memoryLimitBytes)}`,
    };
  }
  const failed = faultSentence(view.gpu.faults, nowMs);
  if (failed !== null) return failed;
  const loose = readings.find(({ reading }) => reading?.limitHeld === false);
  if (loose !== undefined) {
    return {
      mark: 'warn',
      text: `${loose.slice.name} runs above its GPU time limit`,
      more: 'its kernels are longer than the agent may wait for',
    };
  }
  const waiting = readings.find(({ slice }) => slice.pendingMemoryLimitBytes !== null);
  if (waiting !== undefined) {
    return {
      mark: null,
      text: `${waiting.slice.name} shrinks to ${gibWithUnit(waiting.slice.pendingMemoryLimitBytes)} when its use drops`,
      more: `in use: ${gibWithUnit(waiting.reading?.memoryUsedBytes ?? null)}`,
    };
  }
  const slowed = readings
    .filter(({ reading }) => (reading?.throttledTenths ?? 0) >= THROTTLED_SHOWN_TENTHS)
    .sort((a, b) => (b.reading?.throttledTenths ?? 0) - (a.reading?.throttledTenths ?? 0))[0];
  if (slowed !== undefined) {
    return {
      mark: 'warn',
      text: `${slowed.slice.name} is slowed by its own ${String(slowed.slice.computeLimitPercent)} % limit`,
      more: `${String(unpromisedPercent(view.slices))} % of GPU time is promised to nobody`,
    };
  }
  const idle = view.slices
    .map((slice) => ({ slice, words: idleOf(slice) }))
    .filter(({ words }) => words !== null)
    .sort((a, b) => b.slice.memoryLimitBytes - a.slice.memoryLimitBytes);
  if (idle[0] !== undefined) {
    const [first, ...others] = idle;
    return {
      mark: 'idle',
      text: `${first.slice.name} has held ${gibWithUnit(first.slice.memoryLimitBytes)} idle for ${first.words ?? ''}`,
      more: others.length === 0 ? null : `${String(others.length)} more held but idle`,
    };
  }
  if (view.layout.over > 0) {
    return {
      mark: null,
      text: `Limits add up to ${gib(view.layout.over)} GiB more than the GPU has`,
      more: 'whoever allocates first gets it',
    };
  }
  return null;
}

/** Everything a segment says, for its tooltip and its accessible value. */
export function segmentText(
  slice: Slice,
  reading: SliceSample | null,
  backedBytes: number,
  idle: string | null = null,
): string {
  const parts = [
    gibWithUnit(slice.memoryLimitBytes),
    `${gibWithUnit(reading?.memoryUsedBytes ?? null)} in use`,
  ];
  if (slice.suspendedReason !== null) parts.push(`suspended: ${slice.suspendedReason}`);
  if (backedBytes < slice.memoryLimitBytes) parts.push(`${gibWithUnit(backedBytes)} of it backed`);
  if (slice.pendingMemoryLimitBytes !== null) {
    parts.push(`shrinks to ${gibWithUnit(slice.pendingMemoryLimitBytes)} when use drops`);
  }
  if ((reading?.throttledTenths ?? 0) >= THROTTLED_SHOWN_TENTHS) {
    parts.push(`throttled ${String(Math.round((reading?.throttledTenths ?? 0) / 10))} %`);
  }
  if ((reading?.deniedAllocations ?? 0) > 0) parts.push(`${String(reading?.deniedAllocations)} denied`);
  if (idle !== null) parts.push(`idle for ${idle}`);
  if (slice.expiresAtMs !== null) parts.push(`until ${untilText(slice.expiresAtMs)}`);
  return parts.join(', ');
}
