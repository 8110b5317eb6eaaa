/** MIG slices: listed beside their GPU, as they come and go, and not taken for something to cut. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stateEventSchema } from '../../model/agent-protocol.ts';
import { Client, GPU0, hasSim, TestHost } from './agent_process.ts';

const GIB = 1024 ** 3;
let host: TestHost;

beforeEach(() => {
  host = new TestHost();
});

afterEach(() => host.end());

describe.skipIf(!hasSim)('MIG slices', () => {
  test('are listed with the GPU that they are a part of', async () => {
    writeFileSync(join(host.root.path, 'sim.conf'), 'gpu0.mig = 1g.10gb 2g.20gb\n');
    await host.start();
    const client = await Client.open(host.root);
    await client.ask('subscribe', { sampleIntervalMs: 60000 });
    const state = stateEventSchema.parse(await client.event('state'));
    expect(state.gpus.map(({ partitioned }) => partitioned)).toEqual([true, false]);
    expect(state.partitions).toEqual([
      {
        gpuUuid: GPU0,
        uuid: 'MIG-51000000-0000-4000-8000-000000000000',
        name: 'Simulated H100 80GB MIG 1g.10gb',
        capacityBytes: 10 * GIB,
      },
      {
        gpuUuid: GPU0,
        uuid: 'MIG-51000000-0000-4000-8000-000000000001',
        name: 'Simulated H100 80GB MIG 2g.20gb',
        capacityBytes: 20 * GIB,
      },
    ]);
    client.close();
  });

  test('are none where MIG is off', async () => {
    await host.start();
    const client = await Client.open(host.root);
    await client.ask('subscribe', { sampleIntervalMs: 60000 });
    expect(stateEventSchema.parse(await client.event('state')).partitions).toEqual([]);
    client.close();
  });
});
