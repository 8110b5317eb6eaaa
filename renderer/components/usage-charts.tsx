/** The two charts that every slice and every GPU has: memory and GPU time in use, with the newest figure beside the name. */
import type { ReactElement, ReactNode } from 'react';
import { GIB, gib, gibWithUnit, mibExact } from '../../model/units.ts';
import { ChartSection } from './chart-section.tsx';
import type { ChartBase } from './use-chart.ts';

interface UsageProps {
  readonly chart: ChartBase;
  readonly note?: ReactNode;
  readonly children?: ReactNode;
}

export function MemoryChart(
  props: UsageProps & {
    /** Of the whole GPU: slices of one GPU are drawn to one scale. */
    readonly capacityBytes: number;
    readonly usedBytes: number | null;
    readonly ofBytes: number;
  },
): ReactElement {
  const { chart, note, children, capacityBytes, usedBytes, ofBytes } = props;
  return (
    <ChartSection
      {...chart}
      quantity="memory"
      yMax={capacityBytes / GIB}
      note={note}
      figure={
        <>
          <b title={mibExact(usedBytes)}>{gib(usedBytes)}</b>
          <span className="small two">of {gibWithUnit(ofBytes)}</span>
        </>
      }
    >
      {children}
    </ChartSection>
  );
}

export function ComputeChart(
  props: UsageProps & { readonly usedPercent: number | null; readonly ofPercent: number },
): ReactElement {
  const { chart, note, children, usedPercent, ofPercent } = props;
  return (
    <ChartSection
      {...chart}
      quantity="compute"
      yMax={100}
      note={note}
      figure={
        <>
          <b>{usedPercent ?? '—'}</b>
          <span className="small two">of {ofPercent} %</span>
        </>
      }
    >
      {children}
    </ChartSection>
  );
}
