/**
 * The whole contract between renderer and core: one map of requests, one of events. Electron carries it over IPC,
 * `serve` over a WebSocket; both parse arguments with these schemas before anything is done with them.
 */
import { z } from 'zod';
import type { PassedChannel, RequestChannel } from './channels.ts';
import type { Result } from './errors.ts';
import { base64Chars, bytes, count, id, jobId, startTicks, terminalId } from './fields.ts';
import { jobOrderSchema } from './job.ts';
import {
  AUDIT_RECORDS_MAX,
  HISTORY_POINTS_MAX,
  HOURS_DAYS,
  JOB_COMMAND_MAX_BYTES,
  JOB_GRACE_MAX_MS,
  OVERCOMMIT_MAX_PERCENT,
  QUEUE_SLOTS_MAX,
  SLICES_MAX,
  TERMINAL_INPUT_BYTES,
  TERMINAL_SIDE_MAX,
} from './limits.ts';
import { MUST_BE_SAID, sliceSettingsSchema } from './slice.ts';
import { UPDATE_ACTS } from './updates.ts';
import type { UpdateState } from './updates.ts';
import type { AuditRecord, PersonHours } from './people.ts';
import type { Sample } from './sample.ts';
import type {
  AuditPage,
  FleetSnapshot,
  History,
  HostId,
  HostSnapshot,
  JobLogPart,
  PythonEnvironment,
  SliceEdit,
  TerminalInfo,
  VersionFacts,
} from './model.ts';

const hostId = z.string().min(1).max(300);
const sliceId = id;
const gpuUuid = id;
const name = z.string().max(64);
/** Columns and rows of a terminal. */
const side = z.number().int().min(1).max(TERMINAL_SIDE_MAX);
const commandId = z.string().max(40);
/** Beyond what a person may hold, and meant so. */
const overQuota = z.boolean().optional();
const version = z.string().regex(/^[A-Za-z0-9._-]{1,100}$/);
const none = z.strictObject({});

