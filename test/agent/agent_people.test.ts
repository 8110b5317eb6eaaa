/** Numbers for people: uids that are given out again, and the small files that say who may do what. */
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stateEventSchema } from '../../model/agent-protocol.ts';
import {
  AttachedProcess,
  Client,
  GIB,
  hasShim,
  hasSim,
  isRoot,
  TestHost,
  type Line,
} from './agent_process.ts';

let host: TestHost;

beforeEach(() => {
  host = new TestHost();
});

afterEach(() => host.end());

const hello = { protocolMin: 1, protocolMax: 1 };

async function stateOf(client: Client): Promise<ReturnType<typeof stateEventSchema.parse>> {
  await client.ask('subscribe', { sampleIntervalMs: 60_000 });
  return stateEventSchema.parse(await client.event('state'));
}

async function doctorSays(client: Client): Promise<string> {
  const reply = await client.ask('doctor');
  return (reply['findings'] as Line[])
    .map((one) => `${String(one['code'])}: ${String(one['message'])}`)
    .join('\n');
}

describe.skipIf(!hasSim || !hasShim || !isRoot)('a uid that is somebody else’s by now', () => {
  test('suspends the slice and takes the operator’s rights, until somebody says who it is', async () => {
    host.people({ tom: 2001, wei: 2002 });
    const copied = host.openToOthers();
    chmodSync(join(host.root.path, 'root'), 0o755);
    await host.start({ bin: copied('tranche') });
    let client = await Client.open(host.root);
    const made = await client.create({ owner: 'tom' });
    expect(await client.create({ owner: 'wei', name: 'other' })).toMatchObject({ ok: true });
    expect(await client.ask('operators-set', { names: 'tom,wei' })).toMatchObject({ ok: true });
    client.close();
    await host.agent?.stop('SIGTERM');

    // tom is gone, and his uid is given out again.
    host.people({ ida: 2001, wei: 2002 });
    await host.start({ bin: copied('tranche') });
    client = await Client.open(host.root);
    const { slices } = await stateOf(client);
    expect(slices.find(({ name }) => name === 'one')?.suspendedReason).toMatch(
      /^uid 2001 is not tom any more/,
    );
    expect(slices.find(({ name }) => name === 'other')?.suspendedReason).toBeNull();
    const run = (uid: number, slice: string) =>
      host.tranche(['run', '--slice', slice, '--', 'true'], { bin: copied('tranche'), uid });
    expect(run(2002, 'other').status).toBe(0);
    for (const [uid, operator] of [
      [2001, false],
      [2002, true],
    ] as const) {
      const attached = new AttachedProcess(host.root, [copied('tranche'), 'attach', 'x'], { uid, gid: uid });
      host.keep(attached.child);
      expect(await attached.ask('hello', hello)).toMatchObject({ ok: true, operator });
    }
    const refused = run(2001, 'one');
    expect(refused.status).toBe(125);
    expect(refused.stderr).toContain('slice one is suspended: uid 2001 is not tom any more');
    const says = await doctorSays(client);
    expect(says).toMatch(/slice-suspended: Slice one admits nothing/);
    expect(says).toMatch(/operator-changed: uid 2001 is not tom any more/);

    const given = { sliceId: made['sliceId'], revision: made['revision'], owner: 'ida' };
    expect(await client.ask('slice-assign', given)).toMatchObject({ ok: true });
    expect(run(2001, 'one').status).toBe(0);
    client.close();
  });
});

describe.skipIf(!hasSim)('a small state file', () => {
  interface Seen {
    readonly operator: unknown;
    readonly quotas: unknown;
    readonly guard: unknown;
    readonly says: string;
  }

  /** What an agent makes of the files. */
  async function seen(): Promise<Seen> {
    const agent = await host.start();
    const client = await Client.open(host.root);
    const { quotas, memoryOvercommitMaxPercent: guard } = await stateOf(client);
    const says = await doctorSays(client);
    client.close();
    await agent.stop('SIGKILL');
    // Who is an operator is not told of others: a line that is not taken is.
    return { operator: says.includes('Of the operators'), quotas, guard, says };
  }

  test.each(['operators', 'quotas', 'settings'])(
    'that is damaged is not believed, and that is said: %s',
    async (name) => {
      host.people({ tom: 2001, wei: 2002 });
      await host.start();
      const client = await Client.open(host.root);
      expect(await client.ask('operators-set', { names: 'tom,wei' })).toMatchObject({ ok: true });
      for (const subject of ['tom', 'default']) {
        const quota = { subject, memoryBytesMax: 8 * GIB, slicesMax: 3 };
        expect(await client.ask('quota-set', quota)).toMatchObject({ ok: true });
      }
      expect(await client.ask('settings-set', { memoryOvercommitMaxPercent: 150 })).toMatchObject({
        ok: true,
      });
      client.close();
      await host.agent?.stop('SIGKILL');
      const whole = await seen();
      expect(whole).toMatchObject({ operator: false, guard: 150, quotas: [{}, {}] });
      expect(whole.says).not.toContain('state-damaged');

      const file = join(host.root.path, 'root/state', name);
      const data = readFileSync(file);
      const damages: Buffer[] = [
        Buffer.alloc(0),
        data.subarray(0, data.indexOf('\n') + 1).subarray(0, data.length - 1),
      ];
      if (name === 'settings') damages.pop(); // one line is all there is
      for (let at = 0; at < data.length; at += Math.ceil(data.length / 12)) {
        const flipped = Buffer.from(data);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 7));
        damages.push(flipped);
      }
      for (const damaged of damages) {
        writeFileSync(file, damaged);
        const after = await seen();
        expect(`${JSON.stringify(damaged.toString('latin1'))}: ${after.says}`).toContain('state-damaged');
        // What is in force is what was set, or it is not in force at all.
        for (const quota of after.quotas as Line[]) expect(whole.quotas).toContainEqual(quota);
        expect([150, null]).toContain(after.guard);
      }
      rmSync(file);
      expect((await seen()).says).not.toContain('state-damaged');
    },
    60_000,
  );
});
