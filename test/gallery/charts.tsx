/** Charts and what stands around them: of the live lab, and of a subject of which nothing is known. */
import type { ReactElement } from 'react';
import type { Sample } from '../../model/sample.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { watch } from '../../renderer/store/series.ts';
import { ChartSection } from '../../renderer/components/chart-section.tsx';
import { SeriesChart } from '../../renderer/components/chart.tsx';
import { OfHost, OfSlice } from '../../renderer/components/dialog-parts.tsx';
import { GpuVitals } from '../../renderer/components/gpu-vitals.tsx';
import { SourceLine } from '../../renderer/components/source-line.tsx';
import { TimeAxis } from '../../renderer/components/time-axis.tsx';
import { ComputeChart, MemoryChart } from '../../renderer/components/usage-charts.tsx';
import { useChart, useGpuChart } from '../../renderer/components/use-chart.ts';
import { gpuSample, sliceSample } from '../../renderer/domain/host-figures.ts';
import { LAB, LAB_GPU, LONG_NAME } from './lab.ts';
import type { GallerySection } from './state.ts';

const RANGE_MS = 900_000;
const nightly = LAB.slices.find(({ name }) => name === 'nightly');
const [first] = LAB.gpus;
if (nightly === undefined || first === undefined) throw new Error('the fake lab lacks what is drawn of it');

/** Nobody has measured it: a chart of it is empty. */
const unknown = {
  watched: watch({ hostId: 'ssh:nobody', kind: 'slice', id: 'unknown' }),
  rangeMs: RANGE_MS,
  rangeName: '15m',
  hueClass: 'un',
  refreshKey: 'unknown',
} as const;

interface Of {
  readonly host: HostSnapshot;
  readonly sample: Sample | null;
}
function SliceCharts(props: Of & { readonly slice: Slice; readonly old?: boolean }): ReactElement {
  const { host, slice, sample, old = false } = props;
  const chart = useChart(host, {
    kind: 'slice',
    id: slice.id,
    name: slice.name,
    hueClass: 'o2',
    refreshKey: slice.owner,
  });
  const shown = { ...chart, old };
  const reading = sliceSample(sample, slice.id);
  return (
    <>
      <MemoryChart
        chart={shown}
        capacityBytes={first?.capacityBytes ?? 0}
        usedBytes={reading?.memoryUsedBytes ?? null}
        ofBytes={slice.memoryLimitBytes}
      />
      <ComputeChart
        chart={shown}
        usedPercent={reading === null ? null : 25}
        ofPercent={slice.computeLimitPercent}
        note={<span className="small warn">throttled 60 %</span>}
      >
        <TimeAxis hostId={host.id} rangeMs={shown.rangeMs} />
        <SourceLine watched={shown.watched} gpu={first ?? LAB_GPU} />
      </ComputeChart>
    </>
  );
}
function Vitals({ host, sample, known }: Of & { readonly known: boolean }): ReactElement | null {
  const [gpu] = host.gpus;
  const chart = useGpuChart(host, gpu ?? ({ ...LAB.gpus[0], uuid: 'none' } as never));
  return (
    <GpuVitals
      gpu={gpu ?? LAB_GPU}
      chart={chart}
      reading={known && gpu !== undefined ? gpuSample(sample, gpu.uuid) : null}
    />
  );
}
const ofNightly = { hostId: LAB.id, sliceId: nightly.id };

export const CHARTS: GallerySection = {
  name: 'charts',
  title: 'Charts',
  states: [
    { name: 'of a slice', draw: () => <OfSlice of={ofNightly} show={(at) => <SliceCharts {...at} />} /> },
    {
      name: 'of a lost host',
      draw: () => <OfSlice of={ofNightly} show={(at) => <SliceCharts {...at} old />} />,
    },
    {
      name: 'unknown',
      draw: () => (
        <ChartSection {...unknown} quantity="memory" yMax={24} of={LONG_NAME} figure={<b>—</b>}>
          <SourceLine watched={unknown.watched} gpu={LAB_GPU} />
        </ChartSection>
      ),
    },
    { name: 'plot alone', draw: () => <SeriesChart {...unknown} quantity="compute" yMax={100} /> },
    {
      name: 'heat and power',
      draw: () => <OfHost of={{ hostId: LAB.id }} show={(at) => <Vitals {...at} known />} />,
    },
    {
      name: 'heat and power unknown',
      draw: () => <OfHost of={{ hostId: LAB.id }} show={(at) => <Vitals {...at} known={false} />} />,
    },
  ],
};