export const requestSchemas = {
  /** The picture to start from; everything after it comes as events. */
  'fleet:get': none,
  'host:connect': z.strictObject({ hostId }),
  'host:disconnect': z.strictObject({ hostId }),
  /** A host typed as `user@host:port`, saved and connected. */
  'host:add': z.strictObject({ address: z.string().min(1).max(300) }),
  /** Disconnects and removes a typed host; hides a host of the config until it is typed again. */
  'host:forget': z.strictObject({ hostId }),
  /** Kept for this host; the next attempt uses it. */
  'host:transport': z.strictObject({ hostId, choice: z.enum(['auto', 'built-in', 'system']) }),
  'host:retry': z.strictObject({ hostId }),
  'host:deploy': z.strictObject({ hostId }),
  /** What an earlier version that is kept there says of itself; changes nothing. `version`: as in `AgentInfo.previous`. */
  'host:check-version': z.strictObject({ hostId, version }),
  /** Ends the agent that runs and starts that version; if it does not start, the one before runs again. */
  'host:roll-back': z.strictObject({ hostId, version }),
  'host:remove-agent': z.strictObject({ hostId }),
  /** Makes `~/.local/bin/tranche` on the host. */
  'host:link': z.strictObject({ hostId }),
  'prompt:answer': z.strictObject({
    hostId,
    promptId: z.string().max(64),
    /** null cancels. host-key: "once" or "remember"; password, passphrase: one text; keyboard: one per question. */
    answers: z.array(z.string().max(4096)).max(16).nullable(),
  }),
  'demo:start': none,
  'demo:stop': none,
  'slice:create': z.strictObject({
    hostId,
    gpuUuid,
    name: name.nullable(),
    ...sliceSettingsSchema.partial().shape,
    ...sliceSettingsSchema.pick(MUST_BE_SAID).shape,
    owner: name.nullable(),
    overQuota,
  }),
  'slice:resize': z.strictObject({
    hostId,
    sliceId,
    revision: count.nullable(),
    ...sliceSettingsSchema.partial().shape,
    belowUse: z.enum(['refuse', 'when-it-drops']),
    overQuota,
  }),
  'slice:assign': z.strictObject({ hostId, sliceId, revision: count, owner: name, overQuota }),
  /** To another GPU of its host, while no process is in it. */
  'slice:move': z.strictObject({ hostId, sliceId, revision: count, gpuUuid }),
  'slice:rename': z.strictObject({ hostId, sliceId, revision: count, name }),
  'slice:delete': z.strictObject({
    hostId,
    sliceId,
    revision: count,
    withProcesses: z.boolean(),
  }),
  'slice:undo': z.strictObject({ hostId, undoToken: z.string().max(64), overQuota }),
  'history:get': z.strictObject({
    hostId,
    gpuUuid: gpuUuid.nullable(),
    sliceId: sliceId.nullable(),
    fromMs: z.number().int().min(0),
    toMs: z.number().int().min(0),
    maxPoints: z.number().int().min(1).max(HISTORY_POINTS_MAX),
  }),
  /** Who changed what, newest first, a page at a time. */
  'audit:get': z.strictObject({
    hostId,
    sliceId: sliceId.nullable(),
    /** Only records older than this one; null begins with the newest. */
    beforeSeq: z.number().int().min(0).nullable(),
    maxRecords: z.number().int().min(1).max(AUDIT_RECORDS_MAX),
  }),
  /** What people used and held in the last days, today included. */
  'hours:get': z.strictObject({ hostId, days: z.number().int().min(1).max(HOURS_DAYS) }),
  /** How far the memory limits of a GPU may add up, on the whole host; null: no guard. */
  'settings:set': z.strictObject({
    hostId,
    memoryOvercommitMaxPercent: z.number().int().min(100).max(OVERCOMMIT_MAX_PERCENT).nullable(),
  }),
  /** How much a user, each member of an `@group`, or by `default` everybody else may hold; `remove`: no own quota. */
  'quota:set': z.strictObject({
    hostId,
    subject: z.string().min(1).max(72),
    memoryBytesMax: bytes,
    slicesMax: z.number().int().min(0).max(SLICES_MAX).nullable(),
    remove: z.boolean(),
  }),
  /** The agent is to look for drivers at once. */
  'gpu:look': z.strictObject({ hostId }),
  /** Whether programs of one user run on that GPU at the same time. */
  'gpu:concurrent': z.strictObject({ hostId, gpuUuid, concurrent: z.boolean() }),
  /** Python environments of the user there: of the folder (null: the home folder) and of conda, venv, uv and pyenv. */
  'job:environments': z.strictObject({ hostId, cwd: z.string().max(1000).nullable() }),
  /** A command line for the user's shell there, in the environment of an interactive login shell; into the slice's line. */
  'job:start': z.strictObject({
    hostId,
    sliceId,
    command: z.string().min(1).max(JOB_COMMAND_MAX_BYTES),
    name: name.nullable(),
    /** Absolute, `~/…` or relative to the home folder; null: the home folder. */
    cwd: z.string().max(1000).nullable(),
    /** The prefix of a conda or venv environment to activate; null: what the user's interactive login shell sets up. */
    environment: z.string().startsWith('/').max(1000).nullable(),
    ...jobOrderSchema.omit({ sliceId: true, command: true }).shape,
    graceMs: count.max(JOB_GRACE_MAX_MS),
  }),
  'job:act': z.strictObject({ hostId, jobId, act: z.enum(['cancel', 'kill', 'hold', 'release', 'first']) }),
  'job:priority': z.strictObject({ hostId, jobId, priority: jobOrderSchema.shape.priority }),
  /** How many jobs of one slice run at once, on the whole host. */
  'job:slots': z.strictObject({ hostId, slots: z.number().int().min(1).max(QUEUE_SLOTS_MAX) }),
  /** offset null: the last piece there is. */
  'job:log': z.strictObject({ hostId, jobId, offset: bytes }),
  /** A shell of one's own in a slice, which goes on without us. */
  'terminal:open': z.strictObject({ hostId, sliceId, columns: side, rows: side }),
  'terminal:list': z.strictObject({ hostId }),
  /** From `offset` on (null: all that is kept); what comes is told by `terminal:attached` and `terminal:output`. */
  'terminal:attach': z.strictObject({
    hostId,
    terminalId,
    offset: bytes,
    columns: side,
    rows: side,
  }),
  /** Up to `offset` it is on the screen: as much more may come. */
  'terminal:ack': z.strictObject({ hostId, terminalId, offset: count }),
  'terminal:input': z.strictObject({
    hostId,
    terminalId,
    data: z.string().min(4).max(base64Chars(TERMINAL_INPUT_BYTES)),
  }),
  'terminal:resize': z.strictObject({ hostId, terminalId, columns: side, rows: side }),
  /** `ifIdle`: refused with `terminal-busy` while a program runs in front. */
  'terminal:close': z.strictObject({ hostId, terminalId, ifIdle: z.boolean() }),
  'process:stop': z.strictObject({
    hostId,
    pid: z.number().int().min(1),
    startTicks,
    signal: z.enum(['INT', 'TERM', 'KILL']),
  }),
  /** The window is hidden or shown: sampling slows to 30 s while nobody looks. */
  'view:visible': z.strictObject({ visible: z.boolean() }),
  /** What the menu bar shows: which commands are refused at the moment and why, which choices are on. */
  'menu:state': z.strictObject({
    off: z.array(z.strictObject({ id: commandId, why: z.string().max(300) })).max(200),
    on: z.array(commandId).max(50),
    /** Which of the optional commands are there. */
    present: z.array(commandId).max(20),
    /** Keys of the user's own; an empty text shows none. */
    keys: z.array(z.strictObject({ id: commandId, keys: z.string().max(40) })).max(200),
  }),
  /** A notice of the operating system; a click on it navigates to `link`. */
  'notice:show': z.strictObject({
    title: z.string().max(200),
    body: z.string().max(600),
    link: z.string().max(800).nullable(),
  }),
  /** The tray: null takes it away. */
  'tray:show': z.strictObject({
    tray: z
      .strictObject({
        worst: z.enum(['live', 'warn', 'bad']),
        paused: z.boolean(),
        hosts: z.array(z.strictObject({ label: z.string().max(200), link: z.string().max(800) })).max(60),
      })
      .nullable(),
  }),
  /** What is known of a newer version; `update:changed` says what becomes of it. */
  'update:get': none,
  'update:act': z.strictObject({ act: z.enum(UPDATE_ACTS) }),
} as const satisfies Readonly<Record<RequestChannel, z.ZodType>>;

