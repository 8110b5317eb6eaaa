import { describe, expect, it } from 'vitest';
import { CSV_HEAD, changeText, csvRow, refusalText } from '../../renderer/features/audit/audit-text.ts';
import { csvText } from '../../renderer/components/csv.ts';
import { auditRecord } from '../fakes/fake-audit.ts';
import { gpu, slice } from '../fakes/fake-hosts.ts';

const on = gpu('a', 0, 'NVIDIA A100', 40960);
const before = slice(on, 'nightly', 'mira', 20, 25);
const of = (change: Partial<typeof before>) => auditRecord(1, 0, 'tom', before, { ...before, ...change });

describe('audit in words', () => {
  it('says what changed, from what to what', () => {
    expect(changeText(of({ memoryLimitBytes: 24 * 1024 ** 3, owner: 'wei' }))).toBe(
      'owner mira → wei, memory GiB 20.0 → 24.0',
    );
    expect(changeText(of({ expiresAtMs: Date.UTC(2026, 0, 2, 18) }))).toBe('until none → 2026-01-02 18:00');
  });
  it('says what a new slice is, without what it has not', () => {
    const made = auditRecord(1, 0, 'tom', null, before);
    expect(changeText(made, 9)).toBe(
      'name nightly, owner mira, memory GiB 20.0, GPU time % 25, guaranteed % 0, priority normal',
    );
    expect(changeText(made, 2)).toBe('name nightly, owner mira, 4 more');
  });
  it('says of a refused edit that nothing changed', () => {
    const refused = { ...of({ owner: 'wei' }), refusal: 'not-permitted' };
    expect(changeText(refused)).toBe('');
    expect(refusalText(refused)).toBe('refused: no right to it');
  });
});

describe('audit as CSV', () => {
  it('has a cell for each heading', () => {
    expect(csvRow(of({}))).toHaveLength(CSV_HEAD.length);
  });
  it.each(['=1+1', '+1', '-1', '@x'])('keeps %j from being run', async (detail) => {
    const text = await csvText(CSV_HEAD, [csvRow({ ...of({}), detail })]);
    expect(text).toContain(`"'${detail}"`);
    expect(text).not.toContain(`"${detail}"`);
  });
  it('quotes what would break a line or a cell, and leaves numbers alone', async () => {
    const text = await csvText(['a', 'b'], [['x, "y"\nz', -5]]);
    expect(text).toBe('"a","b"\r\n"x, ""y""\nz",-5\r\n');
  });
});
