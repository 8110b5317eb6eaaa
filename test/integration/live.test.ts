/** Core → SSH → real agent → real shim → simulated GPU: limits that change under a running program, and who may do what. */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { goLive, startLiveHost, type LiveHost, type LiveHostOptions } from './support/live-host.ts';
import { whyNoSshd } from './support/openssh.ts';
import { killProcessesIn, requireBuilt, workload } from './support/private-root.ts';

const GIB = 1024 ** 3;
beforeAll(requireBuilt);

async function live(options: LiveHostOptions = {}): Promise<LiveHost> {
  const host = await startLiveHost(options);
  onTestFinished(() => host.stop());
  await goLive(host);
  return host;
}

const create = async ({ harness, hostId }: LiveHost, name: string, gib: number, computeLimitPercent = 100) =>
  harness.ask('slice:create', {
    hostId,
    gpuUuid: harness.host(hostId).gpus[0]?.uuid ?? '',
    name,
    memoryLimitBytes: gib * GIB,
    computeLimitPercent,
    computeGuaranteePercent: 0,
    priority: 'normal',
    owner: null,
    expiresAtMs: null,
  });

function run(host: LiveHost, slice: string, ...args: readonly string[]): ChildProcess {
  const command = ['run', '--slice', slice, '--', workload, ...args];
  return spawn(join(host.root.path, 'bin/current/tranche'), command, { env: host.root.env, stdio: 'ignore' });
}

const reading = ({ harness, hostId }: LiveHost, sliceId: string) =>
  harness.samples.get(hostId)?.slices.find(({ id }) => id === sliceId);
const revisionOf = (host: LiveHost, sliceId: string): number => slice(host, sliceId)?.revision ?? -1;
const slice = ({ harness, hostId }: LiveHost, sliceId: string) =>
  harness.host(hostId).slices.find(({ id }) => id === sliceId);

it('is moved with its history, held to a quota, counted in hours, and its GPU’s errors are told', async () => {
  const host = await live();
  const { harness, hostId, root } = host;
  const { sliceId } = await create(host, 'one', 8);
  const program = run(host, 'one', 'heavy', '--seconds', '60');
  const [first, second] = harness.host(hostId).gpus;
  await harness.until('GPU time is used', () => (reading(host, sliceId)?.computeUsedTenths ?? 0) > 100);
  const move = () =>
    harness.request('slice:move', {
      hostId,
      sliceId,
      revision: revisionOf(host, sliceId),
      gpuUuid: second?.uuid ?? '',
    });
  expect(await move()).toMatchObject({ ok: false, error: { code: 'slice-in-use' } });
  const owner = slice(host, sliceId)?.owner ?? '';
  let hours: readonly { name: string; usedMs: number }[] = [];
  const deadline = Date.now() + 15_000;
  while (!hours.some(({ name, usedMs }) => name === owner && usedMs > 0) && Date.now() < deadline) {
    hours = await harness.ask('hours:get', { hostId, days: 1 });
  }
  expect(hours.find(({ name }) => name === owner)?.usedMs).toBeGreaterThan(0);

  program.kill('SIGKILL');
  await harness.until('nobody is in it', () => reading(host, sliceId)?.processCount === 0);
  const moved = await move();
  expect(moved).toMatchObject({ ok: true, value: { sliceId } });
  await harness.until('it is on the other GPU', () => slice(host, sliceId)?.gpuUuid === second?.uuid);
  const now = Date.now();
  const history = await harness.ask('history:get', {
    hostId,
    gpuUuid: null,
    sliceId,
    fromMs: now - 60_000,
    toMs: now,
    maxPoints: 200,
  });
  expect(history.points.some(({ computeTenths }) => (computeTenths ?? 0) > 100)).toBe(true);

  const quota = { hostId, subject: owner, memoryBytesMax: 10 * GIB, slicesMax: null, remove: false };
  await harness.ask('quota:set', quota);
  await harness.until('the quota is shown', () => harness.host(hostId).quotas.length === 1);
  expect(harness.host(hostId).people.find(({ name }) => name === owner)?.quota).toBe(owner);
  const wanted = {
    hostId,
    gpuUuid: first?.uuid ?? '',
    name: 'two',
    memoryLimitBytes: 4 * GIB,
    computeLimitPercent: 10,
    computeGuaranteePercent: 0,
    priority: 'normal',
    owner: null,
    expiresAtMs: null,
  } as const;
  expect(await harness.request('slice:create', wanted)).toMatchObject({
    ok: false,
    error: { code: 'quota-exceeded' },
  });
  expect(await harness.request('slice:create', { ...wanted, overQuota: true })).toMatchObject({ ok: true });

  writeFileSync(join(root.env['TRANCHE_SIM_DIR'] ?? '', 'xid'), '1 79\n');
  await harness.until('the error is shown', () => harness.host(hostId).gpus[1]?.faults?.[0]?.code === 79);
  expect(harness.host(hostId).gpus[0]?.faults).toEqual([]);
});

