/** Heat, power and clock of a GPU. The agent keeps no history of them: the charts begin when somebody looks. */
import type { ReactElement } from 'react';
import type { Gpu } from '../../model/gpu.ts';
import type { GpuSample } from '../../model/sample.ts';
import { readerOf } from '../domain/gpu-names.ts';
import { ChartSection } from './chart-section.tsx';
import type { ChartSectionProps } from './chart-section.tsx';

const HOTTEST_C = 110;

export function GpuVitals(props: {
  readonly chart: Omit<ChartSectionProps, 'quantity' | 'yMax' | 'figure'>;
  readonly reading: GpuSample | null;
  readonly gpu: Gpu;
}): ReactElement {
  const { chart, reading, gpu } = props;
  const power = reading?.powerMilliwatts ?? null;
  const figure = (value: number | null | undefined, unit: string): ReactElement => (
    <>
      <b>{value ?? '—'}</b>
      <span className="small two">{unit}</span>
    </>
  );
  return (
    <div className="vital-charts">
      <ChartSection
        {...chart}
        quantity="temperature"
        yMax={HOTTEST_C}
        figure={figure(reading?.temperatureC, '°C')}
      />
      <ChartSection
        {...chart}
        quantity="power"
        yMax={null}
        figure={figure(power === null ? null : Math.round(power / 1000), 'W')}
      />
      <ChartSection {...chart} quantity="clock" yMax={null} figure={figure(reading?.smClockMhz, 'MHz')} />
      <p className="source micro three">
        {readerOf(gpu)}, since this GPU is looked at: the agent keeps no history of these.
      </p>
    </div>
  );
}
