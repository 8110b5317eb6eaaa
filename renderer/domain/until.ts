/** "Until Friday": the ends that people mean, and how an end is said. Pure; the clock comes in. */
import { clock, dayTime, stamp, weekday } from './when.ts';

export interface UntilChoice {
  readonly key: string;
  readonly label: string;
  readonly atMs: number | null;
}

const EVENING_HOUR = 18;
const FRIDAY = 5;
const DAY_MS = 86_400_000;

/** The next time it is this weekday at this hour; today counts while the hour is ahead. */
export function nextWeekday(now: Date, weekday: number, hour: number): Date {
  const at = new Date(now.getFullYear(), now.getMonth(), now.getDate(), hour);
  const days = (weekday - at.getDay() + 7) % 7;
  at.setDate(at.getDate() + days);
  if (at.getTime() <= now.getTime()) at.setDate(at.getDate() + 7);
  return at;
}

export function untilChoices(now: Date): readonly UntilChoice[] {
  const evening = new Date(now.getFullYear(), now.getMonth(), now.getDate(), EVENING_HOUR);
  const tomorrow = new Date(evening);
  tomorrow.setDate(tomorrow.getDate() + 1);
  const week = new Date(evening);
  week.setDate(week.getDate() + 7);
  return [
    { key: 'none', label: 'No end', atMs: null },
    ...(evening.getTime() > now.getTime()
      ? [{ key: 'today', label: 'Today 18:00', atMs: evening.getTime() }]
      : []),
    { key: 'tomorrow', label: 'Tomorrow 18:00', atMs: tomorrow.getTime() },
    { key: 'friday', label: 'Friday 18:00', atMs: nextWeekday(now, FRIDAY, EVENING_HOUR).getTime() },
    { key: 'week', label: 'In a week', atMs: week.getTime() },
  ];
}

const pad = (n: number): string => String(n).padStart(2, '0');

/** `Fri 18:00` within a week, `12 Dec 18:00` later; "no end" for none. */
export function untilText(atMs: number | null, nowMs: number): string {
  if (atMs === null) return 'No end';
  if (atMs <= nowMs) return `ended ${dayTime(atMs, nowMs)}`;
  if (atMs - nowMs < 6 * DAY_MS) return `${weekday(atMs)} ${clock(atMs)}`;
  return stamp(atMs);
}

/** What a `datetime-local` box holds, in the time of this computer. */
export function toLocalInput(atMs: number): string {
  const at = new Date(atMs);
  return `${String(at.getFullYear())}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}T${pad(at.getHours())}:${pad(at.getMinutes())}`;
}

export function fromLocalInput(text: string): number | null {
  const atMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text) ? new Date(text).getTime() : Number.NaN;
  return Number.isNaN(atMs) ? null : atMs;
}