describe.each(['embedded', 'openssh'] as const)('a live slice over the %s server', (server) => {
  it.skipIf(server === 'openssh' && whyNoSshd !== null)(
    'is met by its program when it grows and when it shrinks, and kills nothing',
    async () => {
      const host = await live({ server });
      const { harness, hostId } = host;
      const { sliceId } = await create(host, 'greedy', 8);
      const program = run(host, 'greedy', 'greedy', '--memory', String(40 * GIB));
      const used = () => reading(host, sliceId)?.ledgerBytes ?? 0;
      await harness.until('the program fills its slice', () => used() > 6 * GIB);
      expect(used()).toBeLessThanOrEqual(8 * GIB);
      await harness.until('a denial is told', () => (reading(host, sliceId)?.deniedAllocations ?? 0) > 0);

      await harness.ask('slice:resize', {
        hostId,
        sliceId,
        revision: null,
        memoryLimitBytes: 16 * GIB,
        belowUse: 'when-it-drops',
      });
      await harness.until('the program takes what it was given', () => used() > 9 * GIB);
      expect(used()).toBeLessThanOrEqual(16 * GIB);

      await harness.ask('slice:resize', {
        hostId,
        sliceId,
        revision: null,
        memoryLimitBytes: 4 * GIB,
        belowUse: 'when-it-drops',
      });
      await harness.until('use drops below the new limit', () => used() <= 4 * GIB);
      await harness.until(
        'nothing is pending any more',
        () =>
          slice(host, sliceId)?.memoryLimitBytes === 4 * GIB &&
          slice(host, sliceId)?.pendingMemoryLimitBytes === null,
      );
      expect(program.exitCode).toBeNull();

      const refused = await harness.request('slice:delete', {
        hostId,
        sliceId,
        revision: revisionOf(host, sliceId),
        withProcesses: false,
      });
      expect(refused).toMatchObject({ ok: false, error: { code: 'slice-in-use' } });
      program.kill('SIGKILL');
      await harness.until(
        'its memory is given back',
        () => used() === 0 && reading(host, sliceId)?.processCount === 0,
      );
      await harness.ask('slice:delete', {
        hostId,
        sliceId,
        revision: revisionOf(host, sliceId),
        withProcesses: false,
      });
      await harness.until('the slice is gone', () => slice(host, sliceId) === undefined);
    },
  );
});