/** Answered by the window's own process; the core has nothing to do with menus, notices, the tray and updates. */
export const WINDOW_CHANNELS = [
  'menu:state',
  'notice:show',
  'tray:show',
  'update:get',
  'update:act',
] as const;

export { REQUEST_CHANNELS, type RequestChannel } from './channels.ts';
export type RequestArgs<C extends RequestChannel> = z.infer<(typeof requestSchemas)[C]>;

/** What each request answers with when it succeeds; those that are passed on answer alike. */
export type RequestValues = Record<PassedChannel<'edit'>, SliceEdit> &
  Record<PassedChannel<'done' | 'tell'>, null> &
  OwnValues;

interface OwnValues {
  'fleet:get': FleetSnapshot;
  'host:connect': null;
  'host:disconnect': null;
  'host:add': { hostId: HostId };
  'host:forget': null;
  'host:transport': null;
  'host:retry': null;
  'host:deploy': null;
  'host:check-version': VersionFacts;
  'host:roll-back': null;
  'host:remove-agent': { removed: readonly string[] };
  /** `worksInShell`: a login shell there was asked for `tranche`, and found this one. */
  'host:link': { path: string; worksInShell: boolean };
  'prompt:answer': null;
  'demo:start': null;
  'demo:stop': null;
  'history:get': History;
  'audit:get': AuditPage;
  'hours:get': readonly PersonHours[];
  'job:environments': readonly PythonEnvironment[];
  'job:start': { jobId: string; name: string };
  'job:act': null;
  'job:log': JobLogPart;
  'terminal:open': { terminalId: string };
  'terminal:list': readonly TerminalInfo[];
  'terminal:attach': null;
  'view:visible': null;
  'menu:state': null;
  'notice:show': null;
  'tray:show': null;
  'update:get': UpdateState;
  'update:act': null;
}

