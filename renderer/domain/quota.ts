/** What a person may hold on a host beside what they hold. Pure; the agent decides with the same rules. */
import { admitQuota } from '../../model/admission.ts';
import type { Quota } from '../../model/people.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { gib, gibWithUnit } from '../../model/units.ts';

export const DEFAULT_SUBJECT = 'default';

export interface Held {
  readonly bytes: number;
  readonly slices: number;
}

/** The quota that holds for a person: their own, else what the agent says of their groups, else the default. */
export function quotaOf(host: HostSnapshot, person: string): Quota | null {
  const find = (subject: string | null | undefined): Quota | null =>
    host.quotas.find((quota) => quota.subject === subject) ?? null;
  const own = person === DEFAULT_SUBJECT ? null : find(person);
  return own ?? find(host.people.find(({ name }) => name === person)?.quota) ?? find(DEFAULT_SUBJECT);
}

/** A shrink that waits counts as done, as it does for the agent. */
export function heldBy(host: HostSnapshot, person: string, without: Slice | null = null): Held {
  const theirs = host.slices.filter((slice) => slice.owner === person && slice.id !== without?.id);
  return {
    bytes: theirs.reduce((sum, slice) => sum + (slice.pendingMemoryLimitBytes ?? slice.memoryLimitBytes), 0),
    slices: theirs.length,
  };
}

/** `each member of students`, `tom`, `each person here`. */
export const whomOf = ({ subject }: Quota): string =>
  subject === DEFAULT_SUBJECT
    ? 'each person here'
    : subject.startsWith('@')
      ? `each member of ${subject.slice(1)}`
      : subject;

/** `40.0 GiB, 3 slices`; what is not limited is left out. */
export function quotaText({ memoryBytesMax, slicesMax }: Omit<Quota, 'subject'>): string {
  const parts = [
    memoryBytesMax === null ? null : gibWithUnit(memoryBytesMax),
    slicesMax === null ? null : `${String(slicesMax)} ${slicesMax === 1 ? 'slice' : 'slices'}`,
  ].filter((part) => part !== null);
  return parts.length === 0 ? 'no limit' : parts.join(', ');
}

/**
 * What the owner would hold beyond their quota, in a few words; null while it is within. `slice`: the one that is being
 * changed or handed over; null for a new one.
 */
export function beyondQuota(
  host: HostSnapshot,
  owner: string,
  memoryLimitBytes: number,
  slice: Slice | null,
): string | null {
  const quota = quotaOf(host, owner);
  if (quota === null) return null;
  const others = heldBy(host, owner, slice);
  const keeps = slice !== null && slice.owner === owner;
  const verdict = admitQuota({
    memoryBytesMax: quota.memoryBytesMax,
    slicesMax: quota.slicesMax,
    otherSliceCount: others.slices,
    otherMemoryLimitsBytes: others.bytes,
    memoryLimitBytes,
    previousMemoryLimitBytes: keeps ? (slice.pendingMemoryLimitBytes ?? slice.memoryLimitBytes) : 0,
  });
  if (verdict.ok) return null;
  const sum = others.bytes + memoryLimitBytes;
  return quota.memoryBytesMax !== null && sum > quota.memoryBytesMax
    ? `${owner} would hold ${gib(sum)} of ${gibWithUnit(quota.memoryBytesMax)}`
    : `${owner} would have ${String(others.slices + 1)} of ${String(quota.slicesMax ?? 0)} slices`;
}
