/** What both charts of one thing have in common: its history over the chosen range, its colour and its name. */
import type { Gpu } from '../../model/gpu.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { useWatched } from '../store/history.ts';
import type { SubjectKind } from '../store/series.ts';
import { RANGE_MS, useUi } from '../store/ui.ts';
import type { ChartSectionProps } from './chart-section.tsx';

export type ChartBase = Pick<
  ChartSectionProps,
  'watched' | 'rangeMs' | 'rangeName' | 'hueClass' | 'refreshKey' | 'old' | 'of'
>;

export function useChart(
  host: HostSnapshot,
  what: Pick<ChartBase, 'hueClass' | 'refreshKey'> & {
    readonly kind: SubjectKind;
    readonly id: string;
    readonly name: string;
  },
): ChartBase {
  const range = useUi((s) => s.range);
  const isLive = host.connection.kind === 'live';
  return {
    watched: useWatched({ hostId: host.id, kind: what.kind, id: what.id }, RANGE_MS[range], isLive),
    rangeMs: RANGE_MS[range],
    rangeName: range,
    hueClass: what.hueClass,
    refreshKey: what.refreshKey,
    old: !isLive,
    of: `${host.name} ${what.name}`,
  };
}

export const useGpuChart = (host: HostSnapshot, gpu: Gpu): ChartBase =>
  useChart(host, {
    kind: 'gpu',
    id: gpu.uuid,
    name: `GPU ${String(gpu.index)}`,
    hueClass: 'un',
    refreshKey: gpu.uuid,
  });
