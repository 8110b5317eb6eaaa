/**
 * From the return of a network that was away for five seconds to live samples and a history without a hole, over a real
 * OpenSSH server. A second that is missing, or there twice, is an error and not a figure.
 */
import { behindCable, HOST } from '../integration/support/breakable-link.ts';
import type { CoreHarness } from '../integration/support/core-harness.ts';
import { SshLab } from '../integration/support/ssh-lab.ts';
import { makeFigure, percentile, type Figure } from './report.ts';

const ROUNDS = 5;
const OUTAGE_MS = 5_000;
const TARGET_S = 2;
/** Looked at before the outage, too. */
const BEFORE_MS = 2_000;

async function expectWholeHistory(harness: CoreHarness, fromMs: number): Promise<void> {
  const { tierMs, points } = await harness.ask('history:get', {
    hostId: HOST,
    gpuUuid: harness.host(HOST).gpus[0]?.uuid ?? '',
    sliceId: null,
    fromMs,
    toMs: Date.now(),
    maxPoints: 500,
  });
  const times = points.map(({ atMs }) => atMs);
  const steps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  const covered = (times.at(-1) ?? 0) - (times[0] ?? 0);
  if (covered < OUTAGE_MS) throw new Error(`the history covers ${String(covered)} ms of the outage only`);
  const wrong = steps.filter((step) => step <= 0 || step >= 2 * tierMs);
  if (wrong.length > 0) throw new Error(`the history has steps of ${wrong.join(', ')} ms`);
}

export async function benchReconnect(): Promise<Figure> {
  const lab = new SshLab();
  const times: number[] = [];
  try {
    const { harness, cable } = await behindCable(lab);
    const liveSinceMs = Date.now();
    await harness.until('there is a history', () => Date.now() - liveSinceMs > 2 * BEFORE_MS);
    for (let round = 0; round < ROUNDS; round += 1) {
      const pulledAtMs = Date.now();
      cable.pull();
      await harness.until('the outage has lasted', () => Date.now() - pulledAtMs >= OUTAGE_MS);
      await cable.plugIn();
      const backAtMs = Date.now();
      const { length } = harness.sampleLog;
      await harness.until('a sample', () => harness.sampleLog.length > length);
      await expectWholeHistory(harness, pulledAtMs - BEFORE_MS);
      times.push((Date.now() - backAtMs) / 1000);
    }
  } finally {
    await lab.end();
  }
  return makeFigure(
    'reconnect',
    'network back after 5 s → live samples and a whole history, slowest of 5',
    percentile(times, 1),
    's',
    TARGET_S,
  );
}
