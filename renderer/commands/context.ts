/** What commands act on: the host, GPU and slices in view at this moment. */
import type { Gpu } from '../../model/gpu.ts';
import type { Job } from '../../model/job.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import type { HostSlice } from '../domain/slice-edits.ts';
import { useFleet } from '../store/fleet.ts';
import type { FleetState } from '../store/fleet.ts';
import { useUi } from '../store/ui.ts';
import type { UiState } from '../store/ui.ts';

export interface CommandContext {
  readonly ui: UiState;
  readonly fleet: FleetState;
  readonly host: HostSnapshot | null;
  readonly gpu: Gpu | null;
  readonly slice: Slice | null;
  /** The one chosen in the list of jobs. */
  readonly job: Job | null;
  /** Every slice an act is meant for: those picked together, else the selected one. */
  readonly slices: readonly HostSlice[];
}

/** What a command does now; `refusal` says why it does nothing. */
export interface Bound {
  readonly refusal: string | null;
  readonly run: () => void;
  readonly on?: boolean;
  /** Of an optional command: whether it is there at all. */
  readonly present?: boolean;
}

export function commandContext(
  ui: UiState = useUi.getState(),
  fleet: FleetState = useFleet.getState(),
): CommandContext {
  const host = ui.hostId === null ? null : (fleet.hosts[ui.hostId] ?? null);
  const { selection } = ui;
  const slice = selection.kind === 'slice' ? (host?.slices.find((s) => s.id === selection.id) ?? null) : null;
  const uuid = selection.kind === 'gpu' ? selection.uuid : slice?.gpuUuid;
  const picked = ui.picked.flatMap(({ hostId, sliceId }): HostSlice[] => {
    const of = fleet.hosts[hostId];
    const found = of?.slices.find((s) => s.id === sliceId);
    return of === undefined || found === undefined ? [] : [{ host: of, slice: found }];
  });
  return {
    ui,
    fleet,
    host,
    gpu: host?.gpus.find((gpu) => gpu.uuid === uuid) ?? null,
    slice,
    job: host?.jobs?.jobs.find((job) => job.id === ui.jobId) ?? null,
    slices: picked.length > 0 ? picked : host !== null && slice !== null ? [{ host, slice }] : [],
  };
}
