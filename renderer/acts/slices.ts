/** Edits of slices, in the words that the toast shows. */
import type { Failure, Result } from '../../model/errors.ts';
import type { Gpu } from '../../model/gpu.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot, SliceEdit } from '../../model/model.ts';
import { gibWithUnit } from '../../model/units.ts';
import { sliceSample } from '../domain/host-figures.ts';
import { changeText, changesText, yourName } from '../domain/slice-edits.ts';
import type { HostSlice, NewSlice, SliceChange } from '../domain/slice-edits.ts';
import { ask, request, sayFailure } from '../store/ask.ts';
import { shownSample } from '../store/series.ts';
import { logEvent, openDialog, select, showToast } from '../store/ui.ts';
import type { UndoToken } from '../store/ui.ts';
import { edit, keepUndo, withinQuota } from './edits.ts';

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

/** Shrinking below what is in use waits until use drops. */
const resize = (host: HostSnapshot, slice: Slice, change: SliceChange): Promise<Result<SliceEdit>> =>
  withinQuota((more) =>
    request('slice:resize', { ...asSeen(host, slice), belowUse: 'when-it-drops', ...change, ...more }),
  );

export async function changeSlice(host: HostSnapshot, slice: Slice, change: SliceChange): Promise<boolean> {
  const done = await edit(
    host.id,
    changeText(slice, change, usedBy({ host, slice })),
    resize(host, slice, change),
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
        : changesText(done, change, usedBy);
    },
    ({ host, slice }) => resize(host, slice, change),
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

/** Empty: deleted at once, with Undo. Somebody runs in it: asked first, with names. */
export function requestDelete(host: HostSnapshot, slice: Slice): void {
  const busy = shownSample(host.id)?.processes.some((process) => process.sliceId === slice.id) ?? false;
  if (busy) openDialog({ kind: 'delete-slice', hostId: host.id, sliceId: slice.id });
  else void deleteSlice(host, slice, false);
}

export const stopProcess = (
  hostId: string,
  pid: number,
  startTicks: string,
  signal: 'INT' | 'TERM' | 'KILL',
): Promise<null> => ask('process:stop', { hostId, pid, startTicks, signal });
