/**
 * How long each slice has had no GPU time: "held but idle since". From samples, and for the time before this window was
 * opened from the agent's history, asked for once per slice that is found idle.
 */
import type { Sample } from '../../model/sample.ts';
import type { HistoryPoint, HostId, SliceId } from '../../model/model.ts';
import type { Idle } from '../domain/idle-text.ts';

/** Below half a percent nothing really runs: a notebook's kernel pings. */
const BUSY_TENTHS = 5;
export const LOOKBACK_MS = 86_400_000;
/** Slices whose history is asked for at a time, over all hosts: nobody waits for it. */
const ASKING_MAX = 4;

interface Entry {
  idle: Idle | null;
  asked: boolean;
}

export type AskHistory = (
  hostId: HostId,
  sliceId: SliceId,
  toMs: number,
) => Promise<readonly HistoryPoint[] | null>;

const entries = new Map<string, Entry>();
const queue: (() => Promise<void>)[] = [];
let asking = 0;
const keyOf = (hostId: HostId, sliceId: SliceId): string => `${hostId}\n${sliceId}`;

/** The last time it was busy, or the beginning of what is remembered. */
export function idleFrom(points: readonly HistoryPoint[]): Idle | null {
  const busy = points.findLast((point) => (point.computeTenths ?? 0) > BUSY_TENTHS);
  if (busy !== undefined) return { sinceMs: busy.atMs, atLeast: false };
  const first = points.find((point) => point.computeTenths !== null);
  return first === undefined ? null : { sinceMs: first.atMs, atLeast: true };
}

function pump(): void {
  while (asking < ASKING_MAX) {
    const next = queue.shift();
    if (next === undefined) return;
    asking += 1;
    void next().finally(() => {
      asking -= 1;
      pump();
    });
  }
}

export function noteIdle(hostId: HostId, sample: Sample, ask: AskHistory): void {
  for (const { id, computeUsedTenths } of sample.slices) {
    const key = keyOf(hostId, id);
    let entry = entries.get(key);
    if (entry === undefined) {
      entry = { idle: null, asked: false };
      entries.set(key, entry);
    }
    if (computeUsedTenths === null) continue;
    if (computeUsedTenths > BUSY_TENTHS) {
      entry.idle = null;
      // It was seen busy: from here on we know it ourselves.
      entry.asked = true;
      continue;
    }
    entry.idle ??= { sinceMs: sample.atMs, atLeast: !entry.asked };
    if (entry.asked) continue;
    entry.asked = true;
    const known = entry;
    queue.push(async () => {
      const points = await ask(hostId, id, sample.atMs);
      const before = points === null ? null : idleFrom(points);
      if (before !== null && known.idle !== null) known.idle = before;
    });
  }
  pump();
}

export const idleSince = (hostId: HostId, sliceId: SliceId): Idle | null =>
  entries.get(keyOf(hostId, sliceId))?.idle ?? null;

export function forgetIdle(hostId: HostId): void {
  for (const key of entries.keys()) if (key.startsWith(`${hostId}\n`)) entries.delete(key);
}
