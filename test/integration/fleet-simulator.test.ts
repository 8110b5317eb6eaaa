/** The simulator of test/bench speaks what the app understands: otherwise its figures would measure an empty screen. */
import { expect, it, onTestFinished } from 'vitest';
import { startFleet } from '../bench/fleet-hosts.ts';
import { CoreHarness } from './support/core-harness.ts';

it('brings a fleet of scripted hosts live, with every GPU, slice, process and point of history', async () => {
  const fleet = await startFleet({ hosts: 6, gpus: 8, slicesPerGpu: 8, periodMs: 100 });
  onTestFinished(() => {
    fleet.stop();
  });
  const harness = await CoreHarness.start(fleet.configFile);
  onTestFinished(() => harness.stop());
  for (const name of fleet.names) await harness.ask('host:connect', { hostId: `ssh:${name}` });
  for (const name of fleet.names) {
    const hostId = `ssh:${name}`;
    await harness.untilConnection(hostId, 'live');
    const sample = await harness.until('a sample', () => harness.samples.get(hostId));
    expect([sample.gpus.length, sample.slices.length, sample.processes.length]).toEqual([8, 64, 64]);
    const { gpus, slices } = harness.host(hostId);
    expect([gpus.length, slices.length]).toEqual([8, 64]);
  }
  const { points } = await harness.ask('history:get', {
    hostId: `ssh:${fleet.names[0] ?? ''}`,
    gpuUuid: harness.host(`ssh:${fleet.names[0] ?? ''}`).gpus[0]?.uuid ?? '',
    sliceId: null,
    fromMs: 0,
    toMs: Date.now(),
    maxPoints: 500,
  });
  expect(points).toHaveLength(300);
  expect(fleet.sent()).toBeGreaterThanOrEqual(6);
});
