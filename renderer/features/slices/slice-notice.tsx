/** What is wrong with a slice, and the act that fixes it: at most the one most urgent thing. */
import type { ReactElement } from 'react';
import type { Gpu } from '../../../model/gpu.ts';
import type { Slice, SliceSample } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { GIB, gibWithUnit } from '../../../model/units.ts';
import { recentlyDenied, unpromisedPercent } from '../../domain/gpu-sentence.ts';
import { slicesOf } from '../../domain/host-figures.ts';
import { editRefusal } from '../../domain/rights.ts';
import { clock } from '../../domain/when.ts';
import { hostNowMs } from '../../store/series.ts';
import { Button } from '../../components/bits.tsx';
import { changeSlice } from '../../acts/slices.ts';

interface Notice {
  readonly tone: 'warn' | 'bad';
  readonly title: string;
  readonly text: string;
  readonly act: { readonly word: string; readonly run: () => void } | null;
}

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

function noticeOf(host: HostSnapshot, gpu: Gpu, slice: Slice, reading: SliceSample | null): Notice | null {
  const { name, memoryLimitBytes, computeLimitPercent } = slice;
  if (recentlyDenied(reading, hostNowMs(host.id)) && reading?.deniedAtMs != null) {
    const asked = Math.max(RAISE_BYTES, Math.ceil((reading.deniedBytes ?? 0) / GIB) * GIB);
    const raised = Math.min(gpu.capacityBytes, memoryLimitBytes + asked);
    return {
      tone: 'bad',
      title: 'Denied memory at its own limit.',
      text: `At ${clock(reading.deniedAtMs)} an allocation of ${gibWithUnit(reading.deniedBytes)} did not fit into ${gibWithUnit(memoryLimitBytes)}. The program was told “out of memory”, as on a full GPU.`,
      act:
        raised > memoryLimitBytes
          ? {
              word: `Raise to ${gibWithUnit(raised)}`,
              run: () => void changeSlice(host, slice, { memoryLimitBytes: raised }),
            }
          : null,
    };
  }
  if (reading?.limitHeld === false) {
    return {
      tone: 'warn',
      title: 'Runs above its GPU time limit.',
      text: `${name} launches kernels that are longer than the agent may make it wait for, so the ${String(computeLimitPercent)} % limit is not held at the moment.`,
      act: null,
    };
  }
  if (slice.pendingMemoryLimitBytes !== null) {
    return {
      tone: 'warn',
      title: `Shrinks to ${gibWithUnit(slice.pendingMemoryLimitBytes)} when use drops.`,
      text: `${gibWithUnit(reading?.memoryUsedBytes ?? null)} is in use, so the limit of ${gibWithUnit(memoryLimitBytes)} stays until then.`,
      act: {
        word: `Keep ${gibWithUnit(memoryLimitBytes)}`,
        run: () => void changeSlice(host, slice, { memoryLimitBytes }),
      },
    };
  }
  const throttled = reading?.throttledTenths ?? 0;
  const waits = `It waits ${String(Math.round(throttled / 10))} % of the time`;
  if (throttled >= SLOWED_TENTHS && reading?.heldBy != null && reading.heldBy in OTHERS) {
    const why = OTHERS[reading.heldBy as keyof typeof OTHERS];
    return { tone: 'warn', title: why.title, text: `${waits}: ${why.text}`, act: null };
  }
  if (throttled >= SLOWED_TENTHS) {
    const spare = unpromisedPercent(slicesOf(host, gpu.uuid));
    const raised = Math.min(100, computeLimitPercent + Math.max(10, Math.min(25, spare)));
    return {
      tone: 'warn',
      title: 'Slowed by its own limit.',
      text: `${waits} for its ${String(computeLimitPercent)} % share. ${String(spare)} % of this GPU is promised to nobody.`,
      act:
        raised > computeLimitPercent
          ? {
              word: `Raise to ${String(raised)} %`,
              run: () => void changeSlice(host, slice, { computeLimitPercent: raised }),
            }
          : null,
    };
  }
  if (reading?.heldBy === 'heat' || reading?.heldBy === 'power') {
    return {
      tone: 'warn',
      title: reading.heldBy === 'heat' ? 'Slowed by heat.' : 'Slowed by the power limit.',
      text: `The GPU runs at a lower clock for everybody because it ${reading.heldBy === 'heat' ? 'is too hot' : 'has reached the power that it may take'}.`,
      act: null,
    };
  }
  return null;
}

export function SliceNotice(props: {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  readonly slice: Slice;
  readonly reading: SliceSample | null;
}): ReactElement | null {
  const notice = noticeOf(props.host, props.gpu, props.slice, props.reading);
  if (notice === null) return null;
  return (
    <div className={`notice ${notice.tone}-notice`}>
      <b className="strong">{notice.title}</b> {notice.text}
      {notice.act !== null && (
        <div className="row">
          <Button tight onClick={notice.act.run} refusal={editRefusal(props.host)}>
            {notice.act.word}
          </Button>
        </div>
      )}
    </div>
  );
}
