/** Several slices in one act: a GPU cut into shares of what is free on it. */
import type { Gpu } from '../../model/gpu.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { gib } from '../../model/units.ts';
import { presetBytes } from '../domain/slice-edits.ts';
import { request, sayFailure } from '../store/ask.ts';
import { select } from '../store/ui.ts';
import { edited } from './edits.ts';

export async function createSet(
  host: HostSnapshot,
  gpu: Gpu,
  freeBytes: number,
  shares: readonly number[],
): Promise<boolean> {
  const tokens: string[] = [];
  let first: string | null = null;
  for (const share of shares) {
    const result = await request('slice:create', {
      hostId: host.id,
      gpuUuid: gpu.uuid,
      name: null,
      memoryLimitBytes: presetBytes(freeBytes, share),
      computeLimitPercent: Math.round(share * 100),
      computeGuaranteePercent: 0,
      priority: 'normal',
      owner: null,
      expiresAtMs: null,
    });
    if (!result.ok) {
      // All or none: what was made so far goes again.
      for (const undoToken of tokens) await request('slice:undo', { hostId: host.id, undoToken });
      sayFailure(result.error);
      return false;
    }
    tokens.unshift(result.value.undoToken);
    first ??= result.value.sliceId;
  }
  if (first === null) return false;
  select(host.id, { kind: 'gpu', uuid: gpu.uuid });
  const sizes = shares.map((share) => gib(presetBytes(freeBytes, share))).join(' + ');
  edited(host.id, first, `GPU ${String(gpu.index)} cut into ${sizes} GiB`, tokens);
  return true;
}
