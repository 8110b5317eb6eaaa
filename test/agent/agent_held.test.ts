/** "Why is it slow?": the word that a slice's sample says, for each of the reasons. Real agent, shim, simulated GPUs. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventSchema } from '../../model/agent-protocol.ts';
import { Client, hasSim, TestHost, workload, type Line, type Root } from './agent_process.ts';

let host: TestHost;
let root: Root;

beforeEach(() => {
  host = new TestHost();
  root = host.root;
});

afterEach(() => host.end());

async function open(conf = ''): Promise<Client> {
  writeFileSync(join(root.path, 'sim.conf'), conf);
  await host.start();
  const client = await Client.open(root);
  await client.ask('subscribe', { sampleIntervalMs: 200 });
  return client;
}

async function slice(client: Client, name: string, fields: Line): Promise<string> {
  const made = await client.create({ computeLimitPercent: 100, name, ...fields });
  expect(made).toMatchObject({ ok: true });
  return String(made['sliceId']);
}

function run(name: string, ...args: string[]): void {
  host.run(name, [workload, ...args, '--seconds', '60']);
}

/** The next sample in which the slice is held by this. */
const heldBy = (client: Client, id: string, word: string): Promise<Line> =>
  client.event('sample', (line) =>
    (line['slices'] as Line[]).some((one) => one['id'] === id && one['heldBy'] === word),
  );

describe.skipIf(!hasSim)('what holds a slice back', () => {
  test('its own limit, until that is raised', async () => {
    const client = await open();
    const id = await slice(client, 'small', { computeLimitPercent: 10 });
    run('small', 'heavy');
    const sample = await heldBy(client, id, 'own-limit');
    eventSchema.parse(sample);
    client.lines.length = 0;
    await client.ask('slice-resize', { sliceId: id, computeLimitPercent: 100 });
    await heldBy(client, id, 'nothing');
    client.close();
  });

  test('somebody of higher priority', async () => {
    const client = await open();
    const low = await slice(client, 'low', {});
    await slice(client, 'high', { priority: 'high' });
    run('high', 'heavy');
    run('low', 'heavy');
    await heldBy(client, low, 'higher-priority');
    client.close();
  });

  test('somebody who uses his guarantee', async () => {
    const client = await open();
    const free = await slice(client, 'free', {});
    await slice(client, 'owed', { computeGuaranteePercent: 80 });
    run('owed', 'heavy');
    run('free', 'heavy');
    await heldBy(client, free, 'guarantee');
    client.close();
  });

  test.each([
    ['heat', '0x60'],
    ['power', '0x4'],
    ['heat', '0x24'],
  ])('%s, when NVML gives %s for the clocks', async (word, reasons) => {
    const client = await open(`clocks_reasons = ${reasons}\n`);
    const id = await slice(client, 'warm', {});
    run('warm', 'heavy');
    const sample = await heldBy(client, id, word);
    expect((sample['gpus'] as Line[])[0]).toMatchObject({ slowedBy: word });
    client.close();
  });
});
