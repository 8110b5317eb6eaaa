/** What hands feel with a whole fleet on the screen: scrolling, pulling an edge, filtering, searching. */
import { getPriority, setPriority } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { launchBareApp, type BareApp } from './bare-app.ts';
import { bringLive, click } from './fleet-app.ts';
import { startFleet } from './fleet-hosts.ts';
import { timeEvents, timedEvents } from './page-probe.ts';
import { makeFigure, median, percentile, type Figure } from './report.ts';
import { traceScript } from './script-time.ts';

const SHAPE = { hosts: 32, gpus: 8, slicesPerGpu: 8, periodMs: 1_000 };
const WHAT = '32 hosts × 8 GPUs × 8 slices at 1 Hz';
const SETTLE_MS = 4_000;
/** A screen of this list in a third of a second, as by a quick hand on a wheel. */
const SCROLL = { steps: 360, everyMs: 16, pixels: 40 };
const FRAMES_MIN = 100;
const SCRIPT_TARGET_MS = 16;
/** A quick typist; a mouse that reports as often as a screen is drawn. */
const KEY_EVERY_MS = 120;
const MOVE_EVERY_MS = 16;
const INTERACTIONS_MIN = 40;
const INTERACTION_TARGET_MS = 50;
/** As `nice`. */
const HOSTS_PRIORITY = 15;

interface Point {
  readonly x: number;
  readonly y: number;
}

/** The middle of the first such element that lies on top there. */
const middleOf = (app: BareApp, selector: string): Promise<Point> =>
  app.page(`(() => {
    for (const element of document.querySelectorAll(${JSON.stringify(selector)})) {
      const { left, top, width, height } = element.getBoundingClientRect();
      const point = { x: Math.round(left + width / 2), y: Math.round(top + height / 2) };
      const hit = document.elementFromPoint(point.x, point.y);
      if (hit !== null && element.contains(hit)) return point;
    }
    throw new Error('in sight there is no ' + ${JSON.stringify(selector)});
  })()`);

const PAUSE = 'const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));';

async function scroll(app: BareApp): Promise<Figure> {
  const { x, y } = await middleOf(app, '.fleet-list');
  const { wall, processor } = await traceScript(
    app,
    `async (contents) => {
      ${PAUSE}
      for (let step = 0; step < ${String(SCROLL.steps)}; step += 1) {
        contents.sendInputEvent({ type: 'mouseWheel', x: ${String(x)}, y: ${String(y)}, deltaX: 0, deltaY: -${String(SCROLL.pixels)}, canScroll: true });
        await pause(${String(SCROLL.everyMs)});
      }
    }`,
  );
  const scrolled = await app.page<number>("document.querySelector('.fleet-list').scrollTop");
  if (scrolled < (SCROLL.steps * SCROLL.pixels) / 2)
    throw new Error(`it scrolled by ${String(scrolled)} px only`);
  if (processor.length < FRAMES_MIN) throw new Error(`only ${String(processor.length)} frames were drawn`);
  const ms = (of: readonly number[], part: number): string => percentile(of, part).toFixed(1);
  console.log(
    `fleet.script: ${String(wall.length)} frames in ${String((SCROLL.steps * SCROLL.everyMs) / 1000)} s; on the processor median ${ms(processor, 0.5)}, p99 ${ms(processor, 0.99)}, longest ${ms(processor, 1)} ms; by the clock ${ms(wall, 0.5)}, ${ms(wall, 0.99)}, ${ms(wall, 1)} ms`,
  );
  return makeFigure(
    'fleet.script',
    `script per frame (processor time of the page) while scrolling all hosts, ${WHAT}, p99`,
    // By the clock it would hold the time for which the simulated hosts, who are elsewhere in life, have the processor.
    percentile(processor, 0.99),
    'ms',
    SCRIPT_TARGET_MS,
  );
}

type Act =
  | { readonly key: string; readonly modifiers?: readonly string[] }
  | { readonly move: Point }
  | { readonly press: Point }
  | { readonly release: Point };

/** Real input, through the browser process; each act waits for its time, not for the page. */
const carryOut = (app: BareApp, acts: readonly Act[], everyMs: number): Promise<void> =>
  app.main(`(async () => {
    ${PAUSE}
    const contents = electron.BrowserWindow.getAllWindows()[0].webContents;
    for (const act of ${JSON.stringify(acts)}) {
      if ('key' in act) {
        const event = { keyCode: act.key, modifiers: act.modifiers ?? [] };
        contents.sendInputEvent({ type: 'keyDown', ...event });
        if (act.key.length === 1 && event.modifiers.length === 0) contents.sendInputEvent({ type: 'char', ...event });
        contents.sendInputEvent({ type: 'keyUp', ...event });
      } else if ('move' in act) contents.sendInputEvent({ type: 'mouseMove', ...act.move, modifiers: ['leftButtonDown'] });
      else if ('press' in act) contents.sendInputEvent({ type: 'mouseDown', button: 'left', clickCount: 1, ...act.press });
      else contents.sendInputEvent({ type: 'mouseUp', button: 'left', clickCount: 1, ...act.release });
      await pause(${String(everyMs)});
    }
  })()`);

