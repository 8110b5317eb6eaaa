/** What is wrong with a slice, in words, and what would mend it: at most the one most urgent thing. Pure. */
import type { Gpu } from '../../model/gpu.ts';
import type { Slice, SliceSample } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { GIB, gibWithUnit } from '../../model/units.ts';
import { recentlyDenied, unpromisedPercent } from './gpu-sentence.ts';
import { slicesOf } from './host-figures.ts';
import { clock } from './when.ts';

export interface SliceNotice {
  readonly tone: 'warn' | 'bad';
  readonly title: string;
  readonly text: string;
  /** null: nothing that this slice could be given would mend it. */
  readonly act: NoticeAct | null;
}
export type NoticeAct =
  | {
      readonly kind: 'change';
      readonly word: string;
      readonly change: { readonly memoryLimitBytes: number } | { readonly computeLimitPercent: number };
    }
  | { readonly kind: 'give'; readonly word: string };

/** Waiting a tenth of the time is worth a word. */
const SLOWED_TENTHS = 100;
/** What holds a slice back that is not its own limit. */
const OTHERS = {
  'higher-priority': {
    title: 'Gives way to a higher priority.',
    text: 'a slice of higher priority has work on this GPU.',
  },
  guarantee: {
    title: 'Gives way to a guarantee.',
    text: 'another slice takes what it was guaranteed of this GPU.',
  },
  'other-gpu': {
    title: 'Keeps step with another GPU.',
    text: 'its program runs on several GPUs and is held back as one, by the slice that has least.',
  },
} as const;
/** A denied slice is offered this much more, in whole GiB. */
const RAISE_BYTES = 2 * GIB;

function suspended({ suspendedReason }: Slice): SliceNotice | null {
  if (suspendedReason === null) return null;
  return {
    tone: 'bad',
    title: 'Suspended: nothing is admitted.',
    text: `The agent says: ${suspendedReason}. Programs that run in it keep what they hold and get nothing more.`,
    act: { kind: 'give', word: 'Give to…' },
  };
}

function denied(gpu: Gpu, slice: Slice, reading: SliceSample | null, nowMs: number): SliceNotice | null {
  if (!recentlyDenied(reading, nowMs) || reading?.deniedAtMs == null) return null;
  const { memoryLimitBytes } = slice;
  const asked = Math.max(RAISE_BYTES, Math.ceil((reading.deniedBytes ?? 0) / GIB) * GIB);
  const raised = Math.min(gpu.capacityBytes, memoryLimitBytes + asked);
  return {
    tone: 'bad',
    title: 'Denied memory at its own limit.',
    text: `At ${clock(reading.deniedAtMs)} an allocation of ${gibWithUnit(reading.deniedBytes)} did not fit into ${gibWithUnit(memoryLimitBytes)}. The program was told “out of memory”, as on a full GPU.`,
    act:
      raised > memoryLimitBytes
        ? { kind: 'change', word: `Raise to ${gibWithUnit(raised)}`, change: { memoryLimitBytes: raised } }
        : null,
  };
}

function loose(slice: Slice, reading: SliceSample | null): SliceNotice | null {
  if (reading?.limitHeld !== false) return null;
  return {
    tone: 'warn',
    title: 'Runs above its GPU time limit.',
    text: `${slice.name} launches kernels that are longer than the agent may make it wait for, so the ${String(slice.computeLimitPercent)} % limit is not held at the moment.`,
    act: null,
  };
}

function shrinking(slice: Slice, reading: SliceSample | null): SliceNotice | null {
  const { memoryLimitBytes, pendingMemoryLimitBytes } = slice;
  if (pendingMemoryLimitBytes === null) return null;
  return {
    tone: 'warn',
    title: `Shrinks to ${gibWithUnit(pendingMemoryLimitBytes)} when use drops.`,
    text: `${gibWithUnit(reading?.memoryUsedBytes ?? null)} is in use, so the limit of ${gibWithUnit(memoryLimitBytes)} stays until then.`,
    act: { kind: 'change', word: `Keep ${gibWithUnit(memoryLimitBytes)}`, change: { memoryLimitBytes } },
  };
}

function slowed(host: HostSnapshot, slice: Slice, reading: SliceSample | null): SliceNotice | null {
  const throttled = reading?.throttledTenths ?? 0;
  if (throttled < SLOWED_TENTHS) return null;
  const waits = `It waits ${String(Math.round(throttled / 10))} % of the time`;
  if (reading?.heldBy != null && reading.heldBy in OTHERS) {
    const why = OTHERS[reading.heldBy as keyof typeof OTHERS];
    return { tone: 'warn', title: why.title, text: `${waits}: ${why.text}`, act: null };
  }
  const { computeLimitPercent } = slice;
  const spare = unpromisedPercent(slicesOf(host, slice.gpuUuid));
  const raised = Math.min(100, computeLimitPercent + Math.max(10, Math.min(25, spare)));
  return {
    tone: 'warn',
    title: 'Slowed by its own limit.',
    text: `${waits} for its ${String(computeLimitPercent)} % share. ${String(spare)} % of this GPU is promised to nobody.`,
    act:
      raised > computeLimitPercent
        ? { kind: 'change', word: `Raise to ${String(raised)} %`, change: { computeLimitPercent: raised } }
        : null,
  };
}

function clockedDown(reading: SliceSample | null): SliceNotice | null {
  if (reading?.heldBy !== 'heat' && reading?.heldBy !== 'power') return null;
  const isHot = reading.heldBy === 'heat';
  return {
    tone: 'warn',
    title: isHot ? 'Slowed by heat.' : 'Slowed by the power limit.',
    text: `The GPU runs at a lower clock for everybody because it ${isHot ? 'is too hot' : 'has reached the power that it may take'}.`,
    act: null,
  };
}

export const noticeOf = (
  host: HostSnapshot,
  gpu: Gpu,
  slice: Slice,
  reading: SliceSample | null,
  nowMs: number,
): SliceNotice | null =>
  suspended(slice) ??
  denied(gpu, slice, reading, nowMs) ??
  loose(slice, reading) ??
  shrinking(slice, reading) ??
  slowed(host, slice, reading) ??
  clockedDown(reading);
