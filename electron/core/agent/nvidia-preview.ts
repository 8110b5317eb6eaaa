/** Reads the marked lines of previewScript. Pure. */
import type { PreviewGpu } from '../../../model/model.ts';
import { MIB } from '../../../model/units.ts';
import { plainText } from '../ssh/plain-text.ts';

export interface Preview {
  readonly gpus: readonly PreviewGpu[];
  readonly driver: string | null;
  readonly note: string | null;
  /** What was read with. */
  readonly tool: string;
}

export const PREVIEW_TOOL = 'nvidia-smi';

/** nvidia-smi prints `[N/A]`, `[Not Supported]` and the like for what it cannot tell. */
const numberOrNull = (text: string | undefined): number | null => {
  const value = Number(text?.trim() === '' ? Number.NaN : text);
  return Number.isFinite(value) ? value : null;
};

export function parsePreview(lines: readonly string[]): Preview {
  const gpus: PreviewGpu[] = [];
  const notes: string[] = [];
  let driver: string | null = null;
  for (const said of lines) {
    const line = plainText(said);
    if (line.startsWith('note ')) notes.push(line.slice(5));
    if (!line.startsWith('gpu ')) continue;
    // A product name holds no comma; fields are counted from both ends all the same.
    const fields = line
      .slice(4)
      .split(',')
      .map((field) => field.trim());
    const index = numberOrNull(fields[0]);
    const uuid = fields[1];
    if (fields.length < 8 || index === null || uuid === undefined || !uuid.startsWith('GPU-')) {
      notes.push(line.slice(4));
      continue;
    }
    const total = numberOrNull(fields.at(-5));
    const used = numberOrNull(fields.at(-4));
    driver = fields.at(-1) ?? null;
    gpus.push({
      index,
      uuid,
      name: fields.slice(2, -5).join(', '),
      capacityBytes: total === null ? null : total * MIB,
      memoryUsedBytes: used === null ? null : used * MIB,
      utilizationPercent: numberOrNull(fields.at(-3)),
      temperatureC: numberOrNull(fields.at(-2)),
    });
  }
  return { tool: PREVIEW_TOOL, gpus, driver, note: notes.length > 0 ? notes.join(' ').slice(0, 400) : null };
}
