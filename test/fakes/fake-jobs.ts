/** Jobs as the agent would have them: a line a slice, one slot, reasons, logs with what terminals and villains write. */
import type { RequestArgs } from '../../model/ipc.ts';
import type { Job, JobWait } from '../../model/job.ts';
import type { Slice } from '../../model/slice.ts';
import type { JobList, JobLogPart } from '../../model/model.ts';
import { GIB } from '../../model/units.ts';

const ME = 'mira';
const MINUTE_MS = 60_000;
const CHUNK_CHARS = 32 * 1024;

export const NO_WAIT: JobWait = {
  code: null,
  position: null,
  jobId: null,
  jobName: null,
  user: null,
  sinceMs: null,
  untilMs: null,
  needBytes: null,
  freeBytes: null,
};
const waits = (code: JobWait['code'], more: Partial<JobWait> = {}): JobWait => ({
  ...NO_WAIT,
  code,
  ...more,
});

/** One that has just been put into the line of a slice, with nothing asked for. */
export const JOB: Job = {
  id: 'j-0000000000000001',
  name: 'train',
  sliceId: 's-1',
  command: 'python train.py',
  uid: 1000,
  user: ME,
  priority: 'normal',
  preemptible: false,
  requeue: false,
  preempts: false,
  minFreeBytes: null,
  graceMs: 30_000,
  state: 'queued',
  submittedAtMs: 1,
  startedAtMs: null,
  endedAtMs: null,
  pid: null,
  exitCode: null,
  signal: null,
  runs: 0,
  killAtMs: null,
  byUser: null,
  message: null,
  waits: null,
};

let nextId = 1;
export function job(slice: Slice, name: string, user: string, more: Partial<Job> = {}): Job {
  return {
    ...JOB,
    id: `j-${String(nextId++).padStart(16, '0')}`,
    name,
    sliceId: slice.id,
    command: `python ${name}.py`,
    uid: user === ME ? 1000 : 1001,
    user,
    submittedAtMs: Date.now() - 50 * MINUTE_MS,
    ...more,
  };
}

const running = (startedAgoMs: number): Partial<Job> => ({
  state: 'running',
  startedAtMs: Date.now() - startedAgoMs,
  pid: 41_877,
  runs: 1,
});
const over = (state: Job['state'], agoMs: number, more: Partial<Job> = {}): Partial<Job> => ({
  state,
  startedAtMs: Date.now() - agoMs - 20 * MINUTE_MS,
  endedAtMs: Date.now() - agoMs,
  runs: 1,
  ...more,
});

/** Of the drawing's host: one of each thing that a job can be. */
export function jobsOf(slices: readonly Slice[]): JobList {
  const [sweep, serve, notebook] = slices;
  if (sweep === undefined || serve === undefined || notebook === undefined) {
    return { slotsPerSlice: 1, jobs: [], jobsOmitted: 0 };
  }
  const train = job(sweep, 'train-7', ME, running(42 * MINUTE_MS));
  const stops = job(serve, 'serve-old', 'tom', {
    ...running(300 * MINUTE_MS),
    state: 'stopping',
    priority: 'low',
    killAtMs: Date.now() + 24_000,
    byUser: ME,
  });
  const of = (one: Job): Partial<JobWait> => ({
    jobId: one.id,
    jobName: one.name,
    user: one.user,
    sinceMs: one.startedAtMs,
  });
  const jobs = [
    train,
    job(sweep, 'train-8', ME, { waits: waits('running', { ...of(train), position: 1 }), priority: 'high' }),
    job(sweep, 'a-sweep-with-a-very-long-name-0123456789', 'student-with-a-long-name', {
      waits: waits('running', { ...of(train), position: 2 }),
      command: 'python sweep.py <b>bold</b> ‮evil‬ --out /data/runs/2026-11-26/with/a/long/path',
      preemptible: true,
      requeue: true,
    }),
    stops,
    job(serve, 'serve-new', ME, {
      priority: 'high',
      preempts: true,
      waits: waits('stopping', { ...of(stops), position: 1, untilMs: stops.killAtMs }),
    }),
    job(notebook, 'embed', ME, {
      minFreeBytes: 6 * GIB,
      waits: waits('slice-memory', { position: 1, needBytes: 6 * GIB, freeBytes: 2 * GIB }),
    }),
    job(notebook, 'later', ME, { state: 'held', waits: waits('held', { user: 'tom' }), byUser: 'tom' }),
    job(sweep, 'train-6', ME, over('ended', 44 * MINUTE_MS, { exitCode: 0 })),
    job(sweep, 'train-5', ME, over('ended', 90 * MINUTE_MS, { exitCode: 1 })),
    job(sweep, 'train-4', 'tom', over('ended', 95 * MINUTE_MS, { signal: 11 })),
    job(sweep, 'probe', ME, over('cancelled', 100 * MINUTE_MS, { byUser: 'tom', signal: 15 })),
    job(serve, 'night', 'tom', over('preempted', 110 * MINUTE_MS, { byUser: ME, exitCode: 0 })),
    job(
      serve,
      'lost-one',
      ME,
      over('lost', 120 * MINUTE_MS, { message: 'Its supervisor was killed, or the host was restarted.' }),
    ),
  ];
  return { slotsPerSlice: 1, jobs, jobsOmitted: 0 };
}

