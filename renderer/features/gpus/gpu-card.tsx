/** One GPU: heading, memory bar, compute strip, and at most one sentence. */
import type { ReactElement } from 'react';
import type { Gpu } from '../../../model/gpu.ts';
import type { GpuSample, Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib, gibWithUnit, mibExact } from '../../../model/units.ts';
import { partitionedText, partitionProfile, shortGpuName } from '../../domain/gpu-names.ts';
import { gpuSentence } from '../../domain/gpu-sentence.ts';
import { gpuView } from '../../domain/host-figures.ts';
import type { GpuView } from '../../domain/host-figures.ts';
import { idleText } from '../../store/idle-text.ts';
import { hostNowMs } from '../../store/series.ts';
import { useSettings } from '../../store/settings.ts';
import { useUi } from '../../store/ui.ts';
import { cx } from '../../components/bits.tsx';
import { DeniedMark, Icon } from '../../components/icons.tsx';
import { GpuLink } from '../../components/links.tsx';
import { AtPointer } from '../../components/menu.tsx';
import type { MenuEntry } from '../../components/menu.tsx';
import { around, gpuEntries, sliceEntries } from '../../commands/menu-entries.ts';
import { ComputeStrip } from './compute-strip.tsx';
import { SliceBar } from './slice-bar.tsx';
import { SplitOffers } from './split-offers.tsx';

export interface GpuCardProps {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  readonly sample: Sample | null;
  /** Said where GPUs of several hosts stand together. */
  readonly showsHost?: boolean;
}

export function GpuCard({ host, gpu, sample, showsHost = false }: GpuCardProps): ReactElement {
  const view = gpuView(host, gpu, sample);
  const selected = useUi((s) => s.selection.kind === 'gpu' && s.selection.uuid === gpu.uuid);
  const sentence = gpuSentence(view, sample, hostNowMs(host.id), (slice) => idleText(host.id, slice));
  const used = view.sample?.memoryUsedBytes ?? null;
  const busy = view.sample?.utilizationPercent ?? null;
  const entries = (hit: Element): readonly MenuEntry[] => {
    const sliceId = around(hit, 'slice');
    return sliceId === null ? gpuEntries(host.id, gpu.uuid) : sliceEntries(host.id, sliceId);
  };
  return (
    <AtPointer label={`Commands for GPU ${String(gpu.index)} and its slices`} entries={entries}>
      <article
        className={cx('gpu', selected && 'is-sel')}
        aria-label={`GPU ${String(gpu.index)}, ${gpu.name}`}
      >
        <header>
          <h2>
            <GpuLink host={host} gpu={gpu}>
              {showsHost && `${host.name} · `}GPU {gpu.index}
            </GpuLink>
          </h2>
          <span className="cut" title={gpu.name}>
            <span className="wide">{gpu.name}</span>
            <span className="narrow">{shortGpuName(gpu)}</span>
            {gpu.simulated && <span className="two"> · simulated</span>}
          </span>
          <Vitals gpu={gpu} view={view} />
        </header>
        <div className="body">
          <div className="gut mem">
            <b title={mibExact(used)}>{gib(used)}</b>
            <span>of {gibWithUnit(gpu.capacityBytes)} used</span>
          </div>
          <div>
            <SliceBar host={host} view={view} sample={sample} />
          </div>
          <div className="gut inline">
            <b>{busy === null ? '—' : `${String(busy)} %`}</b>
            <span>GPU time</span>
          </div>
          <div>
            <ComputeStrip host={host} view={view} sample={sample} />
            {view.slices.length === 0 && gpu.partitioned !== true && <SplitOffers host={host} view={view} />}
            {sentence !== null && (
              <div className="after-strip">
                {sentence.mark === 'denied' && <DeniedMark />}
                {sentence.mark === 'idle' && <Icon name="idle" />}
                {sentence.mark === 'warn' && <Icon name="warn" tone="warn" />}
                <span className="cut">
                  {sentence.text}
                  {sentence.more !== null && <span className="wide three"> · {sentence.more}</span>}
                </span>
              </div>
            )}
          </div>
        </div>
      </article>
    </AtPointer>
  );
}

function eccText(sample: GpuSample | null): ReactElement | null {
  if (sample?.eccErrors == null) return null;
  if (sample.eccErrors === 0) return <span className="wide">ECC ok</span>;
  return <span className="bad">{sample.eccErrors} ECC errors</span>;
}

function Vitals({ gpu, view }: { readonly gpu: Gpu; readonly view: GpuView }): ReactElement {
  const { sample, layout } = view;
  const limits = layout.unmanagedBytes + layout.segments.reduce((sum, s) => sum + s.limitBytes, 0);
  const hotCelsius = useSettings((s) => s.hotCelsius);
  const isHot = sample?.temperatureC != null && sample.temperatureC >= hotCelsius;
  const exclusive = gpu.computeMode !== null && !/^default$/i.test(gpu.computeMode);
  return (
    <div className="vitals">
      {view.slices.length > 0 && (
        <span className="wide" title="unmanaged memory and all limits, against capacity">
          limits {Math.round((limits / gpu.capacityBytes) * 100)} % of memory
        </span>
      )}
      <span className="narrow">
        {gib(sample?.memoryUsedBytes ?? null)} / {gibWithUnit(gpu.capacityBytes)}
      </span>
      {gpu.partitioned === true && (
        <span
          className="warn"
          title={gpu.partitions?.map(({ name }) => partitionProfile(gpu, name)).join(', ')}
        >
          {partitionedText(gpu)}
        </span>
      )}
      {exclusive && <span className="warn">{gpu.computeMode}</span>}
      <span title="temperature" className={cx(isHot && 'warn')}>
        {isHot && <Icon name="warn" tone="warn" />}
        {isHot && 'hot, '}
        {sample?.temperatureC == null ? '— °C' : `${String(sample.temperatureC)} °C`}
      </span>
      <span title="power">
        {sample?.powerMilliwatts == null ? '— W' : `${String(Math.round(sample.powerMilliwatts / 1000))} W`}
      </span>
      {eccText(sample)}
    </div>
  );
}
