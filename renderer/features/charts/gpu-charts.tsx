/** One GPU as two charts side by side: memory in use against capacity, GPU time. */
import type { ReactElement } from 'react';
import type { Gpu } from '../../../model/gpu.ts';
import type { Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib } from '../../../model/units.ts';
import { shortGpuName } from '../../domain/gpu-names.ts';
import { gpuView } from '../../domain/host-figures.ts';
import { GpuLink } from '../../components/links.tsx';
import { TimeAxis } from '../../components/time-axis.tsx';
import { ComputeChart, MemoryChart } from '../../components/usage-charts.tsx';
import { useGpuChart } from '../../components/use-chart.ts';

export function GpuCharts(props: {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  readonly sample: Sample | null;
  /** Said where GPUs of several hosts stand together. */
  readonly showsHost: boolean;
}): ReactElement {
  const { host, gpu, sample, showsHost } = props;
  const { layout, sample: reading } = gpuView(host, gpu, sample);
  const chart = useGpuChart(host, gpu);
  const allocated = layout.segments.reduce((sum, segment) => sum + segment.limitBytes, 0);
  const name = `${showsHost ? `${host.name}, ` : ''}GPU ${String(gpu.index)}`;
  return (
    <article className="gpu gpu-charts" aria-label={`${name}, ${gpu.name}`}>
      <header>
        <h2>
          <GpuLink host={host} gpu={gpu}>
            {name}
          </GpuLink>
        </h2>
        <span className="cut" title={gpu.name}>
          {shortGpuName(gpu)}
          {gpu.simulated && <span className="two"> · simulated</span>}
        </span>
      </header>
      <div className="chart-pair">
        <MemoryChart
          chart={chart}
          capacityBytes={gpu.capacityBytes}
          usedBytes={reading?.memoryUsedBytes ?? null}
          ofBytes={gpu.capacityBytes}
          note={<span className="small two wide">{gib(allocated)} allocated</span>}
        >
          <TimeAxis hostId={host.id} rangeMs={chart.rangeMs} />
        </MemoryChart>
        <ComputeChart chart={chart} usedPercent={reading?.utilizationPercent ?? null} ofPercent={100}>
          <TimeAxis hostId={host.id} rangeMs={chart.rangeMs} />
        </ComputeChart>
      </div>
    </article>
  );
}
