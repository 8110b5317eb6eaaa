/** A slice on another GPU: it stays the slice it was, nobody is in it meanwhile, and a crash leaves it in one place. */
import { type ChildProcess } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { auditReplySchema } from '../../model/agent-protocol.ts';
import {
  Client,
  GIB,
  GPU0,
  GPU1,
  hasShim,
  hasSim,
  slicesOf,
  TestHost,
  workload,
  type Line,
  type Root,
} from './agent_process.ts';

let host: TestHost;
let root: Root;

beforeEach(() => {
  host = new TestHost();
  root = host.root;
});

afterEach(() => host.end());

const run = (slice: string, ...args: string[]): ChildProcess => host.run(slice, [workload, ...args]);
const create = (client: Client, name: string, fields: Line = {}) => client.create({ name, ...fields });
const where = async () =>
  Object.fromEntries((await slicesOf(root)).map((row) => [row.name, (row as unknown as Line)['gpuUuid']]));
/** The GPU that the policy page names, and what it says of the others there (offsets of agent/common/region.h). */
function page(id: unknown): { gpuUuid: string; flags: number; neighbours: number } {
  const data = readFileSync(join(root.path, 'root/run/policy', id as string));
  const words = Array.from({ length: 63 }, (_, i) => data.readBigUInt64LE(248 + i * 8));
  return {
    gpuUuid: data.toString('utf8', 120, 160),
    flags: data.readUInt32LE(20),
    neighbours: words.filter((word) => word !== 0n).length,
  };
}

