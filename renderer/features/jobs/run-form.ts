/** What is typed in the sheet for a job, and the job it means. Pure. */
import type { Job, JobPriority } from '../../../model/job.ts';
import type { Slice } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gibWithUnit, parseBytes } from '../../../model/units.ts';
import { runRefusal } from '../../domain/job-rights.ts';
import { nameProblem } from '../../domain/slice-edits.ts';
import type { Wanted } from '../../acts/jobs.ts';

export const PRIORITIES: readonly (readonly [JobPriority, string])[] = [
  ['low', 'Low: after the others'],
  ['normal', 'Normal'],
  ['high', 'High: before the others'],
];
export const YIELDS = [
  ['stays', 'Runs on'],
  ['requeue', 'Makes room, waits again'],
  ['ends', 'Makes room, is over'],
] as const;
const GRACE_MAX_S = 600;
const COMMAND_MAX = 4000;

export interface TypedJob {
  readonly sliceId: string;
  readonly command: string;
  readonly cwd: string;
  readonly name: string;
  readonly priority: JobPriority;
  readonly yields: (typeof YIELDS)[number][0];
  readonly preempts: boolean;
  readonly minFree: string;
  readonly grace: string;
  /** The prefix of a Python environment; empty: as in the shell. */
  readonly environment: string;
}

/** The first thing that is wrong, in the order of the fields; else the job that would be started. */
export function readJob(typed: TypedJob, slice: Slice): Wanted | string {
  const command = typed.command.trim();
  const name = typed.name.trim();
  if (command === '') return 'Type a command, as you would in a shell there.';
  if (new TextEncoder().encode(command).length > COMMAND_MAX)
    return 'A command has at most 4000 bytes: put it into a script.';
  const badName = name === '' ? null : nameProblem(name);
  if (badName !== null) return badName;
  const free = typed.minFree.trim() === '' ? null : parseBytes(typed.minFree, 'g');
  if (free?.ok === false) return free.message;
  if (free !== null && free.value > slice.memoryLimitBytes)
    return `${slice.name} has a limit of ${gibWithUnit(slice.memoryLimitBytes)}: more can never be free in it.`;
  const grace = /^\d{1,3}$/.test(typed.grace.trim()) ? Number(typed.grace) : Number.NaN;
  if (!(grace <= GRACE_MAX_S)) return 'The grace is 0 to 600 seconds.';
  return {
    sliceId: slice.id,
    command,
    name: name === '' ? null : name,
    cwd: typed.cwd.trim() === '' ? null : typed.cwd.trim(),
    priority: typed.priority,
    preemptible: typed.yields !== 'stays',
    requeue: typed.yields === 'requeue',
    preempts: typed.preempts && typed.priority !== 'low',
    minFreeBytes: free === null ? null : free.value,
    graceMs: grace * 1000,
    environment: typed.environment === '' ? null : typed.environment,
  };
}

/** What a sheet begins with. `known`: the command and the environment of before; `again`: a job that is run once more. */
export const firstTyped = (
  slice: Slice,
  known: Pick<TypedJob, 'command' | 'cwd' | 'environment'>,
  again: Pick<Job, 'command' | 'name' | 'priority'> | null,
): TypedJob => ({
  sliceId: slice.id,
  name: '',
  priority: 'normal',
  yields: 'stays',
  preempts: false,
  minFree: '',
  grace: '30',
  ...known,
  ...again,
});

/** `refusal`: why it cannot be run, null when it can. `isWrong`: an empty sheet is not wrong yet. */
export function judgeJob(
  host: HostSnapshot,
  slice: Slice,
  typed: TypedJob,
  wanted: Wanted | string,
  isAsking: boolean,
): { readonly refusal: string | null; readonly isWrong: boolean } {
  const barred = runRefusal(host, slice);
  // Asked already and chosen before: without the answer it would be run in another one than meant.
  const waits = isAsking && typed.environment !== '' ? 'Looking for the environments there…' : null;
  const refusal = barred ?? (typeof wanted === 'string' ? wanted : waits);
  return { refusal, isWrong: refusal !== null && (typed.command !== '' || barred !== null) };
}
