/** What is said of processes outside every slice: how they were seen, what was done, and why no more. */
import { describe, expect, test } from 'vitest';
import type { Escapes, ProcessSample } from '../../model/sample.ts';
import { ESCAPE_ANSWERS, processSampleSchema } from '../../model/sample.ts';
import { isEscape, recordText, recordTone } from '../../renderer/domain/audit-text.ts';
import { escapeText, ruleText } from '../../renderer/domain/escapes.ts';
import { pastEvents } from '../../renderer/domain/past-events.ts';
import { auditRecord } from '../fakes/fake-audit.ts';
import { gpu, host, live, slice } from '../fakes/fake-hosts.ts';

const card = gpu('ada', 0, 'NVIDIA L40S', 46068);
const line = {
  pid: 7,
  startTicks: '1',
  uid: 1000,
  user: 'tom',
  command: 'python',
  sliceId: null,
  gpuUuid: card.uuid,
  memoryUsedBytes: null,
  computeUsedTenths: null,
  throttledTenths: null,
  startedAtMs: null,
};
const of = (more: Partial<ProcessSample>): ProcessSample => processSampleSchema.parse({ ...line, ...more });
const AT = new Date(2026, 0, 2, 10, 42, 13).getTime();
const outside = (more: Partial<ProcessSample> = {}): ProcessSample =>
  of({ reason: 'outside', seenBy: 'both', sinceMs: AT, answer: 'reported', ...more });

describe('a row', () => {
  test('says nothing of a process in its slice, and of an agent that does not say', () => {
    expect(escapeText(of({}))).toBeNull();
    expect(of({ answer: 'of a newer agent' as never, reason: 'outside' }).answer).toBeNull();
  });

  test('says who shows it, since when, and what was done', () => {
    expect(escapeText(outside())).toEqual({
      word: 'reported',
      tone: 'warn',
      why: 'Outside every slice since 10:42:13: the kernel shows that it has the GPU open, and the driver lists it. It was reported, and nothing else was done.',
    });
    expect(escapeText(outside({ seenBy: 'kernel', answer: 'waiting', answerWhy: 'just seen' }))?.why).toBe(
      'Outside every slice since 10:42:13: the kernel shows that it has the GPU open. Nothing was done yet: just seen.',
    );
    expect(escapeText(outside({ seenBy: 'driver', sinceMs: null, answer: null }))).toMatchObject({
      word: 'seen',
      why: 'Outside every slice: the driver lists it. Nothing was done yet.',
    });
  });

  test('says why no more was done', () => {
    expect(escapeText(outside({ answer: 'exempt', answerWhy: 'tom is exempt' }))).toMatchObject({
      word: 'exempt',
      tone: 'quiet',
      why: expect.stringMatching(/It is left alone: tom is exempt\.$/) as string,
    });
  });

  test('of a program behind the gate that holds more than was counted', () => {
    const beyond = outside({ reason: 'beyond-count', answer: 'charged', answerWhy: 'charged to one' });
    expect(escapeText(beyond)?.why).toBe(
      'Holds more than was counted at the kernel’s boundary since 10:42:13, as the driver shows. What it holds is charged: charged to one.',
    );
  });

  test.each(ESCAPE_ANSWERS)('has a word for %s', (answer) => {
    expect(escapeText(outside({ answer }))?.word).toMatch(/^[a-z ]+$/);
  });
});

describe('the rule of a host', () => {
  const rule = (more: Partial<Escapes> = {}): Escapes => ({
    rule: 'report',
    graceSeconds: 30,
    exempt: '',
    watchedBy: 'fanotify',
    watchNote: null,
    ...more,
  });

  test('is what is done, for whom not, and how soon they are seen', () => {
    expect(ruleText(null)).toBeNull();
    expect(ruleText(rule())).toBe('are reported. Seen as they open a GPU.');
    expect(ruleText(rule({ rule: 'end', exempt: 'mia,unit:dcgm.service' }))).toBe(
      'are ended, and killed 30 s later, but for mia, unit:dcgm.service. Seen as they open a GPU.',
    );
    expect(ruleText(rule({ watchedBy: 'timer', watchNote: 'no device node of the driver is there' }))).toBe(
      'are reported. Seen within 2 s (no device node of the driver is there).',
    );
  });
});

describe('the audit', () => {
  const one = slice(card, 'one', 'tom', 8, 50);
  const record = {
    ...auditRecord(1, AT, 'root', one, one),
    before: null,
    after: null,
    detail: 'It was stopped: python (pid 7) of tom',
  };
  const escape = { ...record, action: 'escape', sliceName: null, sliceId: null };
  const beyond = { ...record, action: 'beyond-count', sliceName: 'one' };
  const name = (): string => '0';

  test('says what was done by the rule', () => {
    expect(recordText(escape, name)).toBe('Outside of slices: It was stopped: python (pid 7) of tom');
    expect(recordText(beyond, name)).toContain('More than was counted in one: ');
    expect([isEscape(escape), recordTone(beyond)]).toEqual([true, 'warn']);
  });

  test('is not told twice to a window that was there', () => {
    const known = host('ada', live('ada'), [card], [one]);
    const asked = { sliceId: null, yourName: 'mira', openedAtMs: AT - 1 };
    expect(pastEvents(known, [escape], null, asked)).toEqual([]);
    expect(pastEvents(known, [escape], null, { ...asked, openedAtMs: AT + 1 })).toHaveLength(1);
  });
});
