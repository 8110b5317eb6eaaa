import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PendingRequests, REQUEST_TIMEOUT_MS } from '../../../electron/main/pending-requests.ts';
import { parseRequest } from '../../../electron/main/parse-request.ts';
import { RestartBudget } from '../../../electron/main/restart-budget.ts';
import { isTrusted } from '../../../electron/main/sender.ts';
import { ok } from '../../../model/errors.ts';

describe('isTrusted', () => {
  const ours = { frameUrl: 'app://bundle/index.html', isTopFrame: true, isOurWindow: true };
  it('lets our own page ask', () => {
    expect(isTrusted(ours)).toBe(true);
  });
  it('refuses every other sender', () => {
    for (const other of [
      { ...ours, isTopFrame: false },
      { ...ours, isOurWindow: false },
      { ...ours, frameUrl: null },
      { ...ours, frameUrl: '' },
      { ...ours, frameUrl: 'about:blank' },
      { ...ours, frameUrl: 'app://bundle.evil/index.html' },
      { ...ours, frameUrl: 'https://bundle/index.html' },
      { ...ours, frameUrl: 'file:///app/bundle/index.html' },
      { ...ours, frameUrl: 'data:text/html,app://bundle' },
    ]) {
      expect(isTrusted(other), JSON.stringify(other)).toBe(false);
    }
  });
});

describe('parseRequest', () => {
  it('passes what the contract allows', () => {
    expect(parseRequest('host:connect', { hostId: 'ssh:hopper' })).toEqual(
      ok({ channel: 'host:connect', args: { hostId: 'ssh:hopper' } }),
    );
  });
  it('refuses unknown channels, wrong types and extra fields', () => {
    for (const [channel, args] of [
      ['host:exec', {}],
      ['__proto__', {}],
      ['constructor', {}],
      [7, {}],
      ['host:connect', {}],
      ['host:connect', { hostId: 5 }],
      ['host:connect', { hostId: 'a', shell: 'rm' }],
      ['process:stop', { hostId: 'a', pid: 1, startTicks: '1; reboot', signal: 'TERM' }],
      ['slice:resize', { hostId: 'a', sliceId: 's', revision: 1, memoryLimitBytes: 1.5, belowUse: 'refuse' }],
      ['fleet:get', null],
    ] as const) {
      expect(parseRequest(channel, args)).toMatchObject({ ok: false, error: { code: 'bad-arguments' } });
    }
  });
});

describe('PendingRequests', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('gives each answer to the one who asked', async () => {
    const pending = new PendingRequests();
    const [a, b] = [pending.open('a'), pending.open('b')];
    pending.settle(b.id, ok('for b'));
    pending.settle(a.id, ok('for a'));
    pending.settle(a.id, ok('again'));
    expect([await a.answered, await b.answered]).toEqual([ok('for a'), ok('for b')]);
    expect(pending.size).toBe(0);
  });
  it('answers everybody when the core is gone', async () => {
    const pending = new PendingRequests();
    const { answered } = pending.open('x');
    pending.failAll('gone');
    expect(await answered).toMatchObject({ ok: false, error: { code: 'connection-lost', message: 'gone' } });
  });
  it('does not wait for ever', async () => {
    const pending = new PendingRequests();
    const { answered } = pending.open('slice:create');
    vi.advanceTimersByTime(REQUEST_TIMEOUT_MS);
    expect(await answered).toMatchObject({ ok: false, error: { code: 'timed-out' } });
  });
});

describe('RestartBudget', () => {
  it('allows three starts a minute', () => {
    const budget = new RestartBudget();
    expect([0, 1, 2, 3].map((at) => budget.take(at))).toEqual([true, true, true, false]);
    expect(budget.take(60_001)).toBe(true);
  });
});
