/** Small things kept between starts in the window's own storage: parsed on the way in, never trusted. */
import type { z } from 'zod';

/** What was kept, or `otherwise` where nothing was, it is damaged, or storage is forbidden. */
export function readStored<T>(key: string, schema: z.ZodType<T>, otherwise: T): T {
  try {
    const text = localStorage.getItem(key);
    const read = text === null ? null : schema.safeParse(JSON.parse(text));
    return read?.success === true ? read.data : otherwise;
  } catch {
    return otherwise;
  }
}

export function writeStored(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage is full or forbidden: it lasts for this window only.
  }
}
