/** An edit in words, and as cells for a file. Pure. */
import type { AuditRecord } from '../../model/people.ts';
import type { AuditSlice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { gib } from '../../model/units.ts';
import { stamp, utcSeconds } from './when.ts';

export interface Change {
  readonly what: string;
  readonly before: string;
  readonly after: string;
}

const NONE = '—';
const time = (ms: number | null): string => (ms === null ? 'none' : stamp(ms));

/** What people call a GPU. */
export type GpuName = (uuid: string) => string;

const SHORT_UUID = 12;
/** By its number on this host; one that is not there any more by the beginning of its UUID. */
export const gpuNameOn =
  (host: HostSnapshot): GpuName =>
  (uuid) => {
    const gpu = host.gpus.find((one) => one.uuid === uuid);
    return gpu === undefined ? `${uuid.slice(0, SHORT_UUID)}…` : String(gpu.index);
  };

const READ: readonly (readonly [what: string, read: (slice: AuditSlice, gpuName: GpuName) => string])[] = [
  ['name', (s) => s.name],
  ['owner', (s) => s.owner],
  ['memory GiB', (s) => gib(s.memoryLimitBytes)],
  ['GPU time %', (s) => String(s.computeLimitPercent)],
  ['guaranteed %', (s) => String(s.computeGuaranteePercent)],
  ['priority', (s) => s.priority],
  ['gate', (s) => s.gate ?? NONE],
  ['starts', (s) => time(s.startsAtMs)],
  ['until', (s) => time(s.expiresAtMs)],
  ['GPU', (s, gpuName) => (s.gpuUuid === null ? NONE : gpuName(s.gpuUuid))],
];

/** What differs; of a slice that was made or deleted, what it is or was. */
export function changesOf(record: AuditRecord, gpuName: GpuName): readonly Change[] {
  const { before, after, refusal } = record;
  if (refusal !== null) return [];
  return READ.map(([what, read]) => ({
    what,
    before: before === null ? NONE : read(before, gpuName),
    after: after === null ? NONE : read(after, gpuName),
  })).filter(
    (change) =>
      change.before !== change.after &&
      // A slice that was made or deleted did not move: which GPU it was on is in the record itself.
      !(change.what === 'GPU' && (change.before === NONE || change.after === NONE)) &&
      // A new slice without an end did not lose one.
      !(change.before === NONE && change.after === 'none') &&
      !(change.after === NONE && change.before === 'none'),
  );
}

const VERBS: Readonly<Record<string, string>> = {
  'slice-create': 'created',
  'slice-resize': 'changed',
  'slice-assign': 'gave away',
  'slice-move': 'moved',
  'slice-rename': 'renamed',
  'slice-delete': 'deleted',
  undo: 'took back',
  'operators-set': 'set the operators',
  'quota-set': 'set a quota',
  'door-set': 'set the door',
  'door-refused': 'was refused at the door',
  'door-watched': 'was seen at the door',
  'job-cancel': 'cancelled',
  'job-hold': 'held',
  'job-release': 'released',
  'job-first': 'moved to the front',
  'job-priority': 'set the priority of',
  'job-slots': 'set jobs per slice',
  'job-end': 'job ended',
  'process-stop': 'sent a signal',
  'escapes-set': 'set the rule for processes outside of slices',
  escape: 'answered a process outside of slices',
  'beyond-count': 'answered a process beyond its count',
};

/** A newer agent may know edits that we do not: shown as they are. */
export const verbOf = (record: AuditRecord): string => VERBS[record.action] ?? record.action;

export const refusalText = ({ refusal }: AuditRecord): string | null =>
  refusal === null ? null : refusal === 'not-permitted' ? 'refused: no right to it' : `refused: ${refusal}`;

/** `memory GiB 20.0 → 24.0`; more than two are counted. */
export function changeText(record: AuditRecord, gpuName: GpuName, max = 3): string {
  const changes = changesOf(record, gpuName);
  const shown = changes
    .slice(0, max)
    .map((c) => (c.before === NONE ? `${c.what} ${c.after}` : `${c.what} ${c.before} → ${c.after}`));
  const rest = changes.length - shown.length;
  return [...shown, ...(rest > 0 ? [`${String(rest)} more`] : [])].join(', ');
}

/** What the agent did by the rule of its host, which it tells as a notice, too. */
export const isEscape = ({ action }: AuditRecord): boolean =>
  action === 'escape' || action === 'beyond-count';

/** The whole record as one sentence, for lists that have no columns. */
export function recordText(record: AuditRecord, gpuName: GpuName): string {
  const { user, sliceName, detail, refusal } = record;
  const on = sliceName === null ? '' : ` ${sliceName}`;
  if (refusal !== null) return `${user}: ${verbOf(record)}${on}, ${refusalText(record) ?? ''}`;
  if (record.action === 'job-end')
    return `Job ${detail ?? ''}${sliceName === null ? '' : ` in ${sliceName}`}`;
  if (record.action === 'process-stop') return `${user} sent ${detail ?? 'a signal'}`;
  if (record.action === 'escape') return `Outside of slices: ${detail ?? ''}`;
  if (record.action === 'beyond-count')
    return `More than was counted${on === '' ? '' : ` in${on}`}: ${detail ?? ''}`;
  const changes = changeText(record, gpuName);
  const more = [changes, detail ?? ''].filter((part) => part !== '').join(', ');
  return `${user} ${verbOf(record)}${on}${more === '' ? '' : `: ${more}`}`;
}

/** What went wrong with somebody's program, or was refused, stands out. */
export function recordTone(record: AuditRecord): 'plain' | 'warn' {
  const failed = record.action === 'job-end' && / (failed|lost)\b/.test(record.detail ?? '');
  return failed || isEscape(record) || record.refusal !== null ? 'warn' : 'plain';
}

const SIDES = [
  'name',
  'owner',
  'memoryLimitBytes',
  'computeLimitPercent',
  'computeGuaranteePercent',
  'priority',
  'gate',
  'startsAtMs',
  'expiresAtMs',
  'gpuUuid',
] as const satisfies readonly (keyof AuditSlice)[];

/** The columns of `tranche audit --csv`, so that files of both can be put together. */
export const CSV_HEAD: readonly string[] = [
  'time',
  'seq',
  'action',
  'refusal',
  'sliceName',
  'sliceId',
  'gpuUuid',
  'user',
  'uid',
  'claimedFrom',
  'detail',
  ...SIDES.flatMap((key) => [`before.${key}`, `after.${key}`]),
];

export function csvRow(record: AuditRecord): readonly (string | number | null)[] {
  const { before, after } = record;
  return [
    utcSeconds(record.atMs),
    record.seq,
    record.action,
    record.refusal,
    record.sliceName,
    record.sliceId,
    record.gpuUuid,
    record.user,
    record.uid,
    record.claimedFrom,
    record.detail,
    ...SIDES.flatMap((key) => [before?.[key] ?? null, after?.[key] ?? null]),
  ];
}
