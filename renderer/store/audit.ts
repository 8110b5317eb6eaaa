/** The audit of hosts as far as it was read: newest first, older pages on demand, new edits as they happen. */
import { create } from 'zustand';
import type { Failure, Result } from '../../model/errors.ts';
import type { AuditRecord } from '../../model/people.ts';
import type { AuditPage, HostId, SliceId } from '../../model/model.ts';
import { request } from './ask.ts';

const PAGE = 100;
/** An export ends here: far more than an agent keeps, and a bound for one that never says it is done. */
const PAGES_MAX = 1000;
/** Live edits in a window that is open for weeks: older ones are read again when asked for. */
const KEPT_MAX = 5000;

export interface AuditTrail {
  readonly records: readonly AuditRecord[];
  /** Where the next page begins; null: there are no older ones. */
  readonly nextBeforeSeq: number | null;
  readonly state: 'loading' | 'ready' | 'failed';
  readonly failure: Failure | null;
}

type Trails = Readonly<Record<string, AuditTrail>>;
const useTrails = create<{ readonly trails: Trails }>(() => ({ trails: {} }));

const keyOf = (hostId: HostId, sliceId: SliceId | null): string => `${hostId}\n${sliceId ?? ''}`;

export const useTrail = (hostId: HostId, sliceId: SliceId | null): AuditTrail | null =>
  useTrails((s) => s.trails[keyOf(hostId, sliceId)] ?? null);

const put = (key: string, trail: AuditTrail): void =>
  useTrails.setState((s) => ({ trails: { ...s.trails, [key]: trail } }));

export const EMPTY_TRAIL: AuditTrail = { records: [], nextBeforeSeq: null, state: 'loading', failure: null };

/** Two pages may meet: each edit once, newest first. */
function merged(a: readonly AuditRecord[], b: readonly AuditRecord[]): readonly AuditRecord[] {
  const bySeq = new Map([...a, ...b].map((record) => [record.seq, record]));
  return [...bySeq.values()].sort((x, y) => y.seq - x.seq);
}

async function load(hostId: HostId, sliceId: SliceId | null, beforeSeq: number | null): Promise<void> {
  const key = keyOf(hostId, sliceId);
  const before = useTrails.getState().trails[key] ?? EMPTY_TRAIL;
  put(key, { ...before, state: 'loading', failure: null });
  const result = await request('audit:get', { hostId, sliceId, beforeSeq, maxRecords: PAGE });
  const now = useTrails.getState().trails[key] ?? EMPTY_TRAIL;
  if (!result.ok) {
    put(key, { ...now, state: 'failed', failure: result.error });
    return;
  }
  const { records, nextBeforeSeq } = result.value;
  put(key, {
    records: beforeSeq === null ? records : merged(now.records, records),
    nextBeforeSeq,
    state: 'ready',
    failure: null,
  });
}

export const loadNewest = (hostId: HostId, sliceId: SliceId | null): Promise<void> =>
  load(hostId, sliceId, null);

export async function loadOlder(hostId: HostId, sliceId: SliceId | null): Promise<void> {
  const trail = useTrails.getState().trails[keyOf(hostId, sliceId)];
  if (trail === undefined || trail.state === 'loading' || trail.nextBeforeSeq === null) return;
  await load(hostId, sliceId, trail.nextBeforeSeq);
}

/** An edit that has just been made somewhere: into every trail that it belongs to and that is being read. */
export function noteAudit(hostId: HostId, record: AuditRecord): void {
  for (const key of [
    keyOf(hostId, null),
    ...(record.sliceId === null ? [] : [keyOf(hostId, record.sliceId)]),
  ]) {
    const trail = useTrails.getState().trails[key];
    if (trail === undefined) continue;
    put(key, { ...trail, records: merged([record], trail.records).slice(0, KEPT_MAX) });
  }
}

export function forgetAudit(hostId: HostId): void {
  useTrails.setState((s) => ({
    trails: Object.fromEntries(Object.entries(s.trails).filter(([key]) => !key.startsWith(`${hostId}\n`))),
  }));
}

/** Everything the agent has kept, for a file. */
export async function wholeAudit(
  hostId: HostId,
  sliceId: SliceId | null,
): Promise<readonly AuditRecord[] | Failure> {
  let all: readonly AuditRecord[] = [];
  let beforeSeq: number | null = null;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const result: Result<AuditPage> = await request('audit:get', {
      hostId,
      sliceId,
      beforeSeq,
      maxRecords: PAGE,
    });
    if (!result.ok) return result.error;
    all = [...all, ...result.value.records];
    beforeSeq = result.value.nextBeforeSeq;
    if (beforeSeq === null) break;
  }
  return all;
}
