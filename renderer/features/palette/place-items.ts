/** What the palette finds on a host: itself, its GPUs, slices and jobs. With a fleet these are nearly all there is. */
import type { HostSnapshot } from '../../../model/model.ts';
import { gibWithUnit } from '../../../model/units.ts';
import { shortGpuName } from '../../domain/gpu-names.ts';
import { hostFigures } from '../../domain/host-figures.ts';
import { isOver, stateText } from '../../domain/job-text.ts';
import { shownSample } from '../../store/series.ts';
import { goToJob, select, selectHost } from '../../store/ui.ts';
import { item } from './item.ts';
import type { PaletteItem } from './item.ts';

/** Snapshots never change, only new ones come: of a host that is as it was nothing is made again. */
const made = new WeakMap<HostSnapshot, readonly PaletteItem[]>();

export function itemsOn(host: HostSnapshot): readonly PaletteItem[] {
  const known = made.get(host);
  if (known !== undefined) return known;
  const items = [hostItem(host), ...gpuItems(host), ...sliceItems(host), ...jobItems(host)];
  made.set(host, items);
  return items;
}

const hostItem = (host: HostSnapshot): PaletteItem => ({
  ...item(`host ${host.id}`, 'Hosts', host.name, () => selectHost(host.id), { also: host.address ?? '' }),
  // Worked out when the row is drawn: what is free changes with the samples, and few of these rows are in sight.
  get hint() {
    const free = hostFigures(host, shownSample(host.id)).freeBytes;
    return free === null ? host.connection.kind : `${gibWithUnit(free)} free`;
  },
});

const gpuItems = (host: HostSnapshot): readonly PaletteItem[] =>
  host.gpus.map((gpu) =>
    item(
      `gpu ${host.id} ${gpu.uuid}`,
      'GPUs',
      `${host.name} · GPU ${String(gpu.index)}`,
      () => select(host.id, { kind: 'gpu', uuid: gpu.uuid }),
      { also: gpu.name, hint: shortGpuName(gpu) },
    ),
  );

const sliceItems = (host: HostSnapshot): readonly PaletteItem[] =>
  host.slices.map((slice) =>
    item(
      `slice ${host.id} ${slice.id}`,
      'Slices',
      slice.name,
      () => select(host.id, { kind: 'slice', id: slice.id }),
      {
        also: `${host.name} ${slice.owner}`,
        owner: slice.owner,
        hint: `${slice.owner} · ${gibWithUnit(slice.memoryLimitBytes)} on ${host.name}`,
      },
    ),
  );

/** Those that run or wait: what is over stands in the list. */
const jobItems = (host: HostSnapshot): readonly PaletteItem[] =>
  (host.jobs?.jobs ?? [])
    .filter((job) => !isOver(job))
    .map((job) =>
      item(`job ${host.id} ${job.id}`, 'Jobs', job.name, () => goToJob(host.id, job.id), {
        also: `job ${host.name} ${job.user} ${job.command}`,
        hint: `${stateText(job)}, ${job.user} on ${host.name}`,
      }),
    );
