/** What a tick of samples changes is drawn a few parts at a time, so that hands need not wait for all of it. */
import { describe, expect, it } from 'vitest';
import { TURN_MS, takeTurns } from '../../renderer/store/turns.ts';

function frames() {
  let nowMs = 0;
  const asked: (() => void)[] = [];
  const told: string[] = [];
  const turns = takeTurns(
    (then) => asked.push(then),
    () => nowMs,
  );
  const listeners = new Map<string, () => void>();
  const listener = (name: string, takesMs: number): (() => void) => {
    const known = listeners.get(name);
    if (known !== undefined) return known;
    const made = (): void => {
      told.push(name);
      // As React does: what was changed is drawn when the one who told is done.
      void Promise.resolve().then(() => (nowMs += takesMs));
    };
    listeners.set(name, made);
    return made;
  };
  const frame = async (): Promise<readonly string[]> => {
    const before = told.length;
    asked.shift()?.();
    await new Promise((done) => setTimeout(done, 0));
    return told.slice(before);
  };
  return { turns, listener, frame, asked, told };
}

describe('turns', () => {
  it('end when their time is up, and go on in the next frame', async () => {
    const { turns, listener, frame, asked } = frames();
    turns.tell([listener('a', TURN_MS / 2), listener('b', TURN_MS), listener('c', 1), listener('d', 1)]);
    expect(asked).toHaveLength(1);
    expect(await frame()).toEqual(['a', 'b']);
    expect(await frame()).toEqual(['c', 'd']);
    expect(asked).toHaveLength(0);
  });
  it('come to everybody once, however often they were asked for, those who waited longest first', async () => {
    const { turns, listener, frame, asked } = frames();
    const [a, b] = [listener('a', TURN_MS), listener('b', TURN_MS)];
    turns.tell([a, b]);
    turns.tell([b, a]);
    expect(asked).toHaveLength(1);
    expect(await frame()).toEqual(['a']);
    turns.tell([a]);
    expect(await frame()).toEqual(['b']);
    expect(await frame()).toEqual(['a']);
    expect(await frame()).toEqual([]);
  });
  it('pass over whoever has left meanwhile', async () => {
    const { turns, listener, frame } = frames();
    turns.tell([listener('a', 0), listener('b', 0), listener('c', 0)]);
    turns.forget(listener('b', 0));
    expect(await frame()).toEqual(['a', 'c']);
  });
  it('keep no more than there are listeners while no frame comes', async () => {
    const { turns, listener, frame, asked } = frames();
    for (let tick = 0; tick < 100; tick += 1) turns.tell([listener('a', 0), listener('b', 0)]);
    expect(asked).toHaveLength(1);
    expect(await frame()).toEqual(['a', 'b']);
  });
});
