/** What can be done with jobs, why not, and in which words it is said. */
import { z } from 'zod';
import type { RequestArgs } from '../../../model/ipc.ts';
import type { HostSnapshot, Job, JobPriority, Slice } from '../../../model/model.ts';
import { ask } from '../../store/actions.ts';
import { readStored, writeStored } from '../../store/stored.ts';
import { announce, logEvent, pickJob, showToast, useUi } from '../../store/ui.ts';

/** Why there is no queue to look at; null: there is one. */
export function queueRefusal(host: HostSnapshot): string | null {
  const { connection } = host;
  if (connection.kind !== 'live' && connection.kind !== 'stale') return `${host.name} is not connected.`;
  if (host.jobs !== null) return null;
  const { version, managerName, managerUid, yourUid } = connection.agent;
  const who = managerUid === yourUid ? 'upgrade it' : `ask ${managerName} to upgrade it`;
  return `The agent on ${host.name} (${version}) has no queue for jobs: ${who}.`;
}

const youOn = (host: HostSnapshot): { name: string; operator: boolean } | null =>
  host.connection.kind === 'live' || host.connection.kind === 'stale'
    ? { name: host.connection.agent.yourName, operator: host.connection.agent.operator }
    : null;

export const isOperator = (host: HostSnapshot): boolean => youOn(host)?.operator === true;
export const isYours = (host: HostSnapshot, job: Job): boolean => youOn(host)?.name === job.user;

/** Slices in which this person may run something. */
export const usableSlices = (host: HostSnapshot): readonly Slice[] => {
  const you = youOn(host);
  return host.slices.filter((slice) => you?.operator === true || slice.owner === you?.name);
};

export function runRefusal(host: HostSnapshot, slice: Slice): string | null {
  if (host.connection.kind === 'stale') return `${host.name} has not answered for a while.`;
  const refusal = queueRefusal(host);
  if (refusal !== null) return refusal;
  return usableSlices(host).some((one) => one.id === slice.id)
    ? null
    : `${slice.name} belongs to ${slice.owner}: its owner runs programs in it.`;
}

/** Of changes to a job that is not over. */
export function jobRefusal(host: HostSnapshot, job: Job): string | null {
  if (host.connection.kind !== 'live') return `${host.name} is not connected.`;
  return isYours(host, job) || isOperator(host)
    ? null
    : `${job.name} is a job of ${job.user}: only ${job.user} and operators change it.`;
}

export const logRefusal = (host: HostSnapshot, job: Job): string | null =>
  isYours(host, job) ? null : `The log of ${job.name} belongs to ${job.user} and is read by nobody else.`;

/** What is asked for, whatever the host. */
export type Wanted = Readonly<Omit<RequestArgs<'job:start'>, 'hostId'>>;

export async function startJob(host: HostSnapshot, slice: Slice, wanted: Wanted): Promise<void> {
  const made = await ask('job:start', { hostId: host.id, ...wanted });
  if (made === null) return;
  useUi.setState({ dock: 'jobs' });
  pickJob(made.jobId);
  const text = `${made.name} runs in ${slice.name} as soon as it is its turn`;
  showToast(text);
  logEvent({ hostId: host.id, sliceId: slice.id, atMs: Date.now(), tone: 'plain', text });
}

const DONE: Readonly<Record<'cancel' | 'kill' | 'hold' | 'release' | 'first', string>> = {
  cancel: 'told to end',
  kill: 'killed',
  hold: 'on hold',
  release: 'released',
  first: 'at the front of its line',
};

export async function actOnJob(
  host: HostSnapshot,
  job: Job,
  act: 'cancel' | 'kill' | 'hold' | 'release' | 'first',
): Promise<void> {
  if ((await ask('job:act', { hostId: host.id, jobId: job.id, act })) === null) return;
  const text = `${job.name} is ${act === 'cancel' && job.startedAtMs === null ? 'cancelled' : DONE[act]}`;
  showToast(text);
  logEvent({ hostId: host.id, sliceId: job.sliceId, atMs: Date.now(), tone: 'plain', text });
}

export async function setJobPriority(host: HostSnapshot, job: Job, priority: JobPriority): Promise<void> {
  if (priority === job.priority) return;
  if ((await ask('job:priority', { hostId: host.id, jobId: job.id, priority })) === null) return;
  announce(`${job.name} has ${priority} priority`);
}

export const setSlots = (host: HostSnapshot, slots: number): Promise<null> =>
  ask('job:slots', { hostId: host.id, slots });

/* ---- what was typed last, by host and slice ---- */

const STORE_KEY = 'tranche.commands';
const KEPT_MAX = 50;
const schema = z.array(
  z.object({ key: z.string().max(600), command: z.string().max(4000), cwd: z.string().max(1000) }),
);
const keyOf = (host: HostSnapshot, slice: Slice): string => `${host.name}\n${slice.name}`;

/** The last command in this slice, else the last one anywhere on this host. */
export function lastCommand(host: HostSnapshot, slice: Slice): { command: string; cwd: string } {
  const all = readStored(STORE_KEY, schema, []);
  const found =
    all.find((one) => one.key === keyOf(host, slice)) ??
    all.find((one) => one.key.startsWith(`${host.name}\n`));
  return found ?? { command: '', cwd: '' };
}

export function rememberCommand(host: HostSnapshot, slice: Slice, command: string, cwd: string): void {
  const key = keyOf(host, slice);
  const others = readStored(STORE_KEY, schema, []).filter((one) => one.key !== key);
  writeStored(STORE_KEY, [{ key, command, cwd }, ...others].slice(0, KEPT_MAX));
}
