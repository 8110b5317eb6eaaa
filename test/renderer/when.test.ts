import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  clock,
  clockSeconds,
  dayTime,
  dayTimeSeconds,
  fileStamp,
  soonTime,
  stamp,
  untilText,
  utc,
  utcSeconds,
  weekday,
} from '../../renderer/domain/when.ts';

const at = new Date(2026, 10, 6, 9, 5, 7).getTime();

describe('moments', () => {
  it('are written one way, with as much as tells them apart', () => {
    expect([clock(at), clockSeconds(at), weekday(at), stamp(at)]).toEqual([
      '09:05',
      '09:05:07',
      'Fri',
      '6 Nov 09:05',
    ]);
    expect(dayTime(at, new Date(2026, 10, 6, 23).getTime())).toBe('09:05');
    expect(dayTime(at, new Date(2026, 10, 7, 0).getTime())).toBe('6 Nov 09:05');
    expect(dayTimeSeconds(at, new Date(2027, 0, 1).getTime())).toBe('6 Nov 2026 09:05:07');
  });
  it('end in the same words', () => {
    expect(untilText(at, new Date(2026, 10, 3).getTime())).toBe('Fri 09:05');
    expect(untilText(at, new Date(2026, 9, 3).getTime())).toBe('6 Nov 09:05');
  });
  it('are told as people do while they are ahead', () => {
    const now = (month: number, day: number, hour: number, minute = 0): number =>
      new Date(2026, month, day, hour, minute).getTime();
    expect(soonTime(at, now(10, 6, 9, 4))).toBe('09:05:07');
    expect(soonTime(at, now(10, 6, 8))).toBe('09:05');
    expect(soonTime(at, now(10, 6, 10))).toBe('09:05');
    expect(soonTime(at, now(10, 5, 23))).toBe('tomorrow 09:05');
    expect(soonTime(at, now(9, 31, 23))).toBe('Fri 6 Nov 09:05');
  });
  it('leave the window in UTC', () => {
    const then = Date.UTC(2026, 10, 6, 8, 5, 7, 9);
    expect([utc(then), utcSeconds(then), fileStamp(then)]).toEqual([
      '2026-11-06T08:05:07.009Z',
      '2026-11-06T08:05:07Z',
      '2026-11-06-0805',
    ]);
  });
  it('are written by no other hand', () => {
    const root = fileURLToPath(new URL('../../renderer', import.meta.url));
    const own =
      /toLocale(Date|Time)?String\(|to(ISO|UTC)String\(|Intl\.DateTimeFormat|\.get(Hours|Minutes)\(\)/;
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.tsx?$/.test(name),
    );
    expect(files.length).toBeGreaterThan(100);
    const writers = files.filter((name) => own.test(readFileSync(join(root, name), 'utf8')));
    expect(writers).toEqual([join('domain', 'when.ts')]);
  });
});
