/** Each step of an update is asked for. test/e2e/package.test.ts has the same with the real updater and a real feed. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Feed } from '../../../electron/main/feed.ts';
import { CHECK_TIMEOUT_MS, FIRST_LOOK_MS, LOOK_EVERY_MS, Updates } from '../../../electron/main/updates.ts';
import type { UpdateState } from '../../../model/updates.ts';

const SET: Feed = { kind: 'set', url: 'https://updates.example/tranche/' };
const FOUND = { version: '0.2.0', bytes: 90_000_000 };

function make(feed: Feed = SET) {
  const door = {
    check: vi.fn(async (): Promise<typeof FOUND | null> => FOUND),
    download: vi.fn(async (onProgress: (percent: number) => void) => {
      onProgress(12.3);
      onProgress(12.9);
      onProgress(50);
    }),
    install: vi.fn(() => undefined),
  };
  const open = vi.fn(() => door);
  const told: UpdateState[] = [];
  const updates = new Updates({ feed, version: '0.1.0', open, tell: (state) => told.push(state) });
  return { door, open, told, updates };
}
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

describe('updates', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('without a feed do nothing, ever, and load no updater', async () => {
    const { updates, open, told } = make({ kind: 'none' });
    updates.lookDaily();
    await vi.advanceTimersByTimeAsync(3 * LOOK_EVERY_MS);
    expect(updates.state).toEqual({ kind: 'off' });
    expect(updates.act('check')).toMatchObject({ ok: false, error: { code: 'update-refused' } });
    await settle();
    expect(open).not.toHaveBeenCalled();
    expect(told).toEqual([]);
  });

  it('say what is wrong with a feed that cannot be used, when asked', async () => {
    const { updates, open } = make({ kind: 'wrong', why: 'X is no https address.' });
    updates.lookDaily();
    await vi.advanceTimersByTimeAsync(2 * LOOK_EVERY_MS);
    expect(updates.state).toEqual({ kind: 'idle' });
    updates.act('check');
    await settle();
    expect(updates.state).toMatchObject({ kind: 'failed', doing: 'check' });
    expect(JSON.stringify(updates.state)).toContain('X is no https address.');
    expect(open).not.toHaveBeenCalled();
  });

  it('take one step for each thing that is asked, and no other', async () => {
    const { updates, door, open, told } = make();
    expect(open).not.toHaveBeenCalled(); // not before somebody looks
    updates.act('check');
    await settle();
    expect(updates.state).toEqual({ kind: 'available', ...FOUND });
    expect(door.download).not.toHaveBeenCalled();
    updates.act('download');
    await settle();
    expect(updates.state).toEqual({ kind: 'ready', version: '0.2.0' });
    expect(door.install).not.toHaveBeenCalled();
    updates.act('install');
    expect(door.install).toHaveBeenCalledOnce();
    expect(told.map((state) => (state.kind === 'downloading' ? state.percent : state.kind))).toEqual([
      'checking',
      'available',
      null,
      12,
      50,
      'ready',
      'installing',
    ]);
    expect(open).toHaveBeenCalledExactlyOnceWith(SET.kind === 'set' ? SET.url : '');
  });

  it('refuse steps out of turn', async () => {
    const { updates, door } = make();
    expect(updates.act('download').ok).toBe(false);
    expect(updates.act('install').ok).toBe(false);
    updates.act('check');
    expect(updates.act('check').ok).toBe(false); // one at a time
    await settle();
    updates.act('download');
    await settle();
    // What was verified is not thrown away by looking again.
    expect(updates.act('check').ok).toBe(false);
    expect(door.check).toHaveBeenCalledOnce();
  });

  it('say that this one is the newest', async () => {
    const { updates, door } = make();
    door.check.mockResolvedValue(null);
    updates.act('check');
    await settle();
    expect(updates.state.kind).toBe('current');
  });

  it('do not wait for a feed that says nothing', async () => {
    const { updates, door } = make();
    door.check.mockReturnValue(new Promise(() => undefined));
    updates.act('check');
    await vi.advanceTimersByTimeAsync(CHECK_TIMEOUT_MS);
    expect(updates.state).toMatchObject({ kind: 'failed', doing: 'check' });
    expect(JSON.stringify(updates.state)).toContain('updates.example did not say which version is newest');
    expect(updates.act('check').ok).toBe(true); // and may be asked again
  });

  it('say that a file was not the one that was promised', async () => {
    const { updates, door } = make();
    door.download.mockRejectedValue(new Error('sha512 checksum mismatch'));
    updates.act('check');
    await settle();
    updates.act('download');
    await settle();
    expect(updates.state).toMatchObject({
      kind: 'failed',
      doing: 'download',
      detail: 'sha512 checksum mismatch',
    });
    expect(updates.act('install').ok).toBe(false);
    expect(door.install).not.toHaveBeenCalled();
  });

  it('say that the system refused to install', async () => {
    const { updates, door } = make();
    door.install.mockImplementation(() => {
      throw new Error('pkexec exited with code 126');
    });
    updates.act('check');
    await settle();
    updates.act('download');
    await settle();
    updates.act('install');
    expect(updates.state).toMatchObject({ kind: 'failed', doing: 'install' });
  });

  it('are looked for a minute after the start and then daily, and never downloaded by themselves', async () => {
    const { updates, door } = make();
    door.check.mockResolvedValueOnce(null);
    updates.lookDaily();
    await vi.advanceTimersByTimeAsync(FIRST_LOOK_MS - 1);
    expect(door.check).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(door.check).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(3 * LOOK_EVERY_MS);
    // The second look found one; a person decides from here on.
    expect(door.check).toHaveBeenCalledTimes(2);
    expect(door.download).not.toHaveBeenCalled();
  });
});