describe('edits', () => {
  it('are undone by compare-and-swap, and say who came between', async () => {
    const host = await live();
    const { harness, hostId } = host;
    const { sliceId } = await create(host, 'mine', 8);
    const grown = await harness.ask('slice:resize', {
      hostId,
      sliceId,
      revision: null,
      memoryLimitBytes: 10 * GIB,
      belowUse: 'refuse',
    });
    const stale = await harness.request('slice:rename', {
      hostId,
      sliceId,
      revision: grown.revision - 1,
      name: 'other',
    });
    expect(stale).toMatchObject({ ok: false, error: { code: 'changed-since' } });
    await harness.ask('slice:undo', { hostId, undoToken: grown.undoToken });
    await harness.until('the old limit is back', () => slice(host, sliceId)?.memoryLimitBytes === 8 * GIB);
    await harness.until('the undo is seen', () => (slice(host, sliceId)?.revision ?? 0) > grown.revision);
    const renamed = await harness.ask('slice:rename', {
      hostId,
      sliceId,
      revision: revisionOf(host, sliceId),
      name: 'other',
    });
    await harness.ask('slice:rename', { hostId, sliceId, revision: renamed.revision, name: 'third' });
    expect(await harness.request('slice:undo', { hostId, undoToken: renamed.undoToken })).toMatchObject({
      ok: false,
      error: { code: 'changed-since' },
    });
    await harness.until('the third name is seen', () => slice(host, sliceId)?.name === 'third');
    const deleted = await harness.ask('slice:delete', {
      hostId,
      sliceId,
      revision: revisionOf(host, sliceId),
      withProcesses: false,
    });
    await harness.ask('slice:undo', { hostId, undoToken: deleted.undoToken });
    await harness.until('the slice is back under its id', () => slice(host, sliceId)?.name === 'third');
  });

  it('are kept in an audit that comes live and in pages', async () => {
    const host = await live();
    const { harness, hostId } = host;
    const { sliceId } = await create(host, 'watched', 8);
    await create(host, 'other', 4);
    for (const gib of [9, 10, 11]) {
      await harness.ask('slice:resize', {
        hostId,
        sliceId,
        revision: null,
        memoryLimitBytes: gib * GIB,
        belowUse: 'when-it-drops',
      });
    }
    await harness.until('the last edit is told', () =>
      harness.audit.some((r) => r.after?.memoryLimitBytes === 11 * GIB),
    );
    expect(harness.audit.map((record) => record.action)).toEqual([
      'slice-create',
      'slice-create',
      'slice-resize',
      'slice-resize',
      'slice-resize',
    ]);
    const page = await harness.ask('audit:get', { hostId, sliceId, beforeSeq: null, maxRecords: 3 });
    expect(page.records).toMatchObject([
      {
        action: 'slice-resize',
        before: { memoryLimitBytes: 10 * GIB },
        after: { memoryLimitBytes: 11 * GIB },
      },
      { before: { memoryLimitBytes: 9 * GIB } },
      { before: { memoryLimitBytes: 8 * GIB } },
    ]);
    const rest = await harness.ask('audit:get', {
      hostId,
      sliceId,
      beforeSeq: page.nextBeforeSeq,
      maxRecords: 3,
    });
    expect(rest).toMatchObject({ records: [{ action: 'slice-create', before: null }], nextBeforeSeq: null });
  });

  it('survive a killed agent, and so does the undo', async () => {
    const host = await live();
    const { harness, hostId } = host;
    const { sliceId, undoToken } = await create(host, 'kept', 8);
    host.dropAll();
    killProcessesIn(host.root.path);
    await harness.untilConnection(hostId, 'reconnecting');
    await harness.untilConnection(hostId, 'live');
    await harness.until('the slice is there', () => slice(host, sliceId)?.name === 'kept');
    await harness.ask('slice:undo', { hostId, undoToken });
    await harness.until('its creation is undone', () => slice(host, sliceId) === undefined);
  });

  it.each([
    ['a limit of zero', { memoryLimitBytes: 0 }, 'memory-limit-too-small'],
    ['a limit above the GPU', { memoryLimitBytes: 81 * GIB }, 'memory-limit-exceeds-gpu'],
    ['a share of zero', { computeLimitPercent: 0 }, 'compute-limit-out-of-range'],
    [
      'a guarantee above the limit',
      { computeGuaranteePercent: 60, computeLimitPercent: 50 },
      'guarantee-exceeds-limit',
    ],
  ])('refuse %s in a sentence and change nothing', async (_label, change, code) => {
    const host = await live();
    const { harness, hostId } = host;
    const { sliceId, revision } = await create(host, 'firm', 8);
    const refused = await harness.request('slice:resize', {
      hostId,
      sliceId,
      revision: null,
      belowUse: 'refuse',
      ...change,
    });
    expect(refused).toMatchObject({ ok: false, error: { code } });
    if (!refused.ok) expect(refused.error.message).toMatch(/\.$/);
    expect(slice(host, sliceId)).toMatchObject({ memoryLimitBytes: 8 * GIB, revision });
  });
});

describe('coming back', () => {
  it('finds the graph filled from before it was connected', async () => {
    const host = await live();
    const { harness, hostId } = host;
    const { sliceId } = await create(host, 'past', 8);
    run(host, 'past', 'notebook', '--memory', String(2 * GIB));
    await harness.until('the program is seen', () => (reading(host, sliceId)?.ledgerBytes ?? 0) >= 2 * GIB);
    await harness.ask('host:disconnect', { hostId });
    const left = Date.now();
    await harness.until('three seconds pass with nobody connected', () => Date.now() - left > 3000);
    await harness.ask('host:connect', { hostId });
    await harness.untilConnection(hostId, 'live');
    const history = await harness.ask('history:get', {
      hostId,
      gpuUuid: null,
      sliceId,
      fromMs: left - 60_000,
      toMs: Date.now(),
      maxPoints: 500,
    });
    expect(history.tierMs).toBe(1000);
    const meanwhile = history.points.filter(({ atMs }) => atMs > left && atMs < left + 3000);
    expect(meanwhile.length).toBeGreaterThanOrEqual(2);
    for (const point of meanwhile) expect(point.memoryUsedBytes).toBeGreaterThanOrEqual(2 * GIB);
  });
});
