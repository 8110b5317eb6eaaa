import { describe, expect, it } from 'vitest';
import {
  CSV_HEAD,
  changeText,
  csvRow,
  gpuNameOn,
  recordText,
  recordTone,
  refusalText,
} from '../../renderer/domain/audit-text.ts';
import { pastEvents } from '../../renderer/domain/past-events.ts';
import type { AuditRecord } from '../../model/people.ts';
import { csvText } from '../../renderer/components/csv.ts';
import { auditRecord } from '../fakes/fake-audit.ts';
import { gpu, host, live, slice } from '../fakes/fake-hosts.ts';

const on = gpu('a', 0, 'NVIDIA A100', 40960);
const before = slice(on, 'nightly', 'mira', 20, 25);
const gpuName = gpuNameOn(host('a', live('a'), [on]));
const of = (change: Partial<typeof before>) => auditRecord(1, 0, 'tom', before, { ...before, ...change });

describe('audit in words', () => {
  it('says what changed, from what to what', () => {
    expect(changeText(of({ memoryLimitBytes: 24 * 1024 ** 3, owner: 'wei' }), gpuName)).toBe(
      'owner mira → wei, memory GiB 20.0 → 24.0',
    );
    expect(changeText(of({ expiresAtMs: new Date(2026, 0, 2, 18).getTime() }), gpuName)).toBe(
      'until none → 2 Jan 18:00',
    );
  });
  it('says what a new slice is, without what it has not', () => {
    const made = auditRecord(1, 0, 'tom', null, before);
    expect(changeText(made, gpuName, 9)).toBe(
      'name nightly, owner mira, memory GiB 20.0, GPU time % 25, guaranteed % 0, priority normal, gate programs',
    );
    expect(changeText(made, gpuName, 2)).toBe('name nightly, owner mira, 5 more');
  });
  it('says of a refused edit that nothing changed', () => {
    const refused = { ...of({ owner: 'wei' }), refusal: 'not-permitted' };
    expect(changeText(refused, gpuName)).toBe('');
    expect(refusalText(refused)).toBe('refused: no right to it');
  });
});

describe('audit in sentences', () => {
  const act = (action: string, detail: string) => ({
    ...of({}),
    action,
    detail,
    sliceName: 'nightly',
    before: null,
    after: null,
  });
  it('calls a GPU by its number, and one that is gone by the beginning of its UUID', () => {
    const gone = { ...before, gpuUuid: 'GPU-caa15a08-6f0e-4c5e-a1aa-0d8f6d3b5e11' };
    const moved = auditRecord(1, 0, 'tom', gone, before);
    expect(recordText(moved, gpuName)).toBe('tom moved nightly: GPU GPU-caa15a08… → 0');
  });
  it('says who was sent what, and how a job ended', () => {
    expect(recordText(act('process-stop', 'SIGTERM to 7 of wei: python'), gpuName)).toBe(
      'tom sent SIGTERM to 7 of wei: python',
    );
    const end = act('job-end', 'train (j-1) failed: exit 3');
    expect(recordText(end, gpuName)).toBe('Job train (j-1) failed: exit 3 in nightly');
    expect(recordTone(end)).toBe('warn');
    expect(recordTone(act('job-end', 'failed-once (j-1) ended: exit 0'))).toBe('plain');
    expect(changeText(end, gpuName)).toBe('');
  });
});

describe('what happened before this window', () => {
  const lab = host('a', live('a'), [on], [before]);
  const asked = { sliceId: null, openedAtMs: 1000, yourName: 'mira' };
  const record = (seq: number, atMs: number, user: string) =>
    ({ ...auditRecord(seq, atMs, user, before, { ...before, owner: 'wei' }) }) as const;
  const keys = (records: readonly AuditRecord[]) =>
    pastEvents(lab, records, null, asked).map(({ key }) => key);
  it('is all that was kept, and since then what others did and how jobs ended', () => {
    expect(keys([record(1, 10, 'mira'), record(2, 2000, 'tom'), record(3, 2000, 'mira')])).toEqual([
      'audit 1',
      'audit 2',
    ]);
    expect(keys([{ ...record(4, 2000, 'mira'), action: 'job-end' }])).toEqual(['audit 4']);
  });
  it('has the errors of the driver, and denials', () => {
    const fault = {
      source: 'XID',
      code: 79,
      kind: 'hardware',
      text: 'Fell off.',
      count: 2,
      firstAtMs: 1,
      atMs: 5,
    } as const;
    const broken = host('a', live('a'), [{ ...on, faults: [fault] }], [before]);
    expect(pastEvents(broken, [], null, asked)).toMatchObject([
      { tone: 'bad', atMs: 5, text: 'GPU 0, XID 79: Fell off. (2 times)' },
    ]);
    expect(pastEvents(broken, [], null, { ...asked, sliceId: before.id })).toEqual([]);
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