/** Pushed by the core. Snapshots replace what was there; samples are batched, one message a tick for all hosts. */
export interface CoreEvents {
  'fleet:changed': {
    readonly demo: FleetSnapshot['demo'];
    readonly configNotes: readonly string[];
    readonly order: readonly HostId[];
  };
  'host:changed': HostSnapshot;
  'host:gone': { readonly hostId: HostId };
  samples: readonly { readonly hostId: HostId; readonly sample: Sample }[];
  notice: {
    readonly hostId: HostId;
    readonly atMs: number;
    readonly code: string;
    readonly sliceId: string | null;
    /** Of a GPU as such. */
    readonly gpuUuid: string | null;
    readonly message: string;
  };
  /** An edit on a host, made or refused, by anybody. */
  audit: { readonly hostId: HostId; readonly record: AuditRecord };
  /** What follows of this terminal begins at `offset`; up to `endOffset` it was said before. */
  'terminal:attached': {
    readonly hostId: HostId;
    readonly terminalId: string;
    readonly offset: number;
    readonly endOffset: number;
  };
  'terminal:output': {
    readonly hostId: HostId;
    readonly terminalId: string;
    readonly offset: number;
    /** base64 */
    readonly data: string;
  };
  /** Both null: nobody knows how. */
  'terminal:ended': {
    readonly hostId: HostId;
    readonly terminalId: string;
    readonly exitCode: number | null;
    readonly signal: number | null;
  };
  /** Picked in the menu bar or the tray. */
  command: { readonly id: string };
  /** A deep link was opened: it navigates, and nothing else. */
  navigate: { readonly link: string };
  'update:changed': UpdateState;
}
export type EventChannel = keyof CoreEvents;
export const EVENT_CHANNELS: readonly EventChannel[] = [
  'fleet:changed',
  'host:changed',
  'host:gone',
  'samples',
  'notice',
  'audit',
  'terminal:attached',
  'terminal:output',
  'terminal:ended',
  'command',
  'navigate',
  'update:changed',
];
export type CoreEvent = {
  [E in EventChannel]: { readonly event: E; readonly data: CoreEvents[E] };
}[EventChannel];

/** What the renderer sees, whichever transport carries it (Electron: `window.tranche`, put there by the preload). */
export interface TrancheApi {
  readonly transport: 'electron' | 'serve' | 'fake';
  readonly platform: string;
  readonly appVersion: string;
  request<C extends RequestChannel>(channel: C, args: RequestArgs<C>): Promise<Result<RequestValues[C]>>;
  /** Returns its own undo. */
  onEvent(listener: (event: CoreEvent) => void): () => void;
  copyText(text: string): Promise<boolean>;
}

/**
 * What the preload gives a page: the same, with events as JSON. The bridge between the preload's world and the page's
 * copies an object field by field, which with a fleet of samples took more of the page's time than drawing them.
 */
export interface PreloadApi extends Omit<TrancheApi, 'onEvent'> {
  onEventText(listener: (text: string) => void): () => void;
}
