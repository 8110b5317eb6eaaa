/** One GPU: its own two charts and what its slices were promised. */
import type { ReactElement } from 'react';
import type { Gpu } from '../../../model/gpu.ts';
import type { Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib, gibWithUnit } from '../../../model/units.ts';
import { cutRefusal, gpuView } from '../../domain/host-figures.ts';
import { openDialog, select } from '../../store/ui.ts';
import { Button, OwnerTag } from '../../components/bits.tsx';
import { GpuVitals } from '../../components/gpu-vitals.tsx';
import { SourceLine } from '../../components/source-line.tsx';
import { TimeAxis } from '../../components/time-axis.tsx';
import { ComputeChart, MemoryChart } from '../../components/usage-charts.tsx';
import { useGpuChart } from '../../components/use-chart.ts';
import { GpuFaults } from './gpu-faults.tsx';
import { GpuSharing } from './gpu-sharing.tsx';
import { Partitions } from './partitions.tsx';

export function GpuInspector(props: {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  readonly sample: Sample | null;
}): ReactElement {
  const { host, gpu, sample } = props;
  const { layout, slices, sample: reading } = gpuView(host, gpu, sample);
  const chart = useGpuChart(host, gpu);
  const guaranteed = slices.reduce((sum, slice) => sum + slice.computeGuaranteePercent, 0);
  return (
    <div className="inspector" role="group" aria-label={`GPU ${String(gpu.index)} of ${host.name}`}>
      <div className="ins-head">
        <h2>GPU {gpu.index}</h2>
        <span className="small two cut" title={gpu.name}>
          {gpu.name}
        </span>
      </div>
      <MemoryChart
        chart={chart}
        capacityBytes={gpu.capacityBytes}
        usedBytes={reading?.memoryUsedBytes ?? null}
        ofBytes={gpu.capacityBytes}
      />
      <ComputeChart chart={chart} usedPercent={reading?.utilizationPercent ?? null} ofPercent={100}>
        <TimeAxis hostId={host.id} rangeMs={chart.rangeMs} />
        <SourceLine watched={chart.watched} gpu={gpu} />
      </ComputeChart>
      <section>
        <div className="head2">
          Slices <span>limit GiB · time · guaranteed %</span>
        </div>
        {slices.length === 0 ? (
          <p className="small three">None yet.</p>
        ) : (
          <table className="pickable">
            <tbody>
              {slices.map((slice) => (
                <tr key={slice.id} onClick={() => select(host.id, { kind: 'slice', id: slice.id })}>
                  <td className="cut">
                    <OwnerTag owner={slice.owner}>{slice.name}</OwnerTag>
                  </td>
                  <td className="num c-52">{gib(slice.memoryLimitBytes)}</td>
                  <td className="num c-40">{slice.computeLimitPercent}</td>
                  <td className="num c-40">{slice.computeGuaranteePercent}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        <div className="acts">
          <Button
            refusal={cutRefusal(host, gpu)}
            onClick={() => openDialog({ kind: 'create', hostId: host.id, gpuUuid: gpu.uuid })}
          >
            New slice here…
          </Button>
        </div>
      </section>
      <Partitions gpu={gpu} />
      <GpuSharing host={host} gpu={gpu} />
      <GpuFaults gpu={gpu} />
      <GpuVitals gpu={gpu} chart={chart} reading={reading} />
      <section>
        <dl className="facts">
          <dt>Free</dt>
          <dd>{gibWithUnit(layout.free)}</dd>
          <dt>Unmanaged</dt>
          <dd>{gibWithUnit(reading?.unmanagedBytes ?? null)}</dd>
          <dt>Overcommitted</dt>
          <dd>{layout.over > 0 ? gibWithUnit(layout.over) : 'no'}</dd>
          <dt>Guaranteed</dt>
          <dd>{guaranteed} % of GPU time</dd>
          <dt>ECC errors</dt>
          <dd>{reading?.eccErrors ?? '— (not counted by this GPU)'}</dd>
          <dt>Compute mode</dt>
          <dd>{gpu.computeMode ?? '—'}</dd>
          {gpu.backend.partitions !== null && (
            <>
              <dt>{gpu.backend.partitions}</dt>
              <dd>
                {gpu.partitioned === null
                  ? '—'
                  : gpu.partitioned
                    ? 'on: slices are not cut from a GPU that the hardware cuts'
                    : 'off'}
              </dd>
            </>
          )}
          <dt>UUID</dt>
          <dd className="mono wrap select">{gpu.uuid}</dd>
        </dl>
      </section>
    </div>
  );
}
