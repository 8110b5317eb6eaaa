/** What will become of a job that is about to be started: the agent's rules of the line, told beforehand. Pure. */
import type { Job, JobPriority } from '../../model/job.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { duration, gibWithUnit } from '../../model/units.ts';
import { isYours } from './job-rights.ts';
import { may as mayDo } from './rights.ts';
import { placeText } from './job-text.ts';

const RANK: Readonly<Record<JobPriority, number>> = { low: 0, normal: 1, high: 2 };

export interface Asked {
  readonly priority: JobPriority;
  readonly preempts: boolean;
  readonly minFreeBytes: number | null;
}

/** The lowest that it may stop, of those the youngest. */
function victimOf(host: HostSnapshot, running: readonly Job[], asked: Asked): Job | null {
  const may = running.filter(
    (job) =>
      job.state === 'running' &&
      RANK[job.priority] < RANK[asked.priority] &&
      (isYours(host, job) || mayDo(host, 'jobs-order')) &&
      (job.preemptible || asked.preempts),
  );
  const [first] = may.sort(
    (a, b) => RANK[a.priority] - RANK[b.priority] || (b.startedAtMs ?? 0) - (a.startedAtMs ?? 0),
  );
  return first ?? null;
}

export function aheadText(host: HostSnapshot, slice: Slice, asked: Asked): string {
  const jobs = (host.jobs?.jobs ?? []).filter((job) => job.sliceId === slice.id);
  const running = jobs.filter((job) => job.state === 'running' || job.state === 'stopping');
  const ahead = jobs.filter((job) => job.state === 'queued' && RANK[job.priority] >= RANK[asked.priority]);
  const memory = asked.minFreeBytes === null ? '' : `, once ${gibWithUnit(asked.minFreeBytes)} are free`;
  if (ahead.length === 0 && running.length < (host.jobs?.slotsPerSlice ?? 1)) {
    return memory === ''
      ? 'Nobody is before it: it starts at once.'
      : `Nobody is before it: it starts${memory}.`;
  }
  const victim = ahead.length === 0 ? victimOf(host, running, asked) : null;
  if (victim !== null) {
    const after = victim.requeue && victim.runs < 2 ? ' and goes back in the line' : '';
    return `${victim.name} of ${victim.user} is asked to end, is killed after ${duration(victim.graceMs)} if it does not${after}; then this one starts${memory}.`;
  }
  const [first] = running;
  const who = first === undefined ? '' : `Waits for ${first.name} of ${first.user}: `;
  const place = placeText(ahead.length + 1);
  return who === ''
    ? `${place.replace(/^./, (letter) => letter.toUpperCase())} in line${memory}.`
    : `${who}${place} in line${memory}.`;
}
