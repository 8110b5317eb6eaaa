/** Edits of slices, in the words that the toast shows. */
import type { Gpu, HostSnapshot, Person, Priority, Slice, SliceEdit } from '../../../model/model.ts';
import { admit } from '../../../model/admission.ts';
import type { Admission } from '../../../model/admission.ts';
import { MIB, gib, gibWithUnit } from '../../../model/units.ts';
import type { Result } from '../../../model/errors.ts';
import { ask, edit, edited, request, sayFailure, withinQuota } from '../../store/actions.ts';
import { select } from '../../store/ui.ts';
import { slicesOf } from '../hosts/host-figures.ts';
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

export function changeText(slice: Slice, change: SliceChange): string {
  if (change.memoryLimitBytes !== undefined) {
    const verb = change.memoryLimitBytes > slice.memoryLimitBytes ? 'grown' : 'shrunk';
    return `${slice.name} ${verb} from ${gib(slice.memoryLimitBytes)} to ${gibWithUnit(change.memoryLimitBytes)}`;
  }
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

/** Shrinking below what is in use waits until use drops; that is said by the pending limit the agent reports. */
export async function changeSlice(host: HostSnapshot, slice: Slice, change: SliceChange): Promise<boolean> {
  const done = await edit(
    host.id,
    changeText(slice, change),
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

/** Several slices in one act: one toast, one Undo. Stops at the first refusal and says how far it came. */
export async function eachSlice(
  slices: readonly HostSlice[],
  text: (count: number) => string,
  act: (of: HostSlice) => Promise<Result<SliceEdit>>,
): Promise<boolean> {
  const tokens = new Map<string, string[]>();
  let count = 0;
  for (const of of slices) {
    const result = await act(of);
    if (!result.ok) {
      sayFailure(
        count === 0
          ? result.error
          : {
              ...result.error,
              message: `${result.error.message} ${String(count)} of ${String(slices.length)} were done; Undo takes them back.`,
            },
      );
      break;
    }
    count += 1;
    tokens.set(of.host.id, [result.value.undoToken, ...(tokens.get(of.host.id) ?? [])]);
  }
  // An undo belongs to one host; acts over hosts are undone host by host.
  for (const [hostId, undo] of tokens) {
    edited(hostId, slices[0]?.slice.id ?? '', text(count), undo);
  }
  return count === slices.length;
}

export const giveSlices = (slices: readonly HostSlice[], owner: string): Promise<boolean> =>
  eachSlice(
    slices.filter(({ slice }) => slice.owner !== owner),
    (count) =>
      count === 1
        ? `${slices[0]?.slice.name ?? ''} given to ${owner}`
        : `${String(count)} slices given to ${owner}`,
    ({ host, slice }) =>
      withinQuota((more) =>
        request('slice:assign', {
          ...asSeen(host, slice),
          owner,
          ...more,
        }),
      ),
  );

export const endSlices = (slices: readonly HostSlice[], expiresAtMs: number | null): Promise<boolean> =>
  eachSlice(
    slices,
    (count) =>
      count === 1 && slices[0] !== undefined
        ? changeText(slices[0].slice, { expiresAtMs })
        : `${String(count)} slices: ${untilText(expiresAtMs, Date.now())}`,
    ({ host, slice }) =>
      request('slice:resize', {
        ...asSeen(host, slice),
        expiresAtMs,
        belowUse: 'when-it-drops',
      }),
  );

export const deleteSlices = (slices: readonly HostSlice[], withProcesses: boolean): Promise<boolean> =>
  eachSlice(
    slices,
    (count) => `${String(count)} slices deleted`,
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

export const runCommandOf = (slice: Slice): string => `tranche run --slice ${slice.name} -- python train.py`;

/** The agent's rule for names (docs/protocol.md): shown before it is asked. */
export function nameProblem(name: string): string | null {
  if (name === '') return 'Type a name.';
  if (name.length > 40) return 'A name has at most 40 characters.';
  if (!/^[A-Za-z0-9]/.test(name)) return 'A name starts with a letter or a digit.';
  if (!/^[A-Za-z0-9._-]+$/.test(name)) return 'A name has letters, digits, dot, dash and underscore only.';
  return null;
}
