/**
 * Moments as this window writes them, everywhere: `21:55` today, `29 Nov 21:55` on another day, with the year where it
 * is another one. In English and in 24 hours whatever the system's language, as all our words are, and in the time of
 * this computer; only what leaves the window is in UTC. By hand: toLocaleTimeString makes a formatter for every call,
 * which in a list takes milliseconds. `nowMs` is this moment unless a test says another.
 */
/** Ends nearer than this are told by their weekday: it means no other day yet. */
const WEEKDAY_TELLS_MS = 6 * 86_400_000;
/** What is this near is waited for, and counted in seconds. */
const SECONDS_MATTER_MS = 600_000;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;

const pad = (n: number): string => String(n).padStart(2, '0');

/** `21:55` */
export function clock(atMs: number): string {
  const at = new Date(atMs);
  return `${pad(at.getHours())}:${pad(at.getMinutes())}`;
}

/** `21:55:09` */
export const clockSeconds = (atMs: number): string => `${clock(atMs)}:${pad(new Date(atMs).getSeconds())}`;

/** `Fri` */
export const weekday = (atMs: number): string => WEEKDAYS[new Date(atMs).getDay()] ?? '';

/** `29 Nov` */
export function day(atMs: number): string {
  const at = new Date(atMs);
  return `${String(at.getDate())} ${MONTHS[at.getMonth()] ?? ''}`;
}

const sameDay = (a: number, b: number): boolean => new Date(a).toDateString() === new Date(b).toDateString();

function dayThen(atMs: number, nowMs: number, time: string): string {
  if (sameDay(atMs, nowMs)) return time;
  const year = new Date(atMs).getFullYear();
  return year === new Date(nowMs).getFullYear()
    ? `${day(atMs)} ${time}`
    : `${day(atMs)} ${String(year)} ${time}`;
}

/** `21:55`, `29 Nov 21:55`, `29 Nov 2025 21:55` */
export const dayTime = (atMs: number, nowMs: number = Date.now()): string =>
  dayThen(atMs, nowMs, clock(atMs));

/** The same with seconds. */
export const dayTimeSeconds = (atMs: number, nowMs: number = Date.now()): string =>
  dayThen(atMs, nowMs, clockSeconds(atMs));

/** `29 Nov 21:55`, also of today: where moments stand under each other. */
export const stamp = (atMs: number): string => `${day(atMs)} ${clock(atMs)}`;

/** `21:55`, `21:55:09` where it is waited for, `tomorrow 09:00`, `Fri 4 Dec 09:00`. */
export function soonTime(atMs: number, nowMs: number = Date.now()): string {
  const ahead = atMs - nowMs;
  if (ahead > 0 && ahead < SECONDS_MATTER_MS) return clockSeconds(atMs);
  if (sameDay(atMs, nowMs)) return clock(atMs);
  const tomorrow = new Date(nowMs);
  tomorrow.setDate(tomorrow.getDate() + 1);
  if (sameDay(atMs, tomorrow.getTime())) return `tomorrow ${clock(atMs)}`;
  return `${weekday(atMs)} ${dayTime(atMs, nowMs)}`;
}

/** An end: `Fri 18:00` within a week, `12 Dec 18:00` later; "No end" for none. */
export function untilText(atMs: number | null, nowMs: number = Date.now()): string {
  if (atMs === null) return 'No end';
  if (atMs <= nowMs) return `ended ${dayTime(atMs, nowMs)}`;
  return atMs - nowMs < WEEKDAY_TELLS_MS ? `${weekday(atMs)} ${clock(atMs)}` : stamp(atMs);
}

/** `2026-11-29T20:55:09.123Z`: for files, and where somebody has to be sure. */
export const utc = (atMs: number): string => new Date(atMs).toISOString();

/** `2026-11-29T20:55:09Z` */
export const utcSeconds = (atMs: number): string => utc(atMs).replace(/\.\d+Z$/, 'Z');

/** `2026-03-02-1415`: sorts by name, allowed on every file system. */
export const fileStamp = (atMs: number): string => utc(atMs).slice(0, 16).replace('T', '-').replace(':', '');

/** What a `datetime-local` box holds, in the time of this computer. */
export function toLocalInput(atMs: number): string {
  const at = new Date(atMs);
  return `${String(at.getFullYear())}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}T${clock(atMs)}`;
}

export function fromLocalInput(text: string): number | null {
  const atMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text) ? new Date(text).getTime() : Number.NaN;
  return Number.isNaN(atMs) ? null : atMs;
}
