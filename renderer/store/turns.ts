/**
 * Drawing in turns. A tick of samples can change everything in view; drawn at once, it holds up a key or a drag that
 * comes in the middle for as long as all of it takes. So those who listen are told a few at a time, each lot in a frame
 * of its own, and what somebody does comes in between.
 */

/** Script of one turn. Its style and layout are as much again, and a frame at 60 Hz has 16 ms for all of it. */
export const TURN_MS = 4;

export interface Turns {
  /** Each is told once, however often it is asked for before its turn. */
  readonly tell: (listeners: Iterable<() => void>) => void;
  /** One that listens no more is not told what it was due to hear: what it would draw on is gone. */
  readonly forget: (listener: () => void) => void;
}

/** `nextFrame` asks for a frame, `nowMs` is a clock in ms. A page that is hidden gets no frames: they wait until it is seen. */
export function takeTurns(nextFrame: (then: () => void) => void, nowMs: () => number): Turns {
  const due = new Set<() => void>();
  let asked = false;

  async function turn(): Promise<void> {
    const endMs = nowMs() + TURN_MS;
    for (const listener of due) {
      due.delete(listener);
      listener();
      // React draws what a listener changed as soon as nothing else is to be done: then its time is known.
      await Promise.resolve();
      if (nowMs() >= endMs) break;
    }
    if (!asked && due.size > 0) ask();
  }
  function ask(): void {
    asked = true;
    nextFrame(() => {
      asked = false;
      void turn();
    });
  }
  return {
    tell: (listeners) => {
      for (const listener of listeners) due.add(listener);
      if (!asked && due.size > 0) ask();
    },
    forget: (listener) => {
      due.delete(listener);
    },
  };
}
