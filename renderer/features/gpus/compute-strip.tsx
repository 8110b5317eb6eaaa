/** GPU time in the bar's grammar: width is the limit, tint and line are the use, amber comb is throttling. */
import type { ReactElement } from 'react';
import type { Gpu } from '../../../model/gpu.ts';
import type { Sample } from '../../../model/sample.ts';
import type { Slice, SliceSample } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { percentFromTenths } from '../../../model/units.ts';
import { THROTTLED_SHOWN_TENTHS } from '../../domain/gpu-sentence.ts';
import { cutRefusal, sliceSample } from '../../domain/host-figures.ts';
import type { GpuView } from '../../domain/host-figures.ts';
import { useOwnerClass } from '../../store/owners.ts';
import { select } from '../../store/ui.ts';
import { cx, vars } from '../../components/bits.tsx';

export interface StripProps {
  readonly host: HostSnapshot;
  readonly view: GpuView;
  readonly sample: Sample | null;
}

/** Where there is no slice: what can be done about it by whoever looks. */
function nothingYet(host: HostSnapshot, gpu: Gpu): string {
  if (gpu.partitioned === true)
    return `${gpu.backend.partitions ?? 'Partitioned'}: cut by the hardware, not by Tranche.`;
  return cutRefusal(host, gpu) === null
    ? 'Nothing is shared here yet. One click makes a slice for you, with Undo.'
    : 'Nothing is shared here yet.';
}

export function ComputeStrip({ host, view, sample }: StripProps): ReactElement {
  const { gpu, slices, layout } = view;
  const sum = slices.reduce((total, slice) => total + slice.computeLimitPercent, 0);
  // The same rule as for memory: when limits add up to more than there is, the strip shows all of them.
  const scale = Math.max(100, sum);
  let at = 0;
  return (
    <div
      className="strip"
      style={vars({ '--cap': gpu.capacityBytes, '--mem': layout.scale, '--sum': scale })}
      aria-label={`GPU time limits on GPU ${String(gpu.index)}`}
      role="group"
    >
      {slices.length === 0 && (
        <div className="none" style={vars({ '--at': 0, '--pct': scale })}>
          {nothingYet(host, gpu)}
        </div>
      )}
      {slices.map((slice) => {
        const from = at;
        at += slice.computeLimitPercent;
        return (
          <StripPart
            key={slice.id}
            slice={slice}
            at={from}
            reading={sliceSample(sample, slice.id)}
            onPick={() => select(host.id, { kind: 'slice', id: slice.id })}
          />
        );
      })}
      {sum > 100 && (
        <div
          className="strip-line"
          style={vars({ '--at': 100 })}
          title={`limits add up to ${String(sum)} %`}
        />
      )}
    </div>
  );
}

function StripPart(props: {
  readonly slice: Slice;
  readonly at: number;
  readonly reading: SliceSample | null;
  readonly onPick: () => void;
}): ReactElement {
  const { slice, at, reading, onPick } = props;
  const hue = useOwnerClass(slice.owner);
  const used = reading?.computeUsedTenths ?? null;
  const throttled = reading?.throttledTenths ?? null;
  const isThrottled = throttled !== null && throttled >= THROTTLED_SHOWN_TENTHS;
  const limit = Math.max(1, slice.computeLimitPercent);
  const promise =
    slice.computeGuaranteePercent > 0 ? `, ${String(slice.computeGuaranteePercent)} % guaranteed` : '';
  const waits = throttled === null ? '' : `, throttled ${percentFromTenths(throttled)}`;
  return (
    <button
      type="button"
      tabIndex={-1}
      className={cx('part', hue, isThrottled && 'throttled')}
      style={vars({ '--at': at, '--pct': limit })}
      title={`${slice.name}: ${percentFromTenths(used)} of its ${String(limit)} % of GPU time${promise}${waits}`}
      onClick={onPick}
    >
      {used !== null && used > 0 && (
        <i className="use" style={vars({ '--fill': Math.min(1, used / 10 / limit) })} />
      )}
      <span className="fig">{used === null ? '—' : Math.round(used / 10)}</span>
      <span className="two"> / {limit}</span>
      <span className="unit"> %</span>
      {isThrottled && <b className="waits"> throttled {percentFromTenths(throttled)}</b>}
    </button>
  );
}