export const LOG_HEAD = `\u001b[32mepoch 1\u001b[0m loss 2.31\n\u001b]0;title\u0007epoch 2 loss 1.98\n10%\r55%\r100% done\n<img src=x onerror=alert(1)> ‮gnp.exe‬\n`;

/** One host's jobs, changed by what the page asks. */
export class FakeJobs {
  #list: JobList;
  readonly #logs = new Map<string, string>();

  constructor(list: JobList) {
    this.#list = list;
    for (const one of list.jobs) if (one.user === ME && one.runs > 0) this.#logs.set(one.id, LOG_HEAD);
  }

  get list(): JobList {
    return this.#list;
  }

  find(id: string): Job | undefined {
    return this.#list.jobs.find((one) => one.id === id);
  }

  change(id: string, change: Partial<Job>): void {
    this.#list = {
      ...this.#list,
      jobs: this.#list.jobs.map((one) => (one.id === id ? { ...one, ...change } : one)),
    };
  }

  slots(slotsPerSlice: number): void {
    this.#list = { ...this.#list, slotsPerSlice };
  }

  start(slice: Slice, args: RequestArgs<'job:start'>): Job {
    const ahead = this.#list.jobs.find((one) => one.sliceId === slice.id && one.state === 'running');
    const { command, priority, preemptible, requeue, preempts, minFreeBytes, graceMs } = args;
    const made = job(slice, args.name ?? 'train', ME, {
      command,
      priority,
      preemptible,
      requeue,
      preempts,
      minFreeBytes,
      graceMs,
      submittedAtMs: Date.now(),
      ...(ahead === undefined
        ? { ...running(0) }
        : {
            waits: waits('running', {
              position: 1,
              jobId: ahead.id,
              jobName: ahead.name,
              user: ahead.user,
              sinceMs: ahead.startedAtMs,
            }),
          }),
    });
    this.#logs.set(made.id, '');
    this.#list = { ...this.#list, jobs: [made, ...this.#list.jobs] };
    return made;
  }

  write(id: string, text: string): void {
    this.#logs.set(id, (this.#logs.get(id) ?? '') + text);
  }

  /** null: no log of this user's. Offsets count characters here, as all that is written is ASCII where it matters. */
  read(id: string, offset: number | null): JobLogPart | null {
    const text = this.#logs.get(id);
    if (text === undefined) return null;
    const from = Math.min(offset ?? Math.max(0, text.length - CHUNK_CHARS), text.length);
    const data = text.slice(from, from + CHUNK_CHARS);
    const state = this.find(id)?.state ?? 'lost';
    return {
      data,
      offset: from,
      nextOffset: from + data.length,
      endOffset: text.length,
      skippedBytes: 0,
      over: !['queued', 'held', 'running', 'stopping'].includes(state),
    };
  }
}
