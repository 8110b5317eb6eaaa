/** A second kind of GPU beside the first, read-only: two files of a backend and a line in a list, and the rest follows. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  sampleEventSchema,
  stateEventSchema,
  type SampleEvent,
  type StateEvent,
} from '../../model/agent-protocol.ts';
import { Client, GIB, GPU0, hasSim, TestHost, until, type Line } from './agent_process.ts';
import { buildSanitized, hasGcc } from './build_sanitized.ts';

const SLATE = 'SLATE-0';
let bin = '';
let host: TestHost;
let file = '';

beforeEach(() => {
  host = new TestHost();
  file = join(host.root.path, 'slate');
  host.root.env['TRANCHE_SLATE'] = file;
  writeFileSync(file, '0 512 41\n1 1024 42\n');
});

afterEach(() => host.end());

async function listen(sampleIntervalMs = 60_000): Promise<Client> {
  const client = await Client.open(host.root);
  await client.ask('subscribe', { sampleIntervalMs });
  return client;
}

const newest = (client: Client, check: (state: StateEvent) => boolean): Promise<Line> =>
  until('such a state', () => {
    const line = client.lines.findLast(({ ev }) => ev === 'state');
    return line !== undefined && check(stateEventSchema.parse(line)) ? line : null;
  });

describe.skipIf(!hasSim || !hasGcc)('a second backend', () => {
  beforeAll(() => {
    bin = buildSanitized('tranche-two-backends', {
      without: ['agent/src/gpu/backends.c'],
      folder: 'test/agent/second_backend',
    });
  });

  test('has its GPUs counted after those of the first, with its own words and abilities', async () => {
    await host.start({ bin });
    const client = await listen();
    const { gpus, backends } = stateEventSchema.parse(await client.event('state'));
    expect(backends).toMatchObject([
      { id: 'nvidia', vendor: 'NVIDIA', faults: 'XID', partitions: 'MIG', note: null },
      {
        id: 'slate',
        can: ['tell-faults'],
        vendor: 'Slate',
        reader: 'the slate',
        tool: null,
        faults: 'CRACK',
        partitions: null,
        concurrent: null,
        driver: 'slate 1',
        note: null,
      },
    ]);
    expect(backends?.[0]?.can).toContain('limit-memory');
    expect(gpus.map(({ index, backend }) => [index, backend])).toEqual([
      [0, 'nvidia'],
      [1, 'nvidia'],
      [2, 'slate'],
      [3, 'slate'],
    ]);
    expect(gpus[2]).toMatchObject({
      uuid: SLATE,
      name: 'Slate Grey 0',
      partitioned: null,
      concurrent: 'off',
    });
    expect(host.tranche(['ls'], { bin }).stdout).toMatch(/GPU 3 {2}Slate Grey 1 {2}/);
    client.close();
  });

  test('is read: what it has is shown, and the rest is unknown', async () => {
    await host.start({ bin });
    const client = await listen(100);
    const reading = await until('a reading', () => {
      const line = client.lines.findLast(({ ev }) => ev === 'sample');
      const found = line === undefined ? null : sampleEventSchema.parse(line).gpus.find(isSlate);
      return found?.temperatureC === null ? null : found;
    });
    expect(reading).toMatchObject({
      memoryUsedBytes: GIB / 2,
      temperatureC: 41,
      utilizationPercent: null,
      powerMilliwatts: null,
      slowedBy: null,
    });
    client.close();
  });

  test('cannot be cut: refused with the reason, and nothing is changed', async () => {
    await host.start({ bin });
    const client = await listen();
    const limits = { memoryLimitBytes: GIB, computeLimitPercent: 100 };
    const refused = await client.ask('slice-create', { gpuUuid: SLATE, ...limits });
    expect(refused).toMatchObject({ ok: false, code: 'gpu-not-limited' });
    expect(refused['message']).toBe(
      'Tranche reads GPU 2, of Slate, and cannot limit programs there; nothing was changed.',
    );
    const made = await client.ask('slice-create', { gpuUuid: GPU0, name: 'one', ...limits });
    expect(made).toMatchObject({ ok: true });
    const moved = host.tranche(['slice', 'move', 'one', '--gpu', '2'], { bin });
    expect(moved.stderr).toContain('cannot limit programs there');
    const turns = await client.ask('gpu-concurrent', { gpuUuid: SLATE, concurrent: true });
    expect(turns).toMatchObject({ ok: false, code: 'concurrent-not-possible' });
    const state = await newest(client, ({ slices }) => slices.length === 1);
    expect(stateEventSchema.parse(state).slices[0]).toMatchObject({ gpuUuid: GPU0 });
    client.close();
  });

  test('tells its errors by its own name for them, also after a restart', async () => {
    const agent = await host.start({ bin });
    const client = await listen();
    appendFileSync(file, 'fault 1 7\n');
    const notice = await client.event('notice', ({ code }) => code === 'gpu-fault');
    expect(notice).toMatchObject({
      gpuUuid: 'SLATE-1',
      message: 'GPU 3 reported CRACK 7. The slate is cracked.',
    });
    const isThere = ({ faults }: StateEvent): boolean => faults?.length === 1;
    const line = await newest(client, isThere);
    expect(stateEventSchema.parse(line).faults).toMatchObject([
      { source: 'CRACK', code: 7, kind: 'hardware' },
    ]);
    // A client of before asks for an XID and has the sentence from the agent.
    expect(line['faults']).toMatchObject([{ xid: 0, text: 'The slate is cracked.' }]);
    expect(host.tranche(['doctor'], { bin }).stdout).toContain('GPU 3 reported CRACK 7 (1 times');
    client.close();
    await agent.stop('SIGTERM');
    await host.start({ bin });
    const again = await listen();
    expect(stateEventSchema.parse(await newest(again, isThere)).faults).toMatchObject([
      { source: 'CRACK', code: 7, text: 'The slate is cracked.' },
    ]);
    again.close();
  });

  test('is enough: a host without the first has no GPU missing', async () => {
    host.root.env['TRANCHE_DRIVER_DIR'] = host.root.path;
    delete host.root.env['LD_LIBRARY_PATH'];
    await host.start({ bin });
    const client = await listen();
    const state = stateEventSchema.parse(await client.event('state'));
    expect(state.gpus.map(({ index, uuid }) => [index, uuid])).toEqual([
      [0, SLATE],
      [1, 'SLATE-1'],
    ]);
    expect(state.backends?.[0]?.note).toContain('no NVIDIA driver');
    expect(await client.ask('hello', { protocolMin: 1, protocolMax: 1 })).toMatchObject({
      driver: 'slate 1',
      gpuNote: null,
    });
    client.close();
  });
});

const isSlate = ({ uuid }: SampleEvent['gpus'][number]): boolean => uuid === SLATE;
