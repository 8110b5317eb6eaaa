/** What a person may do with jobs on a host, and why not. Pure. */
import type { Job } from '../../model/job.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { may } from './rights.ts';

/** Why there is no queue to look at; null: there is one. */
export function queueRefusal(host: HostSnapshot): string | null {
  const { connection } = host;
  if (connection.kind !== 'live' && connection.kind !== 'stale') return `${host.name} is not connected.`;
  if (host.jobs !== null) return null;
  const { version, managerName, managerUid, yourUid } = connection.agent;
  const who = managerUid === yourUid ? 'upgrade it' : `ask ${managerName} to upgrade it`;
  return `The agent on ${host.name} (${version}) has no queue for jobs: ${who}.`;
}

const yourName = (host: HostSnapshot): string | null =>
  host.connection.kind === 'live' || host.connection.kind === 'stale' ? host.connection.agent.yourName : null;

export const isYours = (host: HostSnapshot, job: Job): boolean => yourName(host) === job.user;

/** Nothing new is started in one that the agent has suspended, whoever asks. */
export const suspendedRefusal = (slice: Slice): string | null =>
  slice.suspendedReason === null ? null : `${slice.name} is suspended: ${slice.suspendedReason}.`;

/** Slices in which this person may run something. */
export const usableSlices = (host: HostSnapshot): readonly Slice[] =>
  host.slices.filter(
    (slice) => slice.suspendedReason === null && (may(host, 'slice-use') || slice.owner === yourName(host)),
  );

export function runRefusal(host: HostSnapshot, slice: Slice): string | null {
  if (host.connection.kind === 'stale') return `${host.name} has not answered for a while.`;
  const refusal = queueRefusal(host) ?? suspendedRefusal(slice);
  if (refusal !== null) return refusal;
  return usableSlices(host).some((one) => one.id === slice.id)
    ? null
    : `${slice.name} belongs to ${slice.owner}: its owner runs programs in it.`;
}

/** Of changes to a job that is not over. */
export function jobRefusal(host: HostSnapshot, job: Job): string | null {
  if (host.connection.kind !== 'live') return `${host.name} is not connected.`;
  return isYours(host, job) || may(host, 'job-change')
    ? null
    : `${job.name} is a job of ${job.user}: only ${job.user} and operators change it.`;
}

export const logRefusal = (host: HostSnapshot, job: Job): string | null =>
  isYours(host, job) ? null : `The log of ${job.name} belongs to ${job.user} and is read by nobody else.`;
