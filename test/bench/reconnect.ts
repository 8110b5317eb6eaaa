/** From the return of a network that was away for five seconds to live samples, over a real OpenSSH server. */
import { startCable } from '../integration/support/cable.ts';
import { bringLive, SshLab } from '../integration/support/ssh-lab.ts';
import { makeFigure, percentile, type Figure } from './report.ts';

const ROUNDS = 5;
const OUTAGE_MS = 5_000;
const TARGET_S = 2;

export async function benchReconnect(): Promise<Figure> {
  const lab = new SshLab();
  const times: number[] = [];
  try {
    const server = await lab.openssh();
    const cable = await startCable(server.port);
    lab.onEnd(() => {
      cable.stop();
    });
    const harness = await lab.core([{ name: 'host', server, port: cable.port }]);
    await bringLive(harness, 'ssh:host');
    for (let round = 0; round < ROUNDS; round += 1) {
      const pulledAtMs = Date.now();
      cable.pull();
      await harness.until('the outage has lasted', () => Date.now() - pulledAtMs >= OUTAGE_MS);
      await cable.plugIn();
      const backAtMs = Date.now();
      const { length } = harness.sampleLog;
      await harness.until('a sample', () => harness.sampleLog.length > length);
      times.push((Date.now() - backAtMs) / 1000);
    }
  } finally {
    await lab.end();
  }
  return makeFigure(
    'reconnect',
    'network back after 5 s → live samples, slowest of 5',
    percentile(times, 1),
    's',
    TARGET_S,
  );
}
