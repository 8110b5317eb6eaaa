/** How `npm run bench:ui` counts script time per frame. */
import { describe, expect, it } from 'vitest';
import { scriptPerFrame, type TraceEvent } from '../bench/script-time.ts';

const PID = 7;
const on = (name: string, tsMs: number, durMs?: number, tid = 1): TraceEvent => ({
  name,
  pid: PID,
  tid,
  ts: tsMs * 1000,
  ph: durMs === undefined ? 'I' : 'X',
  ...(durMs === undefined ? {} : { dur: durMs * 1000 }),
});
const frame = (tsMs: number) => on('BeginMainThreadFrame', tsMs);
const main: TraceEvent = { ...on('thread_name', 0), args: { name: 'CrRendererMain' } };

describe('script per frame', () => {
  it('counts what runs inside other script once, and what is no script never', () => {
    const events = [
      main,
      frame(0),
      frame(16),
      frame(32),
      on('EventDispatch', 1, 6),
      on('FunctionCall', 2, 4),
      on('Layout', 8, 5),
      on('MinorGC', 20, 3),
    ];
    expect(scriptPerFrame(events, PID)).toEqual([6, 3]);
  });
  it('adds what hangs over the end of another event', () => {
    const events = [main, frame(0), frame(16), on('FunctionCall', 1, 4), on('RunMicrotasks', 3, 4)];
    expect(scriptPerFrame(events, PID)).toEqual([6]);
  });
  it('gives work to the frame that had to wait for it, and leaves out other threads and processes', () => {
    const events = [
      main,
      frame(0),
      frame(100),
      frame(116),
      on('TimerFire', 2, 90),
      on('FunctionCall', 1, 50, 2),
      { ...on('FunctionCall', 1, 50), pid: 8 },
    ];
    expect(scriptPerFrame(events, PID)).toEqual([90, 0]);
  });
  it('says so when the page is not in the trace', () => {
    expect(() => scriptPerFrame([frame(0)], PID)).toThrow('no main thread of process 7');
  });
});
