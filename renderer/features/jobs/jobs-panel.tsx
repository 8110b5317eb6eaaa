/** The dock's jobs: what runs, what waits and for what, what is over. A row's keys: L log, C cancel, H hold or release. */
import { useMemo } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';
import type { CommandId } from '../../../model/commands.ts';
import type { Job } from '../../../model/job.ts';
import type { Slice } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { duration } from '../../../model/units.ts';
import { queueRefusal } from '../../domain/job-rights.ts';
import { compareJobs, detailText, isOver, stateText, toneOf } from '../../domain/job-text.ts';
import { clock, dayTimeSeconds, soonTime } from '../../domain/when.ts';
import { pickJob, useUi } from '../../store/ui.ts';
import { Button, OwnerTag } from '../../components/bits.tsx';
import { squeezed } from '../../components/data-columns.ts';
import type { Column } from '../../components/data-columns.ts';
import { DataTable } from '../../components/data-table.tsx';
import { useNarrow } from '../../components/use-narrow.ts';
import { jobEntries } from '../../commands/menu-entries.ts';
import { runCommand } from '../../commands/registry.ts';
import { LogView } from './log-view.tsx';
import { SlotsField } from './slots-field.tsx';

const NONE = '—';

interface JobRow {
  readonly job: Job;
  readonly slice: Slice | null;
  readonly rank: number;
  /** Since when it runs, waits or is over. */
  readonly sinceMs: number | null;
}

function rowsOf(host: HostSnapshot): readonly JobRow[] {
  const slices = new Map(host.slices.map((slice) => [slice.id, slice]));
  return [...(host.jobs?.jobs ?? [])].sort(compareJobs).map((job, rank) => ({
    job,
    slice: slices.get(job.sliceId) ?? null,
    rank,
    sinceMs: isOver(job) ? job.endedAtMs : (job.startedAtMs ?? job.submittedAtMs),
  }));
}

const DAY_MS = 86_400_000;

/** The time of day, or how long ago where that would be another day's. */
const sinceText = (sinceMs: number | null): string => {
  if (sinceMs === null) return NONE;
  const ago = Date.now() - sinceMs;
  return ago < DAY_MS ? clock(sinceMs) : `${String(Math.floor(ago / DAY_MS))} d ago`;
};
const sinceTitle = (sinceMs: number | null): string | undefined =>
  sinceMs === null ? undefined : `${dayTimeSeconds(sinceMs)}, ${duration(Date.now() - sinceMs)} ago`;

const act = (id: CommandId, jobId: string): void => {
  pickJob(jobId);
  runCommand(id);
};

const rowAct = (id: CommandId, label: string, word: string, job: Job): ReactElement => (
  <button
    type="button"
    className="row-act"
    aria-label={`${label} ${job.name}`}
    tabIndex={-1}
    onClick={(event) => {
      event.stopPropagation();
      act(id, job.id);
    }}
  >
    {word}
  </button>
);

