/** A slice that is to be made or changed: its rules before the agent is asked, and what a change is called. Pure. */
import { admit } from '../../model/admission.ts';
import type { Admission } from '../../model/admission.ts';
import type { Gpu } from '../../model/gpu.ts';
import type { Person } from '../../model/people.ts';
import type { NewSliceSettings, Slice, SliceSettings } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { MIB, gib, gibWithUnit } from '../../model/units.ts';
import { slicesOf } from './host-figures.ts';
import { untilText } from './when.ts';

export interface HostSlice {
  readonly host: HostSnapshot;
  readonly slice: Slice;
}

export interface NewSlice extends NewSliceSettings {
  readonly name: string | null;
  readonly owner: string | null;
}

/** What is not in it stays; an end of null takes it away. */
export type SliceChange = Partial<SliceSettings>;

/** A share of the GPU in whole MiB, rounded down, so that four quarters always fit. */
export const presetBytes = (capacityBytes: number, share: number): number =>
  Math.floor((capacityBytes * share) / MIB) * MIB;

/** The agent's own rules, run here for a preview. */
export function preview(host: HostSnapshot, gpu: Gpu, without: Slice | null, wanted: NewSlice): Admission {
  const others = slicesOf(host, gpu.uuid).filter((slice) => slice.id !== without?.id);
  return admit({
    capacityBytes: gpu.capacityBytes,
    otherSliceCount: others.length,
    otherGuaranteesPercent: others.reduce((sum, slice) => sum + slice.computeGuaranteePercent, 0),
    memoryLimitBytes: wanted.memoryLimitBytes,
    computeLimitPercent: wanted.computeLimitPercent,
    computeGuaranteePercent: wanted.computeGuaranteePercent,
    memoryOvercommitMaxPercent: host.memoryOvercommitMaxPercent,
    otherMemoryLimitsBytes: others.reduce((sum, slice) => sum + slice.memoryLimitBytes, 0),
    previousMemoryLimitBytes: without?.memoryLimitBytes ?? 0,
  });
}

export const asNew = (slice: Slice, change: SliceChange = {}): NewSlice => ({ ...slice, ...change });

/** Who a new slice is for when nobody is named: the person who looks. */
export const yourName = (host: HostSnapshot): string | null =>
  host.connection.kind === 'live' || host.connection.kind === 'stale' ? host.connection.agent.yourName : null;

/** A limit below what is in use does not hold yet, and nobody is to be told that it does. */
export const waitsFor = (limitBytes: number, usedBytes: number | null): string | null =>
  usedBytes !== null && usedBytes > limitBytes ? `when use drops (${gib(usedBytes)} now)` : null;

function memoryText(slice: Slice, toBytes: number, usedBytes: number | null): string {
  const { name, memoryLimitBytes } = slice;
  if (toBytes === memoryLimitBytes) return `${name} keeps ${gibWithUnit(toBytes)}`;
  const fromTo = `from ${gib(memoryLimitBytes)} to ${gibWithUnit(toBytes)}`;
  if (toBytes > memoryLimitBytes) return `${name} grown ${fromTo}`;
  const waits = waitsFor(toBytes, usedBytes);
  return waits === null ? `${name} shrunk ${fromTo}` : `${name} will shrink ${fromTo} ${waits}`;
}

/** `usedBytes`: what is in use in the slice, as far as is known. */
export function changeText(slice: Slice, change: SliceChange, usedBytes: number | null): string {
  if (change.memoryLimitBytes !== undefined) return memoryText(slice, change.memoryLimitBytes, usedBytes);
  if (change.computeLimitPercent !== undefined) {
    return `${slice.name}: GPU time limit ${String(slice.computeLimitPercent)} → ${String(change.computeLimitPercent)} %`;
  }
  if (change.computeGuaranteePercent !== undefined) {
    return `${slice.name}: guarantee ${String(slice.computeGuaranteePercent)} → ${String(change.computeGuaranteePercent)} %`;
  }
  if (change.expiresAtMs !== undefined) {
    return change.expiresAtMs === null
      ? `${slice.name} has no end any more`
      : `${slice.name} ends ${untilText(change.expiresAtMs)}`;
  }
  if (change.gate !== undefined) return `${slice.name}: gate ${slice.gate} → ${change.gate}`;
  return `${slice.name}: priority ${slice.priority} → ${change.priority ?? slice.priority}`;
}

/** The same of several slices; `usedBy`: what is in use in one of them, as far as is known. */
export function changesText(
  done: readonly HostSlice[],
  change: SliceChange,
  usedBy: (of: HostSlice) => number | null,
): string {
  const count = `${String(done.length)} slices`;
  const {
    memoryLimitBytes: toBytes,
    computeLimitPercent,
    computeGuaranteePercent,
    priority,
    gate,
    expiresAtMs,
  } = change;
  if (toBytes !== undefined) {
    const waiting = done.filter((of) => waitsFor(toBytes, usedBy(of)) !== null).length;
    const later = waiting === 0 ? '' : `, ${String(waiting)} of them when their use drops`;
    return `${count}: memory limit ${gibWithUnit(toBytes)}${later}`;
  }
  if (computeLimitPercent !== undefined) return `${count}: GPU time limit ${String(computeLimitPercent)} %`;
  if (computeGuaranteePercent !== undefined)
    return `${count}: guarantee ${String(computeGuaranteePercent)} %`;
  if (priority !== undefined) return `${count}: priority ${priority}`;
  if (gate !== undefined) return `${count}: gate ${gate}`;
  return expiresAtMs == null ? `${count} have no end any more` : `${count} end ${untilText(expiresAtMs)}`;
}

/** People a slice can be given to: those who use the GPUs first, then other logins. */
export function candidates(people: readonly Person[], owner: string | null): readonly Person[] {
  return people.filter((person) => person.name !== owner);
}

/** What all of them have, or null where they differ. */
export function commonOf<T>(
  slices: readonly HostSlice[],
  read: (of: HostSlice) => T,
): { readonly value: T } | null {
  const [first, ...others] = slices;
  if (first === undefined) return null;
  const value = read(first);
  return others.every((one) => read(one) === value) ? { value } : null;
}

/** The agent's rule for names (docs/protocol.md): shown before it is asked. */
export function nameProblem(name: string): string | null {
  if (name === '') return 'Type a name.';
  if (name.length > 40) return 'A name has at most 40 characters.';
  if (!/^[A-Za-z0-9]/.test(name)) return 'A name starts with a letter or a digit.';
  if (!/^[A-Za-z0-9._-]+$/.test(name)) return 'A name has letters, digits, dot, dash and underscore only.';
  return null;
}
