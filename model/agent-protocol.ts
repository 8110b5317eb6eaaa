/** Schemas of every line the agent may send (docs/protocol.md §2). What does not parse is an agent error, not data. */
import { z } from 'zod';
import { AGENT_ERROR_CODES } from './errors.ts';
import { count, id, terminalId, text, timeMs } from './fields.ts';
import { backendSchema, faultSchema, gpuSchema, partitionSchema } from './gpu.ts';
import { jobSchema } from './job.ts';
import {
  AUDIT_RECORDS_MAX,
  ENVIRONMENTS_MAX,
  HISTORY_POINTS_MAX,
  JOB_LOG_CHUNK_BYTES,
  OVERCOMMIT_MAX_PERCENT,
  TERMINAL_CHUNK_BYTES,
} from './limits.ts';
import { base64Chars } from './fields.ts';
import { auditRecordSchema, personHoursSchema, personSchema, quotaSchema } from './people.ts';
import { escapesSchema, sampleSchema } from './sample.ts';
import { sliceSchema } from './slice.ts';

export const helloReplySchema = z.object({
  id: count,
  ok: z.literal(true),
  protocol: count,
  agentVersion: text,
  regionAbi: count,
  arch: text,
  hostName: text,
  machineId: text,
  bootId: text,
  scope: z.enum(['user', 'system']),
  managerUid: count,
  managerName: text,
  yourUid: count,
  yourName: text,
  operator: z.boolean(),
  /** What you may do to everybody's things, words with spaces between (model/rights.ts); null: an agent of before. */
  verbs: text.nullable().default(null),
  driver: text.nullable(),
  gpuNote: text.nullable(),
  simulated: z.boolean(),
  /** Whether slices have control groups that programs can enter; an agent of before has none. */
  scopes: z.boolean().default(false),
  runtimeDir: text,
  shimPath: text.nullable(),
  /** The host's clock; an agent of before does not say. */
  hostTimeMs: timeMs.nullable().default(null),
});

export const editReplySchema = z.object({
  id: count,
  ok: z.literal(true),
  sliceId: id,
  revision: count,
  undoToken: id,
  undoExpiresAtMs: timeMs,
});

export const okReplySchema = z.looseObject({ id: count, ok: z.literal(true) });

export const errorReplySchema = z.object({
  /** null when the request was too broken to tell its id. */
  id: count.nullable(),
  ok: z.literal(false),
  /** A newer agent may know codes that we do not: shown as they are. */
  code: z.enum(AGENT_ERROR_CODES).catch('internal'),
  message: z.string().max(4096),
});

/** No two of them are the same: a host that says so could mean either. */
const distinct =
  <K extends string>(key: K) =>
  (list: readonly Readonly<Record<K, string>>[]): boolean =>
    new Set(list.map((one) => one[key])).size === list.length;

export const stateEventSchema = z.object({
  ev: z.literal('state'),
  revision: count,
  /** The guard on overcommitted memory; an agent of before it has none. */
  memoryOvercommitMaxPercent: z.number().int().min(100).max(OVERCOMMIT_MAX_PERCENT).nullable().default(null),
  /** An agent of before does not watch for them, and reports those that it sees. */
  escapes: escapesSchema.nullable().default(null),
  /** An agent of before quotas has none. */
  quotas: z.array(quotaSchema).max(256).default([]),
  /** Newest first; an agent of before does not listen for them. */
  faults: z.array(faultSchema).max(256).nullable().default(null),
  partitions: z.array(partitionSchema).max(256).nullable().default(null),
  /** The same, of an agent of before there were several kinds of GPUs. */
  migSlices: z.array(partitionSchema).max(256).nullable().default(null),
  backends: z.array(backendSchema).max(16).nullable().default(null),
  gpus: z.array(gpuSchema).max(64).refine(distinct('uuid')),
  slices: z.array(sliceSchema).max(4096).refine(distinct('id')),
  people: z.array(personSchema).max(256),
});

export const sampleEventSchema = sampleSchema.extend({ ev: z.literal('sample') });

const series = z.array(z.number().nullable()).max(HISTORY_POINTS_MAX);
export const historyEventSchema = z.object({
  ev: z.literal('history'),
  id: count,
  gpuUuid: id.nullable().optional(),
  sliceId: id.nullable().optional(),
  tierMs: count,
  atMs: z.array(timeMs).max(HISTORY_POINTS_MAX),
  memoryUsedBytes: series,
  computeTenths: series,
  throttledTenths: series,
  memoryLimitBytes: series,
  computeLimitPercent: series,
  last: z.boolean(),
});

