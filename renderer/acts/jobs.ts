/** What is done with jobs, in the words that the toast shows. */
import type { RequestArgs } from '../../model/ipc.ts';
import type { Job, JobPriority } from '../../model/job.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { ask } from '../store/ask.ts';
import { announce, logEvent, pickJob, showToast, useUi } from '../store/ui.ts';

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
