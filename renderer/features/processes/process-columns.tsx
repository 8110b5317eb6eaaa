/** The columns of the table of processes. */
import type { ProcessSample } from '../../../model/sample.ts';
import type { Slice } from '../../../model/slice.ts';
import { duration, gib, mibExact } from '../../../model/units.ts';
import { escapeText } from '../../domain/escapes.ts';
import { THROTTLED_SHOWN_TENTHS } from '../../domain/gpu-sentence.ts';
import { OwnerTag, cx, vars } from '../../components/bits.tsx';
import type { Column } from '../../components/data-columns.ts';

const NONE = '—';

export interface ProcessRow {
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
export const BELONGS: Column<ProcessRow> = {
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

/** Who runs what, and where. */
const IDENTITY: readonly Column<ProcessRow>[] = [
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
        <span className={row.slice === null ? 'two' : undefined} title={escapeText(row.process)?.why}>
          {row.slice?.name ?? 'unmanaged'}
        </span>
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
];

const FIGURES: readonly Column<ProcessRow>[] = [
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
    id: 'gated',
    heading: 'Gate',
    goes: 1,
    title: 'Whether the driver, or a supervisor at the kernel’s boundary, holds it to its slice’s limit',
    width: 64,
    says: ({ process: { gated } }) => gated !== null,
    value: ({ process: { gated } }) => (gated === null ? null : gated ? 'behind' : 'no'),
    cell: ({ process: { gated } }) => (
      <span className={cx(gated === false ? 'warn' : 'three')}>
        {gated === null ? NONE : gated ? 'behind' : 'no'}
      </span>
    ),
  },
  {
    id: 'outside',
    heading: 'Outside',
    goes: 0, // the slice's cell says it, too
    title: 'What was done with processes outside every slice, and with those that hold more than was counted',
    width: 92,
    says: ({ process }) => escapeText(process) !== null,
    value: ({ process }) => escapeText(process)?.word ?? null,
    cell: ({ process }) => {
      const text = escapeText(process);
      return (
        <span className={cx('cut', text?.tone === 'warn' ? 'warn' : 'three')} title={text?.why}>
          {text?.word ?? NONE}
        </span>
      );
    },
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
];

const stopColumn = (onStop: (process: ProcessSample) => void): Column<ProcessRow> => ({
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
        onStop(process);
      }}
    >
      Stop
    </button>
  ),
});

export const processColumns = (onStop: (process: ProcessSample) => void): readonly Column<ProcessRow>[] => [
  ...IDENTITY,
  ...FIGURES,
  stopColumn(onStop),
];
