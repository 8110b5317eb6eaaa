/** Edits of slices, in the words that the toast shows. */
import type { Gpu, HostSnapshot, Person, Priority, Slice, SliceEdit } from '../../../model/model.ts';
import { admit } from '../../../model/admission.ts';
import type { Admission } from '../../../model/admission.ts';
import { MIB, gib, gibWithUnit } from '../../../model/units.ts';
import type { Failure, Result } from '../../../model/errors.ts';
import { ask, edit, keepUndo, request, sayFailure, withinQuota } from '../../store/actions.ts';
import { useLinked } from '../../store/linked.ts';
import { shownSample } from '../../store/series.ts';
import { logEvent, select, showToast } from '../../store/ui.ts';
import type { UndoToken } from '../../store/ui.ts';
import { sliceSample, slicesOf } from '../hosts/host-figures.ts';
import { untilText } from './until.ts';

export interface HostSlice {
  readonly host: HostSnapshot;
  readonly slice: Slice;
}

export interface NewSlice {
  readonly name: string | null;
  readonly memoryLimitBytes: number;
  readonly computeLimitPercent: number;
  readonly computeGuaranteePercent: number;
  readonly priority: Priority;
  readonly owner: string | null;
  readonly expiresAtMs?: number | null;
}

export interface SliceChange {
  readonly memoryLimitBytes?: number;
  readonly computeLimitPercent?: number;
  readonly computeGuaranteePercent?: number;
  readonly priority?: Priority;
  /** null takes the end away. */
  readonly expiresAtMs?: number | null;
}

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

export async function createSlice(
  host: HostSnapshot,
  gpu: Gpu,
  wanted: NewSlice,
  overQuota = false,
): Promise<boolean> {
  const owner = wanted.owner ?? yourName(host) ?? 'you';
  const text = `${wanted.name ?? 'A slice'} of ${gibWithUnit(wanted.memoryLimitBytes)} created for ${owner}`;
  const made = await edit(
    host.id,
    text,
    withinQuota((more) =>
      request('slice:create', {
        hostId: host.id,
        gpuUuid: gpu.uuid,
        expiresAtMs: null,
        ...wanted,
        ...(overQuota ? { overQuota } : more),
      }),
    ),
  );
  if (made !== null) select(host.id, { kind: 'slice', id: made.sliceId });
  return made !== null;
}

export const createPreset = (
  host: HostSnapshot,
  gpu: Gpu,
  bytes: number,
  percent: number,
): Promise<boolean> =>
  createSlice(host, gpu, {
    name: null,
    memoryLimitBytes: bytes,
    computeLimitPercent: percent,
    computeGuaranteePercent: 0,
    priority: 'normal',
    owner: null,
  });

/** A slice as it is on the screen: the agent refuses if somebody has changed it since. */
const asSeen = (host: HostSnapshot, slice: Slice) =>
  ({ hostId: host.id, sliceId: slice.id, revision: slice.revision }) as const;

/** What was used a moment ago; null: unknown. */
const usedBy = ({ host, slice }: HostSlice): number | null =>
  sliceSample(shownSample(host.id), slice.id)?.memoryUsedBytes ?? null;

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
      : `${slice.name} ends ${untilText(change.expiresAtMs, Date.now())}`;
  }
  return `${slice.name}: priority ${slice.priority} → ${change.priority ?? slice.priority}`;
}

