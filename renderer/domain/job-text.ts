/** A job in words: what it is doing, what it waits for, how it ended. Pure; clocks come in. */
import { assertNever } from '../../model/errors.ts';
import type { Job, JobWait } from '../../model/job.ts';
import { gibWithUnit } from '../../model/units.ts';

export type JobTone = 'plain' | 'good' | 'warn' | 'bad';

export const isOver = (job: Job): boolean =>
  job.state !== 'queued' && job.state !== 'held' && job.state !== 'running' && job.state !== 'stopping';
export const isWaiting = (job: Job): boolean => job.state === 'queued' || job.state === 'held';

const SIGNALS: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  13: 'SIGPIPE',
  15: 'SIGTERM',
};
const signalName = (signal: number): string => SIGNALS[signal] ?? `signal ${String(signal)}`;

function endText({ exitCode, signal }: Job): string {
  if (signal !== null) return `ended by ${signalName(signal)}`;
  if (exitCode === null) return 'ended';
  return exitCode === 0 ? 'done' : `failed, exit ${String(exitCode)}`;
}

/** One or two words for the column. */
export function stateText(job: Job): string {
  switch (job.state) {
    case 'queued':
      return 'waiting';
    case 'held':
      return 'on hold';
    case 'running':
      return 'running';
    case 'stopping':
      return 'stopping';
    case 'ended':
      return endText(job);
    case 'cancelled':
      return 'cancelled';
    case 'preempted':
      return 'displaced';
    case 'failed':
      return 'did not start';
    case 'lost':
      return 'lost';
    default:
      return assertNever(job.state, 'state of a job');
  }
}

export function toneOf(job: Job): JobTone {
  if (job.state === 'running') return 'good';
  if (job.state === 'ended') return job.exitCode === 0 ? 'plain' : 'bad';
  if (job.state === 'failed' || job.state === 'lost') return 'bad';
  return job.state === 'stopping' || job.state === 'preempted' ? 'warn' : 'plain';
}

const ORDINALS = ['first', 'second', 'third', 'fourth', 'fifth'] as const;
/** `first`, `12th`. */
export const placeText = (position: number): string => ORDINALS[position - 1] ?? `${String(position)}th`;
const placeInLine = (position: number | null): string => {
  if (position === null) return '';
  return ` ${placeText(position)} in line.`;
};

/** `train-7 of mira`. */
const other = (waits: JobWait): string =>
  waits.jobName === null
    ? 'another job'
    : waits.user === null
      ? waits.jobName
      : `${waits.jobName} of ${waits.user}`;

/** Why a job waits, in a sentence, and what would change it. `clock`: a moment as people say it. */
export function waitText(waits: JobWait, clock: (atMs: number) => string): string {
  const line = placeInLine(waits.position);
  const Line = line.trim().replace(/^./, (letter) => letter.toUpperCase());
  switch (waits.code) {
    case 'held':
      return waits.user === null
        ? 'On hold until it is released.'
        : `Held by ${waits.user} until it is released.`;
    case 'slice-gone':
      return 'Its slice was deleted: undo that, or cancel the job.';
    case 'not-yours':
      return 'Its slice belongs to somebody else now.';
    case 'slice-not-open':
      return waits.untilMs === null
        ? 'The slice has not started yet.'
        : `The slice starts ${clock(waits.untilMs)}.`;
    case 'slice-over':
      return 'The slice has ended: give it a later end, or cancel the job.';
    case 'running': {
      const since = waits.sinceMs === null ? '' : `, running since ${clock(waits.sinceMs)}`;
      return `Waits for ${other(waits)}${since};${line}`.replace(/;$/, '.');
    }
    case 'stopping': {
      const until = waits.untilMs === null ? '' : `, at ${clock(waits.untilMs)} at the latest`;
      return `Starts when ${other(waits)} has stopped${until}.`;
    }
    case 'behind':
      return `Behind ${other(waits)}, which waits itself;${line}`.replace(/;$/, '.');
    case 'slice-memory': {
      const free = `Needs ${gibWithUnit(waits.needBytes)} free in the slice, and ${gibWithUnit(waits.freeBytes)} are`;
      return waits.jobId === null
        ? `${free}: processes outside the queue hold the rest.`
        : `${free} beside ${other(waits)}.`;
    }
    case 'gpu-memory':
      return `Needs ${gibWithUnit(waits.needBytes)} free on the GPU, and ${gibWithUnit(waits.freeBytes)} are: its slices may use more than it has.`;
    case 'memory-unknown':
      return 'Waits until it is known how much memory is free in the slice.';
    case 'starting':
      return 'Starts now.';
    case 'away':
      return 'Has not come back to the agent yet, which was restarted.';
    case null:
      return Line === '' ? 'Waits for a reason that this version does not know.' : Line;
    default:
      return assertNever(waits.code, 'reason');
  }
}

/** What there is to say beside the state; "" for nothing. */
export function detailText(job: Job, clock: (atMs: number) => string): string {
  if (job.waits !== null) return waitText(job.waits, clock);
  const by = job.byUser === null ? '' : ` by ${job.byUser}`;
  switch (job.state) {
    case 'stopping': {
      const kill = job.killAtMs === null ? '' : `; killed at ${clock(job.killAtMs)} at the latest`;
      return `Asked to end${by}${kill}.`;
    }
    case 'cancelled':
      return job.message ?? `Cancelled${by}${job.startedAtMs === null ? ' before it started' : ''}.`;
    case 'preempted':
      return `Made room for a job${job.byUser === null ? '' : ` of ${job.byUser}`}.`;
    case 'running':
      return job.message ?? (job.runs > 1 ? `Run ${String(job.runs)}, after it was displaced.` : '');
    case 'queued':
    case 'held':
    case 'ended':
    case 'failed':
    case 'lost':
      return job.message ?? '';
    default:
      return assertNever(job.state, 'state of a job');
  }
}

/** In what order a list is read: what runs, then the lines, then what is over, newest first. */
const RANKS: Readonly<Record<Job['state'], number>> = {
  stopping: 0,
  running: 1,
  queued: 2,
  held: 3,
  ended: 4,
  cancelled: 4,
  preempted: 4,
  failed: 4,
  lost: 4,
};
export function compareJobs(a: Job, b: Job): number {
  const rank = RANKS[a.state] - RANKS[b.state];
  if (rank !== 0) return rank;
  if (isOver(a)) return (b.endedAtMs ?? 0) - (a.endedAtMs ?? 0);
  const place = (a.waits?.position ?? 0) - (b.waits?.position ?? 0);
  return place !== 0 ? place : a.submittedAtMs - b.submittedAtMs;
}
