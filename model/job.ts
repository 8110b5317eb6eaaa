/** A job: one command that waits for its turn in a slice, runs there, or did. */
import { z } from 'zod';
import { bytes, count, id, jobId, text, timeMs } from './fields.ts';

export const JOB_STATES = [
  'queued',
  'held',
  'running',
  'stopping',
  'ended',
  'cancelled',
  'preempted',
  'failed',
  'lost',
] as const;
export type JobState = (typeof JOB_STATES)[number];
export const JOB_PRIORITIES = ['low', 'normal', 'high'] as const;
export type JobPriority = (typeof JOB_PRIORITIES)[number];

export const JOB_WAITS = [
  'held',
  'slice-gone',
  'not-yours',
  'slice-not-open',
  'slice-over',
  'running',
  'stopping',
  'behind',
  'slice-memory',
  'gpu-memory',
  'memory-unknown',
  'starting',
  'away',
] as const;

/** Why a job waits, with the figures of the sentence. */
export const jobWaitSchema = z.object({
  /** null: a reason that a newer agent knows and we do not. */
  code: z.enum(JOB_WAITS).nullable().catch(null),
  /** 1: first in line; null: not in the line. */
  position: z.number().int().min(1).nullable(),
  /** The job that it waits for. */
  jobId: id.nullable(),
  jobName: text.nullable(),
  user: text.nullable(),
  sinceMs: timeMs.nullable(),
  untilMs: timeMs.nullable(),
  needBytes: bytes,
  freeBytes: bytes,
});
export type JobWait = Readonly<z.infer<typeof jobWaitSchema>>;

/** What is said of a job when it is started; the request and the job itself are made of it. */
export const jobOrderSchema = z.object({
  sliceId: id,
  command: text,
  priority: z.enum(JOB_PRIORITIES),
  /** A higher one of the same owner or of an operator may stop it. */
  preemptible: z.boolean(),
  /** Stopped for a higher one, it goes back in the line, once. */
  requeue: z.boolean(),
  /** Stops lower ones that did not agree to it, too: its owner’s, an operator’s job anybody’s. */
  preempts: z.boolean(),
  minFreeBytes: bytes,
  /** From SIGTERM to SIGKILL. */
  graceMs: count,
});

export const jobSchema = jobOrderSchema.extend({
  id: jobId,
  name: text,
  uid: count,
  user: text,
  state: z.enum(JOB_STATES),
  submittedAtMs: timeMs,
  startedAtMs: timeMs.nullable(),
  endedAtMs: timeMs.nullable(),
  pid: count.nullable(),
  exitCode: count.nullable(),
  signal: count.nullable(),
  runs: count,
  /** While it is stopping: when SIGKILL comes. */
  killAtMs: timeMs.nullable(),
  /** Who held, cancelled or displaced it. */
  byUser: text.nullable(),
  message: text.nullable(),
  /** null: it is not in the line. */
  waits: jobWaitSchema.nullable(),
});
export type Job = Readonly<Omit<z.infer<typeof jobSchema>, 'waits'> & { readonly waits: JobWait | null }>;
