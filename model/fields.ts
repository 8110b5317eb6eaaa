/** The kinds of values that lines of the agent and requests of the window are made of, each with its bounds. */
import { z } from 'zod';

export const count = z.number().int().min(0);
export const bytes = count.nullable();
export const tenths = count.nullable();
export const text = z.string().max(1024);
/** The end of the year 9999: a host may say any number, and a later one is no date that could be written. */
const TIME_MAX_MS = 253_402_300_799_999;
export const timeMs = z
  .number()
  .int()
  .min(0)
  .transform((ms) => Math.min(ms, TIME_MAX_MS));
export const id = z.string().min(1).max(64);
/** As many characters as so many bytes take. */
export const base64Chars = (byteCount: number): number => 4 * Math.ceil(byteCount / 3);
export const jobId = z.string().regex(/^j-[0-9a-f]{16}$/);
export const terminalId = z.string().regex(/^t-[0-9a-f]{16}$/);
/** Boot ticks at which a process began: with its pid they name it for good. */
export const startTicks = z.string().regex(/^\d{1,20}$/);