async function timed(
  app: BareApp,
  what: string,
  kind: string,
  act: () => Promise<void>,
): Promise<{ readonly what: string; readonly p95: number }> {
  await timeEvents(app, [kind]);
  await act();
  await delay(500); // the last one's frame
  const times = await timedEvents(app);
  if (times.length < INTERACTIONS_MIN) throw new Error(`${what}: only ${String(times.length)} events came`);
  const p95 = percentile(times, 0.95);
  console.log(
    `interaction: ${what}, ${String(times.length)} events, median ${median(times).toFixed(0)}, p95 ${p95.toFixed(0)}, slowest ${percentile(times, 1).toFixed(0)} ms`,
  );
  return { what, p95 };
}

const typed = (text: string): readonly Act[] => text.split('').map((key) => ({ key }));
const keys = (key: string, times: number): readonly Act[] => Array.from({ length: times }, () => ({ key }));

async function filter(app: BareApp): Promise<void> {
  const point = await middleOf(app, '#fleet-filter');
  await carryOut(app, [{ press: point }, { release: point }], KEY_EVERY_MS);
  for (const text of ['node1', 'user3', 'h100', 'job-2-4']) {
    await carryOut(app, [...typed(text), ...keys('Backspace', text.length)], KEY_EVERY_MS);
  }
  if ((await app.page<string>("document.querySelector('#fleet-filter').value")) !== '')
    throw new Error('what was typed did not reach the filter');
  await carryOut(app, keys('Escape', 1), KEY_EVERY_MS);
}

export async function palette(app: BareApp): Promise<void> {
  for (const text of ['node12', '20g', 'user3', 'settings', 'charts', 'job-2']) {
    await carryOut(app, [{ key: 'K', modifiers: ['control'] }, ...typed(text)], KEY_EVERY_MS);
    const shown = await app.page<string>("document.querySelector('.palette input')?.value ?? ''");
    if (shown !== text) throw new Error(`the palette has “${shown}” instead of “${text}”`);
    await carryOut(app, keys('Escape', 1), KEY_EVERY_MS);
  }
}

async function drag(app: BareApp): Promise<void> {
  const start = await middleOf(app, '.fleet-list .grip');
  const moves = Array.from({ length: 90 }, (_, n): Act => ({
    move: { x: start.x - Math.round(40 * Math.sin(n / 8)) - 2, y: start.y },
  }));
  await carryOut(app, [{ move: start }, { press: start }, ...moves], MOVE_EVERY_MS);
  const pulled = await app.page<boolean>("document.querySelector('.ghost') !== null");
  if (!pulled) throw new Error('the edge was not pulled');
  await carryOut(app, [...keys('Escape', 1), { release: start }], MOVE_EVERY_MS);
}

/**
 * The simulated hosts, 32 SSH servers in this process, are elsewhere in life: they give way to the app, which has started
 * already and keeps its own priority. Only root can take it back afterwards, so only root does it.
 */
function giveWay(): () => void {
  if (process.getuid?.() !== 0) return () => undefined;
  const before = getPriority();
  setPriority(HOSTS_PRIORITY);
  return () => setPriority(before);
}

export async function benchHands(): Promise<readonly Figure[]> {
  const fleet = await startFleet(SHAPE);
  let takeBack = (): void => undefined;
  process.env['TRANCHE_SSH_CONFIG'] = fleet.configFile;
  try {
    const app = await launchBareApp();
    try {
      await bringLive(app, fleet.names);
      await click(app, 'All hosts');
      await delay(SETTLE_MS);
      takeBack = giveWay();
      const figures = [await scroll(app)];
      const slowest = [
        await timed(app, 'drag', 'pointermove', () => drag(app)),
        await timed(app, 'filter', 'keydown', () => filter(app)),
        await timed(app, 'palette', 'keydown', () => palette(app)),
      ].sort((a, b) => b.p95 - a.p95)[0] ?? { what: '', p95: Number.NaN };
      return [
        ...figures,
        makeFigure(
          'interaction',
          `input → next paint with ${WHAT}, p95, the slowest of drag, filter and palette`,
          slowest.p95,
          'ms',
          INTERACTION_TARGET_MS,
        ),
      ];
    } finally {
      await app.close();
    }
  } finally {
    takeBack();
    fleet.stop();
  }
}
