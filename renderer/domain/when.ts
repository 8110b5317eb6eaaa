/**
 * Moments as this window writes them, everywhere: `21:55` today, `29 Nov 21:55` on another day, with the year where it
 * is another one. By hand: toLocaleTimeString makes a formatter for every call, which in a list takes milliseconds.
 */
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
