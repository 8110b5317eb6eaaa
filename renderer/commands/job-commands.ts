/** Commands of jobs: one is started in the selected slice, the others act on the job chosen in the list. */
import type { Job, JobPriority } from '../../model/job.ts';
import type { HostSnapshot } from '../../model/model.ts';
import {
  isYours,
  jobRefusal,
  logRefusal,
  queueRefusal,
  runRefusal,
  usableSlices,
} from '../domain/job-rights.ts';
import { isOver, isWaiting, stateText } from '../domain/job-text.ts';
import { copy } from '../store/ask.ts';
import { programOn } from '../store/linked.ts';
import { openDialog, showJobLog } from '../store/ui.ts';
import { actOnJob, setJobPriority } from '../acts/jobs.ts';
import type { Bound, CommandContext } from './context.ts';

const NONE = 'Choose a job in the list below first.';

function run({ host, slice, slices }: CommandContext): Bound {
  const into = slice ?? (host === null ? undefined : usableSlices(host)[0]);
  const refusal =
    host === null
      ? 'Choose a host first.'
      : slices.length > 1
        ? 'Several slices are selected; a job runs in one.'
        : into === undefined
          ? (queueRefusal(host) ?? `You have no slice on ${host.name} to run something in.`)
          : runRefusal(host, into);
  return {
    refusal,
    run: () => {
      if (host !== null && into !== undefined) {
        openDialog({ kind: 'run-job', hostId: host.id, sliceId: into.id });
      }
    },
  };
}

export function jobCommands(context: CommandContext) {
  const { host, job } = context;
  const single = (
    act: (host: HostSnapshot, job: Job) => void,
    refusal: (host: HostSnapshot, job: Job) => string | null,
    on?: boolean,
  ): Bound => ({
    refusal: host === null || job === null ? NONE : refusal(host, job),
    run: () => {
      if (host !== null && job !== null) act(host, job);
    },
    ...(on === undefined ? {} : { on }),
  });
  const waiting = (h: HostSnapshot, j: Job): string | null =>
    jobRefusal(h, j) ?? (isWaiting(j) ? null : `${j.name} does not wait any more: ${stateText(j)}.`);
  const priority = (name: JobPriority): Bound =>
    single((h, j) => void setJobPriority(h, j, name), waiting, job?.priority === name);
  return {
    'job.run': run(context),
    'job.again': single(
      (h, j) =>
        openDialog({
          kind: 'run-job',
          hostId: h.id,
          sliceId: j.sliceId,
          again: { command: j.command, name: j.name, priority: j.priority },
        }),
      (h, j) => {
        const into = h.slices.find((one) => one.id === j.sliceId);
        if (into === undefined) return `The slice of ${j.name} was deleted.`;
        if (j.command.endsWith('…')) return `The command of ${j.name} is too long to be kept whole here.`;
        return isYours(h, j)
          ? runRefusal(h, into)
          : `${j.name} is a job of ${j.user}: its owner runs it again.`;
      },
    ),
    'job.log': single((_h, j) => showJobLog(j.id), logRefusal),
    'job.copy-log': single(
      (h, j) => void copy(`${programOn(h)} job log ${j.id} --follow`, 'Log command'),
      (h, j) => (isYours(h, j) ? null : logRefusal(h, j)),
    ),
    'job.first': single(
      (h, j) => void actOnJob(h, j, 'first'),
      (h, j) => waiting(h, j) ?? (j.waits?.position === 1 ? `${j.name} is first in line already.` : null),
    ),
    'job.hold': single(
      (h, j) => void actOnJob(h, j, 'hold'),
      (h, j) => waiting(h, j) ?? (j.state === 'held' ? `${j.name} is on hold already.` : null),
    ),
    'job.release': single(
      (h, j) => void actOnJob(h, j, 'release'),
      (h, j) => waiting(h, j) ?? (j.state === 'held' ? null : `${j.name} is not on hold.`),
    ),
    'job.low': priority('low'),
    'job.normal': priority('normal'),
    'job.high': priority('high'),
    'job.cancel': single(
      (h, j) => openDialog({ kind: 'cancel-job', hostId: h.id, jobId: j.id }),
      (h, j) => jobRefusal(h, j) ?? (isOver(j) ? `${j.name} is over: ${stateText(j)}.` : null),
    ),
  } as const;
}
