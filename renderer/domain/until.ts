/** "Until Friday": the ends that people mean. Pure; the clock comes in. */

export interface UntilChoice {
  readonly key: string;
  readonly label: string;
  readonly atMs: number | null;
}

const EVENING_HOUR = 18;
const FRIDAY = 5;

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