/** The same of several slices. */
function changesText(done: readonly HostSlice[], change: SliceChange): string {
  const count = `${String(done.length)} slices`;
  const {
    memoryLimitBytes: toBytes,
    computeLimitPercent,
    computeGuaranteePercent,
    priority,
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
  return expiresAtMs == null
    ? `${count} have no end any more`
    : `${count} end ${untilText(expiresAtMs, Date.now())}`;
}

/** Shrinking below what is in use waits until use drops. */
export async function changeSlice(host: HostSnapshot, slice: Slice, change: SliceChange): Promise<boolean> {
  const done = await edit(
    host.id,
    changeText(slice, change, usedBy({ host, slice })),
    withinQuota((more) =>
      request('slice:resize', {
        ...asSeen(host, slice),
        belowUse: 'when-it-drops',
        ...change,
        ...more,
      }),
    ),
  );
  return done !== null;
}

export async function giveSlice(host: HostSnapshot, slice: Slice, owner: string): Promise<void> {
  await edit(
    host.id,
    `${slice.name} given to ${owner}`,
    withinQuota((more) =>
      request('slice:assign', {
        ...asSeen(host, slice),
        owner,
        ...more,
      }),
    ),
  );
}

/**
 * Several slices in one act, on one host or many: one toast, one Undo. Stops at the first refusal and says how far it
 * came. `text`: what was done, of those with which it was.
 */
export async function eachSlice(
  slices: readonly HostSlice[],
  text: (done: readonly HostSlice[]) => string,
  act: (of: HostSlice) => Promise<Result<SliceEdit>>,
): Promise<boolean> {
  const tokens: UndoToken[] = [];
  const done: HostSlice[] = [];
  let failure: Failure | null = null;
  for (const of of slices) {
    const result = await act(of);
    if (!result.ok) {
      failure = result.error;
      break;
    }
    done.push(of);
    tokens.unshift({ hostId: of.host.id, undoToken: result.value.undoToken });
  }
  if (failure !== null && done.length > 0) {
    const far = `${String(done.length)} of ${String(slices.length)} were done; Undo takes them back.`;
    failure = { ...failure, message: `${failure.message} ${far}` };
  }
  if (done.length === 0) {
    if (failure !== null) sayFailure(failure);
    return failure === null;
  }
  // None of the edits rests on another.
  const undo = keepUndo(text(done), tokens, { apart: true });
  showToast(failure?.message ?? undo.text, { undo, ...(failure === null ? {} : { failure }) });
  const atMs = Date.now();
  for (const of of done) {
    logEvent({ hostId: of.host.id, sliceId: of.slice.id, atMs, tone: 'plain', text: text([of]) });
  }
  return failure === null;
}

/** What was done, of one slice by its name and of several by their number. */
const byCount =
  (one: (of: HostSlice) => string, many: (slices: string) => string) =>
  (done: readonly HostSlice[]): string => {
    const [first] = done;
    return first !== undefined && done.length === 1 ? one(first) : many(`${String(done.length)} slices`);
  };

export const giveSlices = (slices: readonly HostSlice[], owner: string): Promise<boolean> =>
  eachSlice(
    slices.filter(({ slice }) => slice.owner !== owner),
    byCount(
      ({ slice }) => `${slice.name} given to ${owner}`,
      (count) => `${count} given to ${owner}`,
    ),
    ({ host, slice }) =>
      withinQuota((more) =>
        request('slice:assign', {
          ...asSeen(host, slice),
          owner,
          ...more,
        }),
      ),
  );

export const changeSlices = (slices: readonly HostSlice[], change: SliceChange): Promise<boolean> =>
  eachSlice(
    slices,
    (done) => {
      const [first] = done;
      return first !== undefined && done.length === 1
        ? changeText(first.slice, change, usedBy(first))
        : changesText(done, change);
    },
    ({ host, slice }) =>
      withinQuota((more) =>
        request('slice:resize', {
          ...asSeen(host, slice),
          belowUse: 'when-it-drops',
          ...change,
          ...more,
        }),
      ),
  );

export const endSlices = (slices: readonly HostSlice[], expiresAtMs: number | null): Promise<boolean> =>
  changeSlices(slices, { expiresAtMs });

export const deleteSlices = (slices: readonly HostSlice[], withProcesses: boolean): Promise<boolean> =>
  eachSlice(
    slices,
    byCount(
      ({ slice }) => `${slice.name} deleted`,
      (count) => `${count} deleted`,
    ),
    ({ host, slice }) =>
      request('slice:delete', {
        ...asSeen(host, slice),
        withProcesses,
      }),
  );

export async function renameSlice(host: HostSnapshot, slice: Slice, name: string): Promise<boolean> {
  const done = await edit(
    host.id,
    `${slice.name} renamed to ${name}`,
    request('slice:rename', { ...asSeen(host, slice), name }),
  );
  return done !== null;
}

export async function deleteSlice(
  host: HostSnapshot,
  slice: Slice,
  withProcesses: boolean,
): Promise<boolean> {
  const done = await edit(
    host.id,
    `${slice.name} deleted`,
    request('slice:delete', { ...asSeen(host, slice), withProcesses }),
  );
  if (done !== null) select(host.id, { kind: 'gpu', uuid: slice.gpuUuid });
  return done !== null;
}

export const stopProcess = (
  hostId: string,
  pid: number,
  startTicks: string,
  signal: 'INT' | 'TERM' | 'KILL',
): Promise<null> => ask('process:stop', { hostId, pid, startTicks, signal });

/** People a slice can be given to: those who use the GPUs first, then other logins. */
export function candidates(people: readonly Person[], owner: string | null): readonly Person[] {
  return people.filter((person) => person.name !== owner);
}

/**
 * `tranche` as it can be called anywhere on the host: by its name only where a login shell was seen to find it. Jobs and
 * terminals of this window have it in their PATH either way.
 */
export function programOn(host: HostSnapshot, linked = useLinked.getState().hosts): string {
  const { connection } = host;
  const full =
    connection.kind === 'live' || connection.kind === 'stale' ? connection.agent.commandPath : null;
  return full === null || linked.includes(host.id) ? 'tranche' : full;
}

export const runCommandOf = (host: HostSnapshot, slice: Slice): string =>
  `${programOn(host)} run --slice ${slice.name} -- python train.py`;

/** The agent's rule for names (docs/protocol.md): shown before it is asked. */
export function nameProblem(name: string): string | null {
  if (name === '') return 'Type a name.';
  if (name.length > 40) return 'A name has at most 40 characters.';
  if (!/^[A-Za-z0-9]/.test(name)) return 'A name starts with a letter or a digit.';
  if (!/^[A-Za-z0-9._-]+$/.test(name)) return 'A name has letters, digits, dot, dash and underscore only.';
  return null;
}
