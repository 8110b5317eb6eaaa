/** From the moment a host writes a sample to the frame with its value: every figure on the way is somebody's timer. */
import { setTimeout as delay } from 'node:timers/promises';
import { launchBareApp } from './bare-app.ts';
import { bringLive, click } from './fleet-app.ts';
import { SEQ_CYCLE, seqShownBytes } from './fleet-agent.ts';
import { startFleet } from './fleet-hosts.ts';
import { watchAttribute, watchedAttribute } from './page-probe.ts';
import { makeFigure, median, percentile, type Figure } from './report.ts';

/** A small lab, all of it live, so that the samples of others fall before and after those that are watched. */
const SHAPE = { hosts: 4, gpus: 8, slicesPerGpu: 8, periodMs: 500 };
const SAMPLES = 100;
/** Numbers come round after this many samples: what is painted later than that would be taken for another. */
const LONGEST_MS = (SEQ_CYCLE * SHAPE.periodMs) / 2;
const GIB = 1024 ** 3;
const TARGET_MS = 300;

const shownAs = (seq: number): string => (seqShownBytes(seq) / GIB).toFixed(1);

export async function benchLatency(): Promise<Figure> {
  const fleet = await startFleet(SHAPE);
  process.env['TRANCHE_SSH_CONFIG'] = fleet.configFile;
  const times: number[] = [];
  try {
    const app = await launchBareApp();
    try {
      await bringLive(app, fleet.names);
      for (const [index, name] of fleet.names.entries()) {
        const agent = fleet.agents[index];
        if (agent === undefined) throw new Error('no such agent');
        await click(app, name);
        const title = await app.page<string>("document.querySelector('h1').textContent");
        if (title !== name) throw new Error(`${title} is shown instead of ${name}`);
        await delay(2_000); // its history has come
        await watchAttribute(app, '[role=slider][aria-label^="job-0-0,"]', 'aria-valuetext');
        const sentBefore = agent.writtenAtMs.size;
        await delay((SAMPLES / SHAPE.hosts) * SHAPE.periodMs);
        if (agent.writtenAtMs.size < sentBefore) throw new Error(`${name} has stopped to write`);
        for (const { value, atMs } of await watchedAttribute(app)) {
          const shown = /([\d.]+) GiB in use/.exec(value)?.[1];
          const written = [...agent.writtenAtMs].filter(
            ([seq, at]) => shownAs(seq) === shown && at <= atMs && atMs - at < LONGEST_MS,
          );
          if (written.length === 1) times.push(atMs - (written[0]?.[1] ?? 0));
        }
      }
    } finally {
      await app.close();
    }
  } finally {
    fleet.stop();
  }
  if (times.length < SAMPLES / 2)
    throw new Error(`only ${String(times.length)} of ${String(SAMPLES)} samples were seen on the screen`);
  console.log(
    `latency: ${String(times.length)} samples, median ${median(times).toFixed(0)}, slowest ${percentile(times, 1).toFixed(0)} ms`,
  );
  return makeFigure(
    'latency',
    'sample written on a host → its value painted, 4 hosts at 2 Hz, p95',
    percentile(times, 0.95),
    'ms',
    TARGET_MS,
  );
}
