/** Schemas of every line the agent may send (docs/protocol.md §2). What does not parse is an agent error, not data. */
import { z } from 'zod';
import { AGENT_ERROR_CODES } from './errors.ts';
import {
  CONCURRENT,
  FAULT_KINDS,
  HELD_BY,
  JOB_PRIORITIES,
  JOB_STATES,
  JOB_WAITS,
  SLOWED_BY,
} from './model.ts';

export const PROTOCOL_VERSION = 1;
export const AGENT_LINE_MAX_BYTES = 256 * 1024;
export const REQUEST_LINE_MAX_BYTES = 8 * 1024;

const count = z.number().int().min(0);
const bytes = count.nullable();
const tenths = count.nullable();
const text = z.string().max(1024);
/** The end of the year 9999: a host may say any number, and a later one is no date that could be written. */
const TIME_MAX_MS = 253_402_300_799_999;
const timeMs = z
  .number()
  .int()
  .min(0)
  .transform((ms) => Math.min(ms, TIME_MAX_MS));
const id = z.string().min(1).max(64);

/** An error that the driver reported of a GPU. */
export const faultSchema = z.object({
  gpuUuid: id,
  xid: count,
  kind: z.enum(FAULT_KINDS).catch('other'),
  text,
  count: z.number().int().min(1),
  firstAtMs: timeMs,
  atMs: timeMs,
});

export const gpuSchema = z.object({
  uuid: id,
  index: count,
  name: text,
  capacityBytes: count,
  simulated: z.boolean(),
  computeMode: text.nullable(),
  migEnabled: z.boolean().nullable(),
  /** An agent that does not say, or says a word that we do not know: unknown. */
  concurrent: z.enum(CONCURRENT).nullable().catch(null),
  concurrentNote: text.nullable().catch(null),
});

export const sliceSchema = z.object({
  id,
  name: text,
  gpuUuid: id,
  memoryLimitBytes: count,
  pendingMemoryLimitBytes: bytes,
  computeLimitPercent: count.max(100),
  computeGuaranteePercent: count.max(100),
  priority: z.enum(['idle', 'normal', 'high']),
  owner: text,
  ownerUid: count,
  createdAtMs: timeMs,
  startsAtMs: timeMs.nullable(),
  expiresAtMs: timeMs.nullable(),
  revision: count,
  /** Why nothing is admitted although it is open by its times; an agent of before does not say. */
  suspendedReason: text.nullable().default(null),
});

export const personSchema = z.object({
  name: text,
  uid: count,
  source: z.enum(['process', 'slice', 'login']),
  /** The subject of the quota that holds for them; null: none does, as far as the agent knows. */
  quota: text.nullable().default(null),
});

export const quotaSchema = z.object({ subject: text, memoryBytesMax: bytes, slicesMax: count.nullable() });

export const gpuSampleSchema = z.object({
  uuid: id,
  memoryUsedBytes: bytes,
  utilizationPercent: count.max(100).nullable(),
  temperatureC: z.number().int().nullable(),
  powerMilliwatts: bytes,
  smClockMhz: bytes,
  /** An agent that does not say, or says a word that we do not know: unknown. */
  slowedBy: z.enum(SLOWED_BY).nullable().catch(null),
  eccErrors: bytes,
  unmanagedBytes: bytes,
});

export const sliceSampleSchema = z.object({
  id,
  memoryUsedBytes: bytes,
  ledgerBytes: bytes,
  residueBytes: bytes,
  computeUsedTenths: tenths,
  throttledTenths: tenths,
  heldBy: z.enum(HELD_BY).nullable().catch(null),
  deniedAllocations: bytes,
  deniedBytes: bytes,
  deniedAtMs: timeMs.nullable(),
  limitHeld: z.boolean().nullable(),
  processCount: bytes,
});

export const processSampleSchema = z.object({
  pid: z.number().int().min(1),
  startTicks: z.string().regex(/^\d{1,20}$/),
  uid: bytes,
  user: text.nullable(),
  command: text,
  /** Agents of before do not look. */
  container: text.nullable().default(null),
  unit: text.nullable().default(null),
  sliceId: id.nullable(),
  gpuUuid: id,
  /** An agent of before there were jobs does not say. */
  jobId: id.nullable().catch(null),
  memoryUsedBytes: bytes,
  computeUsedTenths: tenths,
  throttledTenths: tenths,
  startedAtMs: timeMs.nullable(),
});

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

export const migSliceSchema = z.object({
  gpuUuid: id,
  uuid: z.string().max(96),
  name: text,
  capacityBytes: bytes,
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
  memoryOvercommitMaxPercent: z.number().int().min(100).max(1000).nullable().default(null),
  /** An agent of before quotas has none. */
  quotas: z.array(quotaSchema).max(256).default([]),
  /** Newest first; an agent of before does not listen for them. */
  faults: z.array(faultSchema).max(256).nullable().default(null),
  migSlices: z.array(migSliceSchema).max(256).nullable().default(null),
  gpus: z.array(gpuSchema).max(64).refine(distinct('uuid')),
  slices: z.array(sliceSchema).max(4096).refine(distinct('id')),
  people: z.array(personSchema).max(256),
});