const columnsFor = (): readonly Column<JobRow>[] => [
  {
    id: 'job',
    heading: 'Job',
    title: 'What runs, then the lines, then what is over',
    width: 158,
    fixed: true,
    // A figure is sorted downwards first.
    value: (row) => -row.rank,
    cell: ({ job }) => (
      <span title={`${job.name}, ${job.priority} priority: ${job.command}`}>
        <span className="strong">{job.name}</span>
        {job.priority !== 'normal' && <span className="two"> {job.priority}</span>}
      </span>
    ),
  },
  {
    id: 'slice',
    heading: 'Slice',
    width: 122,
    value: (row) => row.slice?.name ?? null,
    cell: ({ slice }) =>
      slice === null ? (
        <span className="two">deleted</span>
      ) : (
        <OwnerTag owner={slice.owner}>{slice.name}</OwnerTag>
      ),
  },
  { id: 'user', heading: 'Of', width: 66, value: (row) => row.job.user, cell: (row) => row.job.user },
  {
    id: 'state',
    heading: 'State',
    width: 118,
    value: (row) => stateText(row.job),
    cell: ({ job }) => <span className={`job-state ${toneOf(job)}`}>{stateText(job)}</span>,
  },
  {
    id: 'since',
    heading: 'Since',
    width: 62,
    numeric: true,
    value: (row) => row.sinceMs,
    cell: (row) => <span title={sinceTitle(row.sinceMs)}>{sinceText(row.sinceMs)}</span>,
  },
  {
    id: 'why',
    heading: 'Why',
    width: 160,
    grows: true,
    value: (row) => detailText(row.job, soonTime),
    cell: ({ job }) => {
      const text = detailText(job, soonTime);
      return text === '' ? (
        <span className="three mono" title={job.command}>
          {job.command}
        </span>
      ) : (
        <span title={`${text}\n${job.command}`}>{text}</span>
      );
    },
  },
  {
    id: 'acts',
    heading: 'Log, cancel',
    width: 108,
    numeric: true,
    acts: true,
    value: () => null,
    cell: ({ job }) => (
      <>
        {rowAct('job.log', 'Log of', 'Log', job)}
        {isOver(job)
          ? rowAct('job.again', 'Run again', 'Run again', job)
          : rowAct('job.cancel', 'Cancel', 'Cancel', job)}
      </>
    ),
  },
];

/** What a small window leaves room for. */
const NARROW_PX: Readonly<Record<string, number>> = {
  job: 112,
  slice: 106,
  user: 58,
  state: 92,
  why: 140,
  acts: 104,
};

/** Of a focused row; H does what can be done. */
function commandOfKey(key: string, job: Job): CommandId | null {
  if (key === 'l') return 'job.log';
  if (key === 'c') return 'job.cancel';
  if (key === 'h') return job.state === 'held' ? 'job.release' : 'job.hold';
  return null;
}

export function JobsPanel({ host }: { readonly host: HostSnapshot }): ReactElement {
  const jobId = useUi((s) => s.jobId);
  const showsLog = useUi((s) => s.jobLog);
  const narrow = useNarrow();
  const columns = useMemo(() => (narrow ? squeezed(columnsFor(), NARROW_PX) : columnsFor()), [narrow]);
  const rows = useMemo(() => rowsOf(host), [host.jobs, host.slices]);
  const chosen = rows.find((row) => row.job.id === jobId) ?? null;
  const refusal = queueRefusal(host);
  if (host.jobs === null) return <p className="dock-empty small two">{refusal}</p>;
  if (showsLog && chosen !== null) return <LogView host={host} job={chosen.job} />;
  const onRowKey = (row: JobRow, event: KeyboardEvent): boolean => {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const id = commandOfKey(event.key.toLowerCase(), row.job);
    if (id === null) return false;
    act(id, row.job.id);
    return true;
  };
  const { jobsOmitted } = host.jobs;
  return (
    <>
      <DataTable
        label={`Jobs on ${host.name}`}
        name="jobs"
        rows={rows}
        columns={columns}
        rowKey={(row) => row.job.id}
        sortBy="job"
        isSelected={(row) => row.job.id === jobId}
        onPick={(row) => pickJob(row.job.id)}
        onRowKey={onRowKey}
        menu={(row) => jobEntries(row.job.id)}
        empty="No jobs. R runs a command in a slice: it waits for its turn there, and goes on when you leave."
      />
      {jobsOmitted > 0 && <p className="dock-empty small three">and {jobsOmitted} more, not listed</p>}
    </>
  );
}

/** Beside the tabs. */
export function JobsTools({ host }: { readonly host: HostSnapshot }): ReactElement {
  const showsLog = useUi((s) => s.jobLog && s.jobId !== null);
  return (
    <>
      {!showsLog && (
        <span className="micro three wide keys-hint">in a row: L log, C cancel, H hold or release</span>
      )}
      {host.jobs !== null && <SlotsField host={host} list={host.jobs} />}
      <Button kind="quiet" tight onClick={() => runCommand('job.run')} refusal={queueRefusal(host)}>
        Run in slice…
      </Button>
    </>
  );
}
