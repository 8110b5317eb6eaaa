/** What is measured once a second: of GPUs and of the processes on them (of slices: slice.ts). */
import { z } from 'zod';
import { bytes, count, id, startTicks, tenths, text, timeMs } from './fields.ts';
import { PROCESS_ROWS_MAX } from './limits.ts';
import { sliceSampleSchema } from './slice.ts';

export const SLOWED_BY = ['nothing', 'power', 'heat'] as const;
export type SlowedBy = (typeof SLOWED_BY)[number];

export const gpuSampleSchema = z.object({
  uuid: id,
  memoryUsedBytes: bytes,
  utilizationPercent: count.max(100).nullable(),
  temperatureC: z.number().int().nullable(),
  powerMilliwatts: bytes,
  smClockMhz: bytes,
  /** Why its clocks are lower than they could be. An agent that does not say, or says a word that we do not know: null. */
  slowedBy: z.enum(SLOWED_BY).nullable().catch(null),
  eccErrors: bytes,
  /** Held by processes outside every slice, and by the driver. */
  unmanagedBytes: bytes,
});
export type GpuSample = Readonly<z.infer<typeof gpuSampleSchema>>;

/** Who shows that a process is on a GPU outside every slice. */
export const SEEN_BY = ['driver', 'kernel', 'both'] as const;
export const ESCAPE_REASONS = ['outside', 'beyond-count'] as const;
export const ESCAPE_ANSWERS = [
  'waiting',
  'reported',
  'charged',
  'stopped',
  'released',
  'ending',
  'killed',
  'exempt',
  'protected',
  'not-permitted',
] as const;
export const ESCAPE_RULES = ['report', 'charge', 'stop', 'end'] as const;
export type EscapeRule = (typeof ESCAPE_RULES)[number];

/** What is done with processes outside every slice, and how they are seen. */
export const escapesSchema = z.object({
  rule: z.enum(ESCAPE_RULES),
  graceSeconds: count,
  /** Users and `unit:NAME`, with commas between. */
  exempt: z.string().max(1024),
  watchedBy: z.enum(['fanotify', 'inotify', 'timer']).catch('timer'),
  watchNote: text.nullable(),
});
export type Escapes = Readonly<z.infer<typeof escapesSchema>>;

export const processSampleSchema = z.object({
  pid: z.number().int().min(1),
  /** Start time in clock ticks; with the pid it names the process for good. A string: it may exceed 2^53. */
  startTicks,
  uid: bytes,
  user: text.nullable(),
  command: text,
  /** The container it runs in (`docker 3f2a91c0b1de`), as its control groups tell; null: none is known. */
  container: text.nullable().default(null),
  /** The batch job or service that it belongs to (`Slurm job 123`, `jupyter.service`); null: none is known. */
  unit: text.nullable().default(null),
  /** null: unmanaged. */
  sliceId: id.nullable(),
  gpuUuid: id,
  /** The job to whose process group it belongs; an agent of before there were jobs does not say. */
  jobId: id.nullable().catch(null),
  memoryUsedBytes: bytes,
  computeUsedTenths: tenths,
  throttledTenths: tenths,
  /** Whether a supervisor counts what it takes; null: it is in no slice, holds nothing yet, or the agent does not say. */
  gated: z.boolean().nullable().default(null),
  startedAtMs: timeMs.nullable(),
  /**
   * Of one outside every slice, or that holds more than was counted (docs/escapes.md): who shows it, the driver, the kernel
   * or both; absent of one in a slice, and of an agent of before.
   */
  seenBy: z.enum(SEEN_BY).nullable().catch(null),
  reason: z.enum(ESCAPE_REASONS).nullable().catch(null),
  sinceMs: timeMs.nullable().default(null),
  /** What was done about it, and why no more than that. */
  answer: z.enum(ESCAPE_ANSWERS).nullable().catch(null),
  answerWhy: text.nullable().default(null),
});
export type ProcessSample = Readonly<z.infer<typeof processSampleSchema>>;

/** One look at a host. */
export const sampleSchema = z.object({
  seq: count,
  atMs: timeMs,
  gpus: z.array(gpuSampleSchema).max(64),
  slices: z.array(sliceSampleSchema).max(4096),
  processes: z.array(processSampleSchema).max(PROCESS_ROWS_MAX),
  processesOmitted: count,
});
type SampleLine = z.infer<typeof sampleSchema>;
export type Sample = { readonly [K in keyof SampleLine]: Readonly<SampleLine[K]> };
