/** What moving a slice to another GPU of its host would do there, and why it cannot be done. Pure. */
import type { Gpu } from '../../model/gpu.ts';
import type { Sample } from '../../model/sample.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { gibWithUnit } from '../../model/units.ts';
import { refusalWords } from './drag.ts';
import { cutRefusal, gpuView } from './host-figures.ts';
import { editRefusal } from './rights.ts';
import { asNew, preview } from './slice-edits.ts';

export interface MoveOutcome {
  /** Why it cannot be done; null when it can. */
  readonly refusal: string | null;
  /** What the target would look like, in a few words. */
  readonly text: string;
}

export function moveOutcome(
  host: HostSnapshot,
  slice: Slice,
  target: Gpu,
  sample: Sample | null,
): MoveOutcome {
  const running = sample?.processes.filter((process) => process.sliceId === slice.id).length ?? 0;
  const left = gpuView(host, target, sample).layout.free - slice.memoryLimitBytes;
  const text =
    left >= 0
      ? `${gibWithUnit(left)} stay free`
      : `${gibWithUnit(-left)} more than is free there: limits would add up to more than the GPU has`;
  const refused = (refusal: string): MoveOutcome => ({ refusal, text });
  const edit = editRefusal(host);
  if (edit !== null) return refused(edit);
  if (target.uuid === slice.gpuUuid) return refused(`${slice.name} is on this GPU.`);
  if (running > 0) {
    return refused(
      `${running === 1 ? 'A process runs' : `${String(running)} processes run`} in ${slice.name}: it moves between runs.`,
    );
  }
  const uncut = cutRefusal(host, target);
  if (uncut !== null) return refused(uncut);
  const words = refusalWords(preview(host, target, null, asNew(slice)), target.capacityBytes);
  return words === null ? { refusal: null, text } : refused(`Not possible: ${words}.`);
}