export const sampleEventSchema = z.object({
  ev: z.literal('sample'),
  seq: count,
  atMs: timeMs,
  gpus: z.array(gpuSampleSchema).max(64),
  slices: z.array(sliceSampleSchema).max(4096),
  processes: z.array(processSampleSchema).max(512),
  processesOmitted: count,
});

const series = z.array(z.number().nullable()).max(2000);
export const historyEventSchema = z.object({
  ev: z.literal('history'),
  id: count,
  gpuUuid: id.nullable().optional(),
  sliceId: id.nullable().optional(),
  tierMs: count,
  atMs: z.array(timeMs).max(2000),
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

const auditSliceSchema = z.object({
  name: text,
  owner: text,
  /** Not in records of before slices could move. */
  gpuUuid: id.nullable().default(null),
  memoryLimitBytes: count,
  computeLimitPercent: count.max(100),
  computeGuaranteePercent: count.max(100),
  priority: z.enum(['idle', 'normal', 'high']),
  startsAtMs: timeMs.nullable(),
  expiresAtMs: timeMs.nullable(),
});

/** One edit, made or refused. `before` is null for a slice that was made, `after` for one that was deleted. */
export const auditRecordSchema = z.object({
  seq: count,
  atMs: timeMs,
  action: text,
  refusal: text.nullable(),
  sliceId: id.nullable(),
  sliceName: text.nullable(),
  gpuUuid: id.nullable(),
  uid: count,
  user: text,
  /** What the client said of itself; nobody checked it. */
  claimedFrom: text.nullable(),
  detail: text.nullable(),
  refusalsOmitted: count,
  before: auditSliceSchema.nullable(),
  after: auditSliceSchema.nullable(),
});

export const auditReplySchema = z.object({
  id: count,
  ok: z.literal(true),
  /** Newest first. */
  records: z.array(auditRecordSchema).max(100),
  /** What to ask for next; null when there are no older ones in the range. */
  nextBeforeSeq: count.nullable(),
});

export const hoursReplySchema = z.object({
  id: count,
  ok: z.literal(true),
  sinceMs: timeMs,
  people: z.array(z.object({ name: text, uid: count, usedMs: count, heldMs: count })).max(256),
});

export const auditEventSchema = z.object({ ev: z.literal('audit'), record: auditRecordSchema });

const jobWaitSchema = z.object({
  /** A reason that we do not know: none that we could put into words. */
  code: z.enum(JOB_WAITS).nullable().catch(null),
  position: z.number().int().min(1).nullable(),
  jobId: id.nullable(),
  jobName: text.nullable(),
  user: text.nullable(),
  sinceMs: timeMs.nullable(),
  untilMs: timeMs.nullable(),
  needBytes: bytes,
  freeBytes: bytes,
});

export const jobSchema = z.object({
  id: z.string().regex(/^j-[0-9a-f]{16}$/),
  name: text,
  sliceId: id,
  command: text,
  uid: count,
  user: text,
  priority: z.enum(JOB_PRIORITIES),
  preemptible: z.boolean(),
  requeue: z.boolean(),
  preempts: z.boolean(),
  minFreeBytes: bytes,
  graceMs: count,
  state: z.enum(JOB_STATES),
  submittedAtMs: timeMs,
  startedAtMs: timeMs.nullable(),
  endedAtMs: timeMs.nullable(),
  pid: count.nullable(),
  exitCode: count.nullable(),
  signal: count.nullable(),
  runs: count,
  killAtMs: timeMs.nullable(),
  byUser: text.nullable(),
  message: text.nullable(),
  waits: jobWaitSchema.nullable(),
});

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
    .max(50),
});

/** A read is at most 32 KiB, of which each byte may become one U+FFFD. */
const JOB_LOG_MAX_CHARS = 32 * 1024;
export const jobLogReplySchema = z.object({
  id: count,
  ok: z.literal(true),
  data: z.string().max(JOB_LOG_MAX_CHARS),
  offset: count,
  nextOffset: count,
  endOffset: count,
  skippedBytes: count,
  over: z.boolean(),
});

const terminalId = z.string().regex(/^t-[0-9a-f]{16}$/);

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

/** A line has at most 12 KiB of output. */
const TERMINAL_DATA_MAX_CHARS = 16 * 1024;
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
export type JobRow = z.infer<typeof jobSchema>;
export type JobsEvent = z.infer<typeof jobsEventSchema>;
export type JobLogReply = z.infer<typeof jobLogReplySchema>;
export type TerminalRow = z.infer<typeof terminalSchema>;
export type TerminalOutputEvent = z.infer<typeof terminalOutputEventSchema>;
export type TerminalEndedEvent = z.infer<typeof terminalEndedEventSchema>;
export type AuditRecord = z.infer<typeof auditRecordSchema>;
export type AuditReply = z.infer<typeof auditReplySchema>;
export type AuditEvent = z.infer<typeof auditEventSchema>;
