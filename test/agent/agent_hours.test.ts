/** GPU-hours: what a slice used and held goes to its owner, over restarts, for a month. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hoursReplySchema } from '../../model/agent-protocol.ts';
import { Client, GIB, hasShim, hasSim, TestHost, workload, type Root } from './agent_process.ts';

const DAY_MS = 86_400_000;

let host: TestHost;
let root: Root;

beforeEach(() => {
  host = new TestHost();
  root = host.root;
  host.people({ tom: 4100, wei: 4101 });
});

afterEach(() => host.end());

const hours = async (client: Client, days = 7) => {
  const { people, sinceMs } = hoursReplySchema.parse(await client.ask('hours', { days }));
  return {
    sinceMs,
    of: Object.fromEntries(people.map(({ name, usedMs, heldMs }) => [name, { usedMs, heldMs }])),
  };
};
/** Asks until `check` holds: the agent counts once a second. */
async function untilHours(
  client: Client,
  what: string,
  check: (of: Awaited<ReturnType<typeof hours>>['of']) => boolean,
) {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const { of } = await hours(client);
    if (check(of)) return of;
    if (Date.now() > deadline) throw new Error(`waited for ${what}: ${JSON.stringify(of)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe.skipIf(!hasSim || !hasShim)('GPU-hours', () => {
  test('are what was used and held, follow the owner, and outlive the slice and the agent', async () => {
    const agent = await host.start();
    let client = await Client.open(root);
    const owner = (await client.ask('hello', { protocolMin: 1, protocolMax: 1 }))['yourName'] as string;
    // Half of the card's memory, a quarter of its time.
    const made = await client.create({ memoryLimitBytes: 40 * GIB, computeLimitPercent: 25 });
    const started = Date.now();
    const child = host.run('one', [workload, 'heavy', '--seconds', '60']);
    const used = await untilHours(client, 'a second of GPU time', (of) => (of[owner]?.usedMs ?? 0) > 1000);
    const elapsed = Date.now() - started;
    const wall = elapsed + 1500;
    // A quarter, and the burst that its bucket began with.
    expect(used[owner]?.usedMs).toBeLessThan(elapsed * 0.25 + 300);
    expect(used[owner]?.heldMs).toBeGreaterThan(wall * 0.5 - 2500);
    expect(used[owner]?.heldMs).toBeLessThanOrEqual(wall * 0.5 + 100);
    await client.ask('slice-assign', { sliceId: made['sliceId'], revision: made['revision'], owner: 'tom' });
    const given = await untilHours(client, 'hours of tom', (of) => (of['tom']?.usedMs ?? 0) > 300);
    const kept = await untilHours(
      client,
      'more hours of tom',
      (of) => (of['tom']?.usedMs ?? 0) > (given['tom']?.usedMs ?? 0) + 200,
    );
    expect(kept[owner]).toEqual(given[owner]);
    child.kill('SIGKILL');
    const gone = await client.ask('slice-delete', {
      sliceId: made['sliceId'],
      revision: 2,
      withProcesses: true,
    });
    expect(gone).toMatchObject({ ok: true });
    const before = (await hours(client)).of;
    client.close();
    await agent.stop('SIGTERM'); // it writes what it has
    await host.start();
    client = await Client.open(root);
    const after = (await hours(client)).of;
    expect(after[owner]).toEqual(before[owner]);
    expect(after['tom']?.usedMs).toBeGreaterThanOrEqual(before['tom']?.usedMs ?? 0);
    const cli = host.tranche(['hours']);
    expect(cli.stdout).toMatch(/used GPU-h +held GPU-h\n/);
    expect(cli.stdout).toMatch(/^tom +0\.00 +0\.0\d$/m);
    client.close();
  });

  test('are of the days that were asked for, thirty-two at most; a line that is not right costs itself alone', async () => {
    const today = Math.floor(Date.now() / DAY_MS);
    const line = (name: string, uid: number, ago: number, hour: number): string =>
      `${JSON.stringify({ name, uid, day: today - ago, usedUs: hour * 3.6e9, heldUs: 2 * hour * 3.6e9 })}\n`;
    const state = join(root.path, 'root/state');
    mkdirSync(state, { mode: 0o700 });
    writeFileSync(
      join(state, 'hours'),
      `${line('tom', 4100, 0, 1)}${line('tom', 4100, 6, 2)}{"name":"x"\n${line('tom', 4100, 7, 4)}${line('wei', 4101, 31, 8)}${line('wei', 4101, 32, 16)}`,
    );
    const agent = await host.start();
    const client = await Client.open(root);
    const week = await hours(client);
    expect(week.of).toEqual({ tom: { usedMs: 3 * 3.6e6, heldMs: 6 * 3.6e6 } });
    expect(week.sinceMs).toBe((today - 6) * DAY_MS);
    expect((await hours(client, 1)).of['tom']?.usedMs).toBe(3.6e6);
    expect((await hours(client, 32)).of).toMatchObject({
      tom: { usedMs: 7 * 3.6e6 },
      wei: { usedMs: 8 * 3.6e6 },
    });
    expect(agent.log().match(/a line is not right/g)).toHaveLength(1);
    const { people } = hoursReplySchema.parse(await client.ask('hours', { days: 32 }));
    expect(people.map(({ name }) => name)).toEqual(['wei', 'tom']); // who used most first
    client.close();
  });
});
