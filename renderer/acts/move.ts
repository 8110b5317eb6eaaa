/** A slice on another GPU of its host, while nothing runs in it: it stays the slice it was, with its history. */
import type { Gpu } from '../../model/gpu.ts';
import { settingsOf } from '../../model/slice.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { request, sayFailure } from '../store/ask.ts';
import { select } from '../store/ui.ts';
import { edited } from './edits.ts';

export async function moveSlice(host: HostSnapshot, slice: Slice, target: Gpu): Promise<boolean> {
  const moved = await request('slice:move', {
    hostId: host.id,
    sliceId: slice.id,
    revision: slice.revision,
    gpuUuid: target.uuid,
  });
  if (!moved.ok) {
    if (moved.error.code === 'unknown-op') return makeAgain(host, slice, target);
    sayFailure(moved.error);
    return false;
  }
  select(host.id, { kind: 'slice', id: moved.value.sliceId });
  edited(host.id, moved.value.sliceId, `${slice.name} moved to GPU ${String(target.index)}`, [
    moved.value.undoToken,
  ]);
  return true;
}

/** An agent of before slices could move: made again under its name, which leaves its history behind. */
async function makeAgain(host: HostSnapshot, slice: Slice, target: Gpu): Promise<boolean> {
  const deleted = await request('slice:delete', {
    hostId: host.id,
    sliceId: slice.id,
    revision: slice.revision,
    withProcesses: false,
  });
  if (!deleted.ok) {
    sayFailure(deleted.error);
    return false;
  }
  const made = await request('slice:create', {
    hostId: host.id,
    gpuUuid: target.uuid,
    name: slice.name,
    owner: slice.owner,
    ...settingsOf(slice),
  });
  if (!made.ok) {
    const back = await request('slice:undo', { hostId: host.id, undoToken: deleted.value.undoToken });
    sayFailure(
      back.ok
        ? made.error
        : { ...made.error, message: `${made.error.message} ${slice.name} is deleted; Undo brings it back.` },
    );
    return false;
  }
  select(host.id, { kind: 'slice', id: made.value.sliceId });
  edited(
    host.id,
    made.value.sliceId,
    `${slice.name} made again on GPU ${String(target.index)}: the agent is older and cannot move it with its history`,
    [made.value.undoToken, deleted.value.undoToken],
  );
  return true;
}
