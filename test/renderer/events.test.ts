import { beforeEach, describe, expect, it } from 'vitest';
import { onNotice } from '../../renderer/store/live.ts';
import { useUi } from '../../renderer/store/ui.ts';

const MINUTE_MS = 60_000;
const denial = (atMs: number, pid = 7, more: { hostId?: string; sliceId?: string; code?: string } = {}) => ({
  hostId: 'ada',
  sliceId: 'nightly',
  code: 'denied',
  atMs,
  gpuUuid: null,
  message: `train.py (pid ${String(pid)}) asked nightly for 0.${String(atMs % 10)} GiB and was refused.`,
  ...more,
});
const lines = (): string[] =>
  useUi.getState().events.map((e) => `${String(e.atMs)} ${String(e.count)}× since ${String(e.firstAtMs)}`);

describe('denials in the list of events', () => {
  beforeEach(() => useUi.setState({ events: [], announcement: '' }));

  it('are one line for one program, with the newest words', () => {
    for (const atMs of [1, 2, 3]) onNotice(denial(atMs));
    expect(lines()).toEqual(['3 3× since 1']);
    expect(useUi.getState().events[0]?.text).toContain('0.3 GiB');
  });

  it('are lines of their own for another program, slice or host', () => {
    onNotice(denial(1));
    onNotice(denial(2, 8));
    onNotice(denial(3, 7, { sliceId: 'other' }));
    onNotice(denial(4, 7, { hostId: 'hopper' }));
    expect(lines()).toEqual(['1 1× since 1', '2 1× since 2', '3 1× since 3', '4 1× since 4']);
  });

  it('move to the end when they come again, and leave other events alone', () => {
    onNotice(denial(1));
    onNotice(denial(2, 7, { code: 'limit-not-held' }));
    onNotice(denial(3, 7, { code: 'limit-not-held' }));
    onNotice(denial(4));
    expect(lines()).toEqual(['2 1× since 2', '3 1× since 3', '4 2× since 1']);
  });

  it('are news again after a pause', () => {
    onNotice(denial(1));
    onNotice(denial(1 + 10 * MINUTE_MS));
    expect(lines()).toEqual(['1 1× since 1', '600001 1× since 600001']);
  });

  it('are read out once', () => {
    onNotice(denial(1));
    expect(useUi.getState().announcement).toContain('0.1 GiB');
    onNotice(denial(2));
    expect(useUi.getState().announcement).toContain('0.1 GiB');
  });
});
