/** An edit in words, and as cells for a file. Pure. */
import type { AuditRecord, AuditSlice } from '../../../model/model.ts';
import { gib } from '../../../model/units.ts';

export interface Change {
  readonly what: string;
  readonly before: string;
  readonly after: string;
}

const NONE = '—';
const time = (ms: number | null): string =>
  ms === null ? 'none' : new Date(ms).toISOString().slice(0, 16).replace('T', ' ');

const READ: readonly (readonly [what: string, read: (slice: AuditSlice) => string])[] = [
  ['name', (s) => s.name],
  ['owner', (s) => s.owner],
  ['memory GiB', (s) => gib(s.memoryLimitBytes)],
  ['GPU time %', (s) => String(s.computeLimitPercent)],
  ['guaranteed %', (s) => String(s.computeGuaranteePercent)],
  ['priority', (s) => s.priority],
  ['starts', (s) => time(s.startsAtMs)],
  ['until', (s) => time(s.expiresAtMs)],
  ['GPU', (s) => s.gpuUuid ?? NONE],
];

/** What differs; of a slice that was made or deleted, what it is or was. */
export function changesOf({ before, after, refusal }: AuditRecord): readonly Change[] {
  if (refusal !== null) return [];
  return READ.map(([what, read]) => ({
    what,
    before: before === null ? NONE : read(before),
    after: after === null ? NONE : read(after),
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
  'job-cancel': 'cancelled',
  'job-hold': 'held',
  'job-release': 'released',
  'job-first': 'moved to the front',
  'job-priority': 'set the priority of',
  'job-slots': 'set jobs per slice',
};

/** A newer agent may know edits that we do not: shown as they are. */
export const verbOf = (record: AuditRecord): string => VERBS[record.action] ?? record.action;

export const refusalText = ({ refusal }: AuditRecord): string | null =>
  refusal === null ? null : refusal === 'not-permitted' ? 'refused: no right to it' : `refused: ${refusal}`;

/** `memory GiB 20.0 → 24.0`; more than two are counted. */
export function changeText(record: AuditRecord, max = 3): string {
  const changes = changesOf(record);
  const shown = changes
    .slice(0, max)
    .map((c) => (c.before === NONE ? `${c.what} ${c.after}` : `${c.what} ${c.before} → ${c.after}`));
  const rest = changes.length - shown.length;
  return [...shown, ...(rest > 0 ? [`${String(rest)} more`] : [])].join(', ');
}

const SIDES = [
  'name',
  'owner',
  'memoryLimitBytes',
  'computeLimitPercent',
  'computeGuaranteePercent',
  'priority',
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
    new Date(record.atMs).toISOString().replace(/\.\d+Z$/, 'Z'),
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
