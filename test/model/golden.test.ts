import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sliceSampleSchema } from '../../model/slice.ts';
import { admit, admitQuota, type AdmissionRequest, type QuotaRequest } from '../../model/admission.ts';
import {
  duration,
  gib,
  gibWithUnit,
  mibExact,
  parseBytes,
  parsePercent,
  percentFromTenths,
} from '../../model/units.ts';

const lines = (file: string): unknown[] =>
  readFileSync(new URL(`../../model/golden/${file}`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));

describe('golden/admission.jsonl', () => {
  const cases = lines('admission.jsonl') as (AdmissionRequest & { name: string; expect: string })[];
  it.each(cases)('$name', ({ expect: wanted, ...request }) => {
    const verdict = admit(request);
    expect(verdict.ok ? 'ok' : verdict.code).toBe(wanted);
  });
});

describe('golden/quota.jsonl', () => {
  const cases = lines('quota.jsonl') as (QuotaRequest & { name: string; expect: string })[];
  it.each(cases)('$name', ({ expect: wanted, ...request }) => {
    const verdict = admitQuota(request);
    expect(verdict.ok ? 'ok' : verdict.code).toBe(wanted);
  });
});

describe('golden/sizes.jsonl', () => {
  const cases = lines('sizes.jsonl') as { text: string; bytes: number | null }[];
  it.each(cases)('$text', ({ text, bytes }) => {
    const parsed = parseBytes(text);
    expect(parsed.ok ? parsed.value : null).toBe(bytes);
  });
});

describe('golden/held-by.jsonl', () => {
  const cases = lines('held-by.jsonl') as { name: string; line: object; expect: string | null }[];
  const rest = {
    id: 's-1',
    memoryUsedBytes: null,
    ledgerBytes: null,
    residueBytes: null,
    computeUsedTenths: null,
    throttledTenths: null,
    deniedAllocations: null,
    deniedBytes: null,
    deniedAtMs: null,
    limitHeld: null,
    processCount: null,
  };
  it.each(cases)('$name', ({ line, expect: wanted }) => {
    expect(sliceSampleSchema.parse({ ...rest, ...line }).heldBy).toBe(wanted);
  });
});

describe('units', () => {
  it('reads a bare number in the unit of the field', () => {
    expect(parseBytes('20', 'g')).toEqual({ ok: true, value: 20 * 1024 ** 3 });
  });

  it.each([
    ['25', 25],
    ['25 %', 25],
    ['0%', 0],
    ['100', 100],
  ])('reads the share %s', (text, value) => {
    expect(parsePercent(text)).toEqual({ ok: true, value });
  });

  it.each(['101', '-1', '2.5', 'half', ''])('refuses the share “%s” with a sentence', (text) => {
    const parsed = parsePercent(text);
    expect(parsed.ok).toBe(false);
    if (!parsed.ok) expect(parsed.message).toMatch(/whole number from 0 to 100/);
  });

  it('shows the unknown as a dash, never as 0', () => {
    expect([gib(null), gibWithUnit(null), mibExact(null), percentFromTenths(null), duration(null)]).toEqual(
      Array(5).fill('—'),
    );
    expect(gibWithUnit(0)).toBe('0.0 GiB');
  });

  it('shows durations in two units at most', () => {
    expect([59e3, 60e3, 3 * 3600e3 + 12 * 60e3, 30 * 3600e3].map(duration)).toEqual([
      '59 s',
      '1 min',
      '3 h 12 min',
      '1 d 06 h',
    ]);
  });
});
