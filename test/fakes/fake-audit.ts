/** An audit as the agent would keep it: 240 edits of a month, some refused, one with a name that a spreadsheet runs. */
import type { AuditRecord } from '../../model/people.ts';
import { settingsOf } from '../../model/slice.ts';
import type { AuditSlice, Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { GIB } from '../../model/units.ts';

const STEP_MS = 3_000_000;
const LENGTH = 240;
const USERS = ['mira', 'tom', 'wei', 'lab'] as const;

const kept = (slice: Slice): AuditSlice => ({
  name: slice.name,
  owner: slice.owner,
  gpuUuid: slice.gpuUuid,
  ...settingsOf(slice),
});

function actionOf(before: Slice | null, after: Slice | null): string {
  if (before === null) return 'slice-create';
  if (after === null) return 'slice-delete';
  if (before.owner !== after.owner) return 'slice-assign';
  if (before.gpuUuid !== after.gpuUuid) return 'slice-move';
  return before.name === after.name ? 'slice-resize' : 'slice-rename';
}

export function auditRecord(
  seq: number,
  atMs: number,
  user: string,
  before: Slice | null,
  after: Slice | null,
): AuditRecord {
  const slice = after ?? before;
  return {
    seq,
    atMs,
    action: actionOf(before, after),
    refusal: null,
    sliceId: slice?.id ?? null,
    sliceName: slice?.name ?? null,
    gpuUuid: slice?.gpuUuid ?? null,
    uid: 1000,
    user,
    claimedFrom: '10.0.0.7',
    detail: null,
    refusalsOmitted: 0,
    before: before === null ? null : kept(before),
    after: after === null ? null : kept(after),
  };
}

/** Newest first. */
export function auditOf(host: HostSnapshot): AuditRecord[] {
  const { slices } = host;
  if (slices.length === 0) return [];
  const startMs = Date.now() - LENGTH * STEP_MS;
  return Array.from({ length: LENGTH }, (_, i): AuditRecord => {
    const slice = slices[i % slices.length] as Slice;
    const user = USERS[i % USERS.length] ?? 'mira';
    const before = { ...slice, memoryLimitBytes: slice.memoryLimitBytes - ((i % 3) + 1) * GIB };
    const made = auditRecord(i + 1, startMs + i * STEP_MS, user, i < slices.length ? null : before, slice);
    if (i % 17 === 9) return { ...made, refusal: 'not-permitted', after: made.before };
    if (i === LENGTH - 4) return { ...made, detail: '=HYPERLINK("http://example.com")' };
    return made;
  }).reverse();
}
