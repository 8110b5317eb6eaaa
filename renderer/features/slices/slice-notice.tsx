/** What is wrong with a slice, and the act that fixes it: at most the one most urgent thing. */
import type { ReactElement } from 'react';
import type { Gpu, HostSnapshot, Slice, SliceSample } from '../../../model/model.ts';
import { GIB, gibWithUnit } from '../../../model/units.ts';
import { Button } from '../../components/bits.tsx';
import { hostNowMs } from '../../store/series.ts';
import { clock, recentlyDenied, unpromisedPercent } from '../gpus/gpu-sentence.ts';
import { editRefusal, slicesOf } from '../hosts/host-figures.ts';
import { changeSlice } from './slice-actions.ts';

interface Notice {
  readonly tone: 'warn' | 'bad';
  readonly title: string;
  readonly text: string;
  readonly act: { readonly word: string; readonly run: () => void } | null;
}

/** Waiting a tenth of the time is worth a word. */
const SLOWED_TENTHS = 100;
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
  if (throttled >= SLOWED_TENTHS) {
    const spare = unpromisedPercent(slicesOf(host, gpu.uuid));
    const raised = Math.min(100, computeLimitPercent + Math.max(10, Math.min(25, spare)));
    return {
      tone: 'warn',
      title: 'Slowed by its own limit.',
      text: `It waits ${String(Math.round(throttled / 10))} % of the time for its ${String(computeLimitPercent)} % share. ${String(spare)} % of this GPU is promised to nobody.`,
      act:
        raised > computeLimitPercent
          ? {
              word: `Raise to ${String(raised)} %`,
              run: () => void changeSlice(host, slice, { computeLimitPercent: raised }),
            }
          : null,
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
