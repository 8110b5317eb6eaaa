/** Errors of a GPU (XID): told once, counted, kept over restarts, and a driver that does not tell of them is one that does not. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventSchema, type StateEvent } from '../../model/agent-protocol.ts';
import { Client, GPU0, GPU1, hasSim, TestHost, until, type Line, type Root } from './agent_process.ts';

let host: TestHost;
let root: Root;

beforeEach(() => {
  host = new TestHost();
  root = host.root;
});

afterEach(() => host.end());

/** Has the simulated driver report an error; it is taken within the second. */
const report = (gpu: number, xid: number): void => appendFileSync(join(root.path, 'xid'), `${gpu} ${xid}\n`);

async function listen(): Promise<Client> {
  const client = await Client.open(root);
  await client.ask('subscribe', { sampleIntervalMs: 60000 });
  return client;
}

type Fault = NonNullable<StateEvent['faults']>[number];
/** Of the newest state in which `check` holds for the GPU's errors. */
const faults = (
  client: Client,
  uuid: string,
  check: (found: readonly Fault[]) => boolean,
): Promise<readonly Fault[]> =>
  until(`errors of ${uuid}`, () => {
    const state = client.lines.findLast((line) => line['ev'] === 'state');
    const parsed = state === undefined ? null : eventSchema.parse(state);
    if (parsed?.ev !== 'state' || parsed.faults === null) return null;
    const found = parsed.faults.filter(({ gpuUuid }) => gpuUuid === uuid);
    return check(found) ? found : null;
  });
const notices = (client: Client): Line[] =>
  client.lines.filter((line) => line['ev'] === 'notice' && line['code'] === 'xid');

describe.skipIf(!hasSim)('errors of a GPU', () => {
  test('are told with number and meaning, to the GPU that has them', async () => {
    report(0, 13); // before the agent listened: nobody knows when
    await host.start();
    const client = await listen();
    expect(await faults(client, GPU0, () => true)).toEqual([]);
    report(1, 79);
    const notice = await client.event('notice', (line) => line['code'] === 'xid');
    expect(notice).toMatchObject({ gpuUuid: GPU1, sliceId: null, pid: null });
    expect(notice['message']).toMatch(/^GPU 1 reported XID 79\. The GPU has fallen off the bus/);
    const [fault] = await faults(client, GPU1, (found) => found.length === 1);
    expect(fault).toMatchObject({ source: 'XID', code: 79, kind: 'hardware', count: 1 });
    expect(Math.abs(Date.now() - (fault?.atMs ?? 0))).toBeLessThan(10_000);
    expect(await faults(client, GPU0, () => true)).toEqual([]);
    const doctor = host.tranche(['doctor']);
    expect(doctor.stdout).toMatch(/warning +GPU 1 reported XID 79 \(1 times, last 0 min ago\)/);
    const ls = host.tranche(['ls']);
    expect(`${String(ls.status)} ${ls.stderr}`).toBe('0 ');
    client.close();
  });

  test('that come again are counted and told once; another one is news, newest first', async () => {
    await host.start();
    const client = await listen();
    for (let i = 0; i < 40; i += 1) report(0, 31); // more than are taken at once
    const [fault] = await faults(client, GPU0, (found) => found[0]?.count === 40);
    expect(fault).toMatchObject({ source: 'XID', code: 31, kind: 'program' });
    report(0, 12345);
    await until('the other notice', () => notices(client).length > 1);
    expect(notices(client)).toHaveLength(2);
    const found = await faults(client, GPU0, (list) => list.length === 2);
    expect(found.map(({ code, kind, count }) => [code, kind, count])).toEqual([
      [12345, 'other', 1],
      [31, 'program', 40],
    ]);
    expect(found[0]?.text).toContain('https://docs.nvidia.com/deploy/xid-errors/');
    client.close();
  });

  test('are kept over kill -9, the last sixteen of the host; a torn line costs itself alone', async () => {
    await host.start();
    let client = await listen();
    for (let i = 0; i < 20; i += 1) report(i % 2, 100 + i);
    await faults(client, GPU1, (found) => found[0]?.code === 119);
    const file = join(root.path, 'root/state/faults');
    // What comes while the disk rests is written ten seconds later.
    await until('them on disk', () => readFileSync(file, 'utf8').includes('"xid":119'), 15_000);
    await host.agent?.stop('SIGKILL');
    const kept = readFileSync(file, 'utf8').split('\n');
    writeFileSync(file, [kept[0]?.slice(0, 20), ...kept.slice(1)].join('\n'));
    await host.start();
    client = await listen();
    const first = await faults(client, GPU0, (found) => found.length > 0);
    const second = await faults(client, GPU1, (found) => found.length > 0);
    expect(second.map(({ code }) => code)).toEqual([119, 117, 115, 113, 111, 109, 107, 105]);
    expect(first.map(({ code }) => code)).toEqual([118, 116, 114, 112, 110, 108, 106]); // 104 was the torn one
    expect(notices(client)).toEqual([]); // told before
    client.close();
  });
});
