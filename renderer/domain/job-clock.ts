/** A moment as people say it: the time today, with the day otherwise; with seconds where they are waited for. */
import { clock, clockSeconds, dayTime, weekday } from './when.ts';

const SECONDS_MATTER_MS = 600_000;

export function jobClock(atMs: number): string {
  const at = new Date(atMs);
  const now = new Date();
  const ahead = atMs - now.getTime();
  if (ahead > 0 && ahead < SECONDS_MATTER_MS) return clockSeconds(atMs);
  if (at.toDateString() === now.toDateString()) return clock(atMs);
  const tomorrow = new Date(now);
  tomorrow.setDate(tomorrow.getDate() + 1);
  if (at.toDateString() === tomorrow.toDateString()) return `tomorrow ${clock(atMs)}`;
  return `${weekday(atMs)} ${dayTime(atMs, now.getTime())}`;
}
