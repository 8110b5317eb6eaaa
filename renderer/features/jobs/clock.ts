/** A moment as people say it: the time today, with the day otherwise; with seconds where they are waited for. */
import { clock } from '../gpus/gpu-sentence.ts';

const SECONDS_MATTER_MS = 600_000;

export function jobClock(atMs: number): string {
  const at = new Date(atMs);
  const now = new Date();
  const ahead = atMs - now.getTime();
  if (ahead > 0 && ahead < SECONDS_MATTER_MS) return at.toLocaleTimeString([], { hour12: false });
  if (at.toDateString() === now.toDateString()) return clock(atMs);
  const tomorrow = new Date(now);
  tomorrow.setDate(tomorrow.getDate() + 1);
  if (at.toDateString() === tomorrow.toDateString()) return `tomorrow ${clock(atMs)}`;
  return `${at.toLocaleDateString('en-GB', { weekday: 'short', day: 'numeric', month: 'short' })} ${clock(atMs)}`;
}
