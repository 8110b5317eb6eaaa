/** All hosts on one screen: what the filter leaves, under which headings, and the sums. Pure. */
import type { Gpu } from '../../../model/gpu.ts';
import type { Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gpuView } from '../../domain/host-figures.ts';
import type { Grouping } from '../../store/ui.ts';

export interface Place {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
}
export interface FleetGroup {
  readonly key: string;
  readonly title: string;
  /** Set when the group is one host: its state belongs into the heading. */
  readonly host: HostSnapshot | null;
  readonly places: readonly Place[];
}

type TagsOf = (hostId: string) => readonly string[];

const words = (filter: string): readonly string[] =>
  filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');

function placeText({ host, gpu }: Place, tags: readonly string[]): string {
  const on = host.slices.filter((slice) => slice.gpuUuid === gpu.uuid);
  return [host.name, host.address ?? '', gpu.name, ...tags, ...on.flatMap((s) => [s.name, s.owner])]
    .join(' ')
    .toLowerCase();
}

/** A host without GPUs (away, or none) is found by its own words. */
const hostText = (host: HostSnapshot, tags: readonly string[]): string =>
  [host.name, host.address ?? '', ...tags].join(' ').toLowerCase();

export function fleetGroups(
  hosts: readonly HostSnapshot[],
  tagsOf: TagsOf,
  grouping: Grouping,
  filter: string,
): readonly FleetGroup[] {
  const wanted = words(filter);
  const has = (text: string): boolean => wanted.every((word) => text.includes(word));
  const found = hosts
    .map((host) => ({
      host,
      places: host.gpus
        .map((gpu) => ({ host, gpu }))
        .filter((place) => has(placeText(place, tagsOf(host.id)))),
    }))
    .filter(
      ({ host, places }) =>
        places.length > 0 || (host.gpus.length === 0 && has(hostText(host, tagsOf(host.id)))),
    );
  if (grouping === 'host') {
    return found.map(({ host, places }) => ({ key: host.id, title: host.name, host, places }));
  }
  const places = found.flatMap((one) => one.places);
  if (grouping === 'none') {
    return places.length === 0 ? [] : [{ key: 'all', title: 'All GPUs', host: null, places }];
  }
  const titlesOf = ({ host, gpu }: Place): readonly string[] => {
    if (grouping === 'model') return [gpu.name];
    const tags = tagsOf(host.id);
    return tags.length === 0 ? ['No tag'] : tags;
  };
  const groups = new Map<string, Place[]>();
  for (const place of places) {
    for (const title of titlesOf(place)) groups.set(title, [...(groups.get(title) ?? []), place]);
  }
  return [...groups]
    .sort(([a], [b]) => Number(a === 'No tag') - Number(b === 'No tag') || a.localeCompare(b))
    .map(([title, of]) => ({ key: `${grouping} ${title}`, title, host: null, places: of }));
}

export interface Totals {
  readonly gpus: number;
  readonly capacityBytes: number;
  readonly freeBytes: number;
  readonly allocatedBytes: number;
  /** null: of at least one GPU nothing is known. */
  readonly usedBytes: number | null;
}

export function totalsOf(places: readonly Place[], sampleOf: (hostId: string) => Sample | null): Totals {
  const seen = new Set<string>();
  let [capacityBytes, freeBytes, allocatedBytes] = [0, 0, 0];
  let usedBytes: number | null = 0;
  for (const { host, gpu } of places) {
    const key = `${host.id} ${gpu.uuid}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const { layout, sample } = gpuView(host, gpu, sampleOf(host.id));
    capacityBytes += gpu.capacityBytes;
    freeBytes += layout.free;
    allocatedBytes += layout.segments.reduce((sum, segment) => sum + segment.limitBytes, 0);
    const used: number | null = sample?.memoryUsedBytes ?? null;
    usedBytes = used === null || usedBytes === null ? null : usedBytes + used;
  }
  return { gpus: seen.size, capacityBytes, freeBytes, allocatedBytes, usedBytes };
}
