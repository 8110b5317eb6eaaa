/** Who runs what on the GPUs of a host, in slices or outside them. Keys of the focused row: I, T, K. */
import { useMemo } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';
import type { ProcessSample, Sample } from '../../../model/sample.ts';
import type { Slice } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { duration, gib, mibExact } from '../../../model/units.ts';
import { THROTTLED_SHOWN_TENTHS } from '../../domain/gpu-sentence.ts';
import type { Signal } from '../../store/dialogs.ts';
import { openDialog, select, useUi } from '../../store/ui.ts';
import { OwnerTag, cx, vars } from '../../components/bits.tsx';
import { DataTable, squeezed } from '../../components/data-table.tsx';
import type { Column } from '../../components/data-table.tsx';
import { useNarrow } from '../../components/use-narrow.ts';

/** nvitop's keys. */
const SIGNAL_KEYS: Readonly<Record<string, Signal>> = { i: 'INT', t: 'TERM', k: 'KILL' };
const NONE = '—';

interface ProcessRow {
  readonly key: string;
  readonly process: ProcessSample;
  readonly slice: Slice | null;
  readonly gpuIndex: number | null;
  /** Of the job that it belongs to. */
  readonly jobName: string | null;
  readonly runningMs: number | null;
}

const tenths = (value: number | null): string => (value === null ? NONE : String(Math.round(value / 10)));
const userOf = ({ user, uid }: ProcessSample): string => user ?? (uid === null ? NONE : String(uid));

/** Where it belongs: container first, then job or service; null where nothing is known. */
export const belongsTo = ({ container, unit }: ProcessSample): string | null =>
  [container, unit].filter((part) => part !== null).join(', ') || null;

/** Of most hosts there is nothing to say: the column comes with the first process that has it. */
const BELONGS: Column<ProcessRow> = {
  id: 'belongs',
  heading: 'Container, job',
  goes: 1,
  title: 'As the control groups of the process tell',
  width: 120,
  value: (row) => belongsTo(row.process),
  cell: (row) => (
    <span
      title={belongsTo(row.process) ?? undefined}
      className={belongsTo(row.process) === null ? 'three' : 'cut'}
    >
      {belongsTo(row.process) ?? NONE}
    </span>
  ),
};

function rowsOf(host: HostSnapshot, sample: Sample): readonly ProcessRow[] {
  const slices = new Map(host.slices.map((slice) => [slice.id, slice]));
  const jobs = new Map(host.jobs?.jobs.map((job) => [job.id, job.name]));
  const gpus = new Map(host.gpus.map((gpu) => [gpu.uuid, gpu.index]));
  return sample.processes.map((process) => ({
    key: `${String(process.pid)} ${process.startTicks}`,
    process,
    slice: slices.get(process.sliceId ?? '') ?? null,
    gpuIndex: gpus.get(process.gpuUuid) ?? null,
    jobName: jobs.get(process.jobId ?? '') ?? null,
    runningMs: process.startedAtMs === null ? null : sample.atMs - process.startedAtMs,
  }));
}

const columnsFor = (
  stop: (process: ProcessSample, signal: Signal) => void,
): readonly Column<ProcessRow>[] => [
  {
    id: 'pid',
    heading: 'PID',
    width: 72,
    numeric: true,
    value: (row) => row.process.pid,
    cell: (row) => <span className="mono">{row.process.pid}</span>,
  },
  {
    id: 'user',
    heading: 'User',
    width: 74,
    value: (row) => userOf(row.process),
    cell: (row) => userOf(row.process),
  },
  {
    id: 'slice',
    heading: 'Slice',
    width: 132,
    value: (row) => row.slice?.name ?? null,
    cell: (row) => (
      <OwnerTag owner={row.slice?.owner ?? null}>
        {row.slice === null ? <span className="two">unmanaged</span> : row.slice.name}
      </OwnerTag>
    ),
  },
  {
    id: 'gpu',
    heading: 'GPU',
    width: 48,
    numeric: true,
    value: (row) => row.gpuIndex,
    cell: (row) => row.gpuIndex ?? NONE,
  },
  {
    id: 'command',
    heading: 'Command',
    width: 110,
    grows: true,
    value: (row) => row.process.command,
    cell: (row) => (
      <>
        {row.jobName !== null && <span className="strong">{row.jobName} </span>}
        <span
          className="mono"
          title={[row.process.command, belongsTo(row.process)].filter((part) => part !== null).join('\n')}
        >
          {row.process.command}
        </span>
      </>
    ),
  },
  {
    id: 'memory',
    heading: 'GiB',
    width: 66,
    numeric: true,
    value: (row) => row.process.memoryUsedBytes,
    cell: (row) => (
      <span title={mibExact(row.process.memoryUsedBytes)}>{gib(row.process.memoryUsedBytes)}</span>
    ),
  },
  {
    id: 'time',
    heading: 'Time %',
    width: 92,
    numeric: true,
    value: (row) => row.process.computeUsedTenths,
    cell: (row) => (
      <>
        <i
          className="meter wide"
          aria-hidden="true"
          style={vars({ '--p': (row.process.computeUsedTenths ?? 0) / 10 })}
        />
        <span className="n2">{tenths(row.process.computeUsedTenths)}</span>
      </>
    ),
  },
  {
    id: 'throttled',
    heading: 'Throttled %',
    title: 'Not measured outside a slice',
    width: 88,
    numeric: true,
    says: (row) => Math.round((row.process.throttledTenths ?? 0) / 10) > 0,
    value: (row) => row.process.throttledTenths,
    cell: ({ process: { throttledTenths } }) => (
      <span className={cx((throttledTenths ?? 0) >= THROTTLED_SHOWN_TENTHS ? 'warn' : 'three')}>
        {tenths(throttledTenths)}
      </span>
    ),
  },
  {
    id: 'up',
    heading: 'Running for',
    goes: 2,
    width: 96,
    numeric: true,
    value: (row) => row.runningMs,
    cell: (row) => duration(row.runningMs),
  },
  {
    id: 'stop',
    heading: 'Stop',
    width: 56,
    numeric: true,
    acts: true,
    value: () => null,
    cell: ({ process }) => (
      <button
        type="button"
        className="row-act"
        aria-label={`Stop process ${String(process.pid)}`}
        tabIndex={-1}
        onClick={(event) => {
          event.stopPropagation();
          stop(process, 'TERM');
        }}
      >
        Stop
      </button>
    ),
  },
];

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
    const all = columnsFor(stop);
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
