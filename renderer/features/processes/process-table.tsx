/** Who runs what on the GPUs of a host, in slices or outside them. Keys of the focused row: I, T, K. */
import { useMemo } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';
import type { ProcessSample, Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import type { Signal } from '../../store/dialogs.ts';
import { openDialog, select, useUi } from '../../store/ui.ts';
import { squeezed } from '../../components/data-columns.ts';
import { DataTable } from '../../components/data-table.tsx';
import { useNarrow } from '../../components/use-narrow.ts';
import { BELONGS, belongsTo, processColumns } from './process-columns.tsx';
import type { ProcessRow } from './process-columns.tsx';

/** nvitop's keys. */
const SIGNAL_KEYS: Readonly<Record<string, Signal>> = { i: 'INT', t: 'TERM', k: 'KILL' };
function rowsOf(host: HostSnapshot, sample: Sample): readonly ProcessRow[] {
  const slices = new Map(host.slices.map((slice) => [slice.id, slice]));
  const jobs = new Map(host.jobs?.jobs.map((job) => [job.id, job.name]));
  const gpus = new Map(host.gpus.map((gpu) => [gpu.uuid, gpu.index]));
  return sample.processes.map((process) => ({
    // On two GPUs it is two rows.
    key: `${String(process.pid)} ${process.startTicks} ${process.gpuUuid}`,
    process,
    slice: slices.get(process.sliceId ?? '') ?? null,
    gpuIndex: gpus.get(process.gpuUuid) ?? null,
    jobName: jobs.get(process.jobId ?? '') ?? null,
    runningMs: process.startedAtMs === null ? null : sample.atMs - process.startedAtMs,
  }));
}

/** What a small window leaves room for: the figures stay, what the inspector shows too goes. */
const NARROW_PX: Readonly<Record<string, number>> = {
  pid: 62,
  user: 58,
  slice: 106,
  command: 96,
  memory: 54,
  time: 66,
  throttled: 88,
};

export function ProcessTable(props: {
  readonly host: HostSnapshot;
  readonly sample: Sample | null;
}): ReactElement {
  const { host, sample } = props;
  const selectedSlice = useUi((s) => (s.selection.kind === 'slice' ? s.selection.id : null));
  const stop = (process: ProcessSample, signal: Signal): void =>
    openDialog({ kind: 'stop-process', hostId: host.id, process, signal });
  const narrow = useNarrow();
  const belong = sample?.processes.some((process) => belongsTo(process) !== null) ?? false;
  const columns = useMemo(() => {
    const all = processColumns((process) => stop(process, 'TERM'));
    if (narrow) return squeezed(all, NARROW_PX);
    if (!belong) return all;
    const at = all.findIndex(({ id }) => id === 'command') + 1;
    return [...all.slice(0, at), BELONGS, ...all.slice(at)];
  }, [host.id, narrow, belong]);
  const rows = useMemo(
    () => (sample === null ? [] : rowsOf(host, sample)),
    [host.slices, host.gpus, host.jobs, sample],
  );
  const onRowKey = (row: ProcessRow, event: KeyboardEvent): boolean => {
    const signal = SIGNAL_KEYS[event.key.toLowerCase()];
    if (signal === undefined || event.ctrlKey || event.metaKey || event.altKey) return false;
    stop(row.process, signal);
    return true;
  };
  const omitted = sample?.processesOmitted ?? 0;
  return (
    <>
      <DataTable
        label={`Processes on ${host.name}`}
        name="processes"
        rows={rows}
        columns={columns}
        rowKey={(row) => row.key}
        sortBy="memory"
        isSelected={(row) => row.slice !== null && row.slice.id === selectedSlice}
        onPick={(row) =>
          select(
            host.id,
            row.slice === null
              ? { kind: 'gpu', uuid: row.process.gpuUuid }
              : { kind: 'slice', id: row.slice.id },
          )
        }
        onRowKey={onRowKey}
        empty={sample === null ? 'No sample yet.' : 'No process uses a GPU of this host.'}
      />
      {omitted > 0 && <p className="dock-empty small three">and {omitted} more, not listed</p>}
    </>
  );
}