export const noticeEventSchema = z.object({
  ev: z.literal('notice'),
  atMs: timeMs,
  code: text,
  sliceId: id.nullable(),
  /** Of a GPU as such; absent from agents of before. */
  gpuUuid: id.nullable().default(null),
  pid: count.nullable(),
  message: z.string().max(4096),
});

export const auditReplySchema = z.object({
  id: count,
  ok: z.literal(true),
  /** Newest first. */
  records: z.array(auditRecordSchema).max(AUDIT_RECORDS_MAX),
  /** What to ask for next; null when there are no older ones in the range. */
  nextBeforeSeq: count.nullable(),
});

export const hoursReplySchema = z.object({
  id: count,
  ok: z.literal(true),
  sinceMs: timeMs,
  people: z.array(personHoursSchema).max(256),
});

export const auditEventSchema = z.object({ ev: z.literal('audit'), record: auditRecordSchema });

export const jobsEventSchema = z.object({
  ev: z.literal('jobs'),
  slotsPerSlice: count,
  jobs: z.array(jobSchema).max(1024),
  jobsOmitted: count,
});

/** Answered by `attach` itself. */
export const jobStartReplySchema = z.object({
  id: count,
  ok: z.literal(true),
  jobId: id,
  name: text,
});

/** Python environments of the person who is signed in, answered by `attach` itself. `path` is their prefix. */
export const environmentsReplySchema = z.object({
  id: count,
  ok: z.literal(true),
  environments: z
    .array(z.object({ kind: z.enum(['conda', 'venv', 'pyenv']), path: z.string().min(1).max(1024) }))
    .max(ENVIRONMENTS_MAX),
});

export const jobLogReplySchema = z.object({
  id: count,
  ok: z.literal(true),
  data: z.string().max(JOB_LOG_CHUNK_BYTES),
  offset: count,
  nextOffset: count,
  endOffset: count,
  skippedBytes: count,
  over: z.boolean(),
});

export const terminalOpenReplySchema = z.object({ id: count, ok: z.literal(true), terminalId });

/** A terminal of one's own on this host, whoever looks at it. */
export const terminalSchema = z.object({
  terminalId,
  sliceId: id,
  startedAtMs: timeMs,
  /** Null while its shell runs. */
  endedAtMs: timeMs.nullable(),
  exitCode: count.nullable(),
  signal: count.nullable(),
});
export const terminalListReplySchema = z.object({
  id: count,
  ok: z.literal(true),
  terminals: z.array(terminalSchema).max(256),
});
/** Output comes from `offset` on; `skippedBytes` of what was asked for are no longer kept. */
export const terminalAttachReplySchema = z.object({
  id: count,
  ok: z.literal(true),
  sliceId: id,
  offset: count,
  endOffset: count,
  skippedBytes: count,
});

const TERMINAL_DATA_MAX_CHARS = base64Chars(TERMINAL_CHUNK_BYTES);
export const terminalOutputEventSchema = z.object({
  ev: z.literal('terminal-output'),
  terminalId,
  /** Of its first byte, counted from the first that the terminal ever said. */
  offset: count,
  /** Base64. */
  data: z.string().max(TERMINAL_DATA_MAX_CHARS),
});
/** Both null: nobody knows how, because its holder was ended. */
export const terminalEndedEventSchema = z.object({
  ev: z.literal('terminal-ended'),
  terminalId,
  exitCode: count.nullable(),
  signal: count.nullable(),
});

export const eventSchema = z.discriminatedUnion('ev', [
  stateEventSchema,
  sampleEventSchema,
  historyEventSchema,
  noticeEventSchema,
  auditEventSchema,
  jobsEventSchema,
  terminalOutputEventSchema,
  terminalEndedEventSchema,
]);

export type HelloReply = z.infer<typeof helloReplySchema>;
export type EditReply = z.infer<typeof editReplySchema>;
export type ErrorReply = z.infer<typeof errorReplySchema>;
export type AgentEvent = z.infer<typeof eventSchema>;
export type StateEvent = z.infer<typeof stateEventSchema>;
export type SampleEvent = z.infer<typeof sampleEventSchema>;
export type HistoryEvent = z.infer<typeof historyEventSchema>;
export type NoticeEvent = z.infer<typeof noticeEventSchema>;
export type JobsEvent = z.infer<typeof jobsEventSchema>;
export type JobLogReply = z.infer<typeof jobLogReplySchema>;
export type TerminalRow = z.infer<typeof terminalSchema>;
export type TerminalOutputEvent = z.infer<typeof terminalOutputEventSchema>;
export type TerminalEndedEvent = z.infer<typeof terminalEndedEventSchema>;
export type AuditReply = z.infer<typeof auditReplySchema>;
export type AuditEvent = z.infer<typeof auditEventSchema>;