describe.skipIf(!hasSim || !hasShim)('moving a slice', () => {
  test('keeps id, name, limits and audit; the undo moves it back, also after kill -9', async () => {
    const agent = await host.start();
    let client = await Client.open(root);
    const made = await create(client, 'one', { computeGuaranteePercent: 10, priority: 'high' });
    const other = await create(client, 'other');
    expect(page(other['sliceId'])).toMatchObject({ gpuUuid: GPU0, neighbours: 1 });
    const [before] = await slicesOf(root);
    const moved = await client.ask('slice-move', { sliceId: made['sliceId'], revision: 1, gpuUuid: GPU1 });
    expect(moved).toMatchObject({ ok: true, sliceId: made['sliceId'], revision: 2 });
    expect((await slicesOf(root))[0]).toEqual({ ...before, gpuUuid: GPU1, revision: 2 });
    expect(page(made['sliceId'])).toEqual({ gpuUuid: GPU1, flags: 0, neighbours: 0 });
    expect(page(other['sliceId']).neighbours).toBe(0);
    const { records } = auditReplySchema.parse(await client.ask('audit', { sliceId: made['sliceId'] }));
    expect(records[0]).toMatchObject({
      action: 'slice-move',
      before: { gpuUuid: GPU0 },
      after: { gpuUuid: GPU1 },
    });
    await agent.stop('SIGKILL');
    await host.start();
    expect(page(made['sliceId'])).toMatchObject({ gpuUuid: GPU1, flags: 0 });
    client = await Client.open(root);
    const undone = await client.ask('undo', { undoToken: moved['undoToken'] });
    expect(undone).toMatchObject({ ok: true });
    expect(await where()).toEqual({ one: GPU0, other: GPU0 });
    expect(page(made['sliceId'])).toEqual({ gpuUuid: GPU0, flags: 0, neighbours: 1 });
    expect(await client.ask('undo', { undoToken: undone['undoToken'] })).toMatchObject({ ok: true });
    expect(await where()).toEqual({ one: GPU1, other: GPU0 });
  });

  test('is refused while a process is in it, which goes on; then its next program runs on the other GPU', async () => {
    await host.start();
    const client = await Client.open(root);
    const made = await create(client, 'one');
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    const inside = (line: Line, n: number): boolean => (line['slices'] as Line[])[0]?.['processCount'] === n;
    const child = run('one', 'notebook', '--memory', String(3 * GIB), '--seconds', '60');
    await client.event(
      'sample',
      (line) => inside(line, 1) && Number((line['slices'] as Line[])[0]?.['ledgerBytes']) > 2 * GIB,
    );
    const move = (): Promise<Line> =>
      client.ask('slice-move', { sliceId: made['sliceId'], revision: 1, gpuUuid: GPU1 });
    expect(await move()).toMatchObject({
      code: 'slice-in-use',
      message: expect.stringContaining('1 process is in one'),
    });
    expect(page(made['sliceId'])).toMatchObject({ gpuUuid: GPU0, flags: 0 });
    expect(child.exitCode).toBeNull();
    child.kill('SIGKILL');
    const seq = Number(client.lines.findLast((line) => line['ev'] === 'sample')?.['seq']);
    await client.event('sample', (line) => Number(line['seq']) > seq && inside(line, 0));
    expect(await move()).toMatchObject({ ok: true });
    const next = run('one', 'greedy', '--seconds', '60');
    const denied = await client.event('notice', (line) => line['code'] === 'denied');
    expect(denied['pid']).toBe(next.pid);
    const sample = await client.event('sample', (line) =>
      (line['processes'] as Line[]).some((p) => p['pid'] === next.pid),
    );
    expect(sample['processes']).toMatchObject([{ pid: next.pid, gpuUuid: GPU1, sliceId: made['sliceId'] }]);
  });

  test('is one command', async () => {
    await host.start();
    const client = await Client.open(root);
    await create(client, 'one');
    const cli = (...args: string[]) => host.tranche(['slice', 'move', ...args]);
    expect(cli('one').stderr).toContain('say where to: tranche slice move NAME --gpu 1');
    expect(cli('one', '--gpu', '7').stderr).toContain(
      'there is no GPU 7 on this host, so nothing was changed',
    );
    expect(await where()).toEqual({ one: GPU0 });
    const moved = cli('one', '--gpu', '1');
    expect(`${String(moved.status)} ${moved.stderr}`).toBe('0 ');
    expect(await where()).toEqual({ one: GPU1 });
    const undo = /undo (u-[0-9a-f]+)\)/.exec(moved.stdout)?.[1] ?? '';
    const back = host.tranche(['slice', 'undo', undo]);
    expect(back.status).toBe(0);
    expect(await where()).toEqual({ one: GPU0 });
  });

  test('is admitted by what the other GPU has left', async () => {
    await host.start();
    const client = await Client.open(root);
    const made = await create(client, 'one', { computeGuaranteePercent: 40 });
    const ask = (fields: Line = {}): Promise<Line> =>
      client.ask('slice-move', { sliceId: made['sliceId'], revision: 1, gpuUuid: GPU1, ...fields });
    await create(client, 'big', {
      gpuUuid: GPU1,
      memoryLimitBytes: 4 * GIB,
      computeLimitPercent: 80,
      computeGuaranteePercent: 70,
    });
    expect(await ask()).toMatchObject({ code: 'guarantee-exceeds-headroom' });
    expect(await ask({ gpuUuid: 'GPU-none' })).toMatchObject({ code: 'unknown-gpu' });
    expect(await ask({ gpuUuid: GPU0 })).toMatchObject({ code: 'bad-request' });
    expect(await ask({ revision: 7 })).toMatchObject({ code: 'changed-since' });
    const small = await create(client, 'small');
    await client.ask('subscribe', { sampleIntervalMs: 60000 });
    const gpus = (await client.event('state'))['gpus'] as { uuid: string; capacityBytes: number }[];
    const capacity = gpus.find(({ uuid }) => uuid === GPU1)?.capacityBytes ?? 0;
    await create(client, 'filler', { gpuUuid: GPU1, memoryLimitBytes: capacity - 5 * GIB });
    await client.ask('settings-set', { memoryOvercommitMaxPercent: 100 });
    // It does not grow, but on that GPU it is new.
    expect(
      await client.ask('slice-move', { sliceId: small['sliceId'], revision: 1, gpuUuid: GPU1 }),
    ).toMatchObject({
      code: 'overcommit-exceeds-guard',
    });
    expect(await where()).toMatchObject({ one: GPU0, small: GPU0 });
  });

  test('stays where it is when the state cannot be written', async () => {
    await host.start();
    const client = await Client.open(root);
    const made = await create(client, 'one');
    const state = join(root.path, 'root/state/slices.jsonl.tmp');
    mkdirSync(join(state, 'in-the-way'), { recursive: true });
    const ask = (): Promise<Line> =>
      client.ask('slice-move', { sliceId: made['sliceId'], revision: 1, gpuUuid: GPU1 });
    expect(await ask()).toMatchObject({ code: 'state-not-saved' });
    expect(page(made['sliceId'])).toMatchObject({ gpuUuid: GPU0, flags: 0 });
    expect(await where()).toEqual({ one: GPU0 });
    rmSync(state, { recursive: true });
    expect(await ask()).toMatchObject({ ok: true });
  });

  test('killed between its files and its state, it is where the state says', async () => {
    const agent = await host.start();
    const client = await Client.open(root);
    const made = await create(client, 'one');
    const state = join(root.path, 'root/state/slices.jsonl');
    const kept = join(root.path, 'before');
    copyFileSync(state, kept);
    expect(
      await client.ask('slice-move', { sliceId: made['sliceId'], revision: 1, gpuUuid: GPU1 }),
    ).toMatchObject({ ok: true });
    await agent.stop('SIGKILL');
    copyFileSync(kept, state); // as if the move had come no further than its files
    await host.start();
    expect(await where()).toEqual({ one: GPU0 });
    expect(page(made['sliceId'])).toMatchObject({ gpuUuid: GPU0, flags: 0 });
  });
});
