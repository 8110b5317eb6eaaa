/** Script time per frame, out of a trace of Chromium's own: what the page's main thread ran between two frames. */
import { readFileSync } from 'node:fs';
import type { BareApp } from './bare-app.ts';

export interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** µs */
  readonly ts: number;
  /** µs, of complete events */
  readonly dur?: number;
  /** The same as ts and dur, on the processor: what it would be if nothing else ran on the machine. */
  readonly tts?: number;
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

/** What runs script, and what it leaves behind for the collector; a layout that script forces counts as its own. */
const SCRIPT = new Set([
  'FunctionCall',
  'EvaluateScript',
  'RunMicrotasks',
  'TimerFire',
  'EventDispatch',
  'FireAnimationFrame',
  'FireIdleCallback',
  'MinorGC',
  'MajorGC',
]);
const FRAME = 'BeginMainThreadFrame';
const CATEGORIES = ['devtools.timeline', 'disabled-by-default-devtools.timeline.frame'];

/** ms of script in each frame of this process's main thread; events inside events are counted once. */
export function scriptPerFrame(events: readonly TraceEvent[], pid: number): readonly number[] {
  const main = events.find(
    (event) => event.pid === pid && event.name === 'thread_name' && event.args?.name === 'CrRendererMain',
  );
  if (main === undefined) throw new Error(`the trace has no main thread of process ${String(pid)}`);
  const own = events.filter((event) => event.pid === pid && event.tid === main.tid);
  const frames = own
    .filter(({ name }) => name === FRAME)
    .map(({ ts }) => ts)
    .sort((a, b) => a - b);
  const scripts = own
    .filter(({ name, ph }) => ph === 'X' && SCRIPT.has(name))
    .sort((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0));
  const spent = frames.map(() => 0);
  let frame = 0;
  let countedUntil = 0;
  for (const { ts, dur = 0 } of scripts) {
    const from = Math.max(ts, countedUntil);
    const to = ts + dur;
    countedUntil = Math.max(countedUntil, to);
    // What began before a frame belongs to the frame that had to wait for it: it delays that one.
    while (frame < frames.length && (frames[frame] ?? 0) <= from) frame += 1;
    if (to > from && frame < frames.length) spent[frame] = (spent[frame] ?? 0) + (to - from) / 1000;
  }
  // The first one's share began before the trace.
  return spent.slice(1);
}

/** The trace in processor time. */
export const onProcessor = (events: readonly TraceEvent[]): readonly TraceEvent[] =>
  events.map(({ tts, tdur, ...event }) => ({
    ...event,
    ...(tts === undefined ? {} : { ts: tts }),
    ...(tdur === undefined ? {} : { dur: tdur }),
  }));

export interface ScriptTimes {
  readonly wall: readonly number[];
  readonly processor: readonly number[];
}

/** Traces the page while `act`, an expression for the main process, is carried out there. */
export async function traceScript(app: BareApp, act: string): Promise<ScriptTimes> {
  const [file, pid] = await app.main<readonly [string, number]>(`(async () => {
    const { contentTracing, BrowserWindow } = electron;
    const { webContents } = BrowserWindow.getAllWindows()[0];
    await contentTracing.startRecording({ included_categories: ${JSON.stringify(CATEGORIES)} });
    await (${act})(webContents);
    return [await contentTracing.stopRecording(), webContents.getOSProcessId()];
  })()`);
  const { traceEvents } = JSON.parse(readFileSync(file, 'utf8')) as { traceEvents: readonly TraceEvent[] };
  return {
    wall: scriptPerFrame(traceEvents, pid),
    processor: scriptPerFrame(onProcessor(traceEvents), pid),
  };
}
