/** Links that break: in the middle of a message, for a moment, for five seconds. Nothing is lost, nothing comes twice. */
import { writeFileSync } from 'node:fs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { behindCable, HOST } from './support/breakable-link.ts';
import type { CoreHarness } from './support/core-harness.ts';
import { makeNetns, whyNoNetns } from './support/netns.ts';
import { whyNoSshd } from './support/openssh.ts';
import { requireBuilt } from './support/private-root.ts';
import { bringLive, SshLab } from './support/ssh-lab.ts';

const GIB = 1024 ** 3;
/** From the network's return to live samples. */
const LIVE_AGAIN_MS = 2_000;
const OUTAGE_MS = 5_000;
/** Long enough for several points of the 1 s history. */
const HISTORY_MS = 4_000;

let lab: SshLab;
beforeAll(requireBuilt);
beforeEach(() => {
  lab = new SshLab();
});
afterEach(() => lab.end());

const createSlice = (harness: CoreHarness, name: string) =>
  harness.request('slice:create', {
    hostId: HOST,
    gpuUuid: harness.host(HOST).gpus[0]?.uuid ?? '',
    name,
    memoryLimitBytes: GIB,
    computeLimitPercent: 10,
    computeGuaranteePercent: 0,
    priority: 'normal',
    owner: null,
    expiresAtMs: null,
  });

async function liveAgain(harness: CoreHarness): Promise<void> {
  await harness.untilConnection(HOST, 'live');
  const { length } = harness.sampleLog;
  await harness.until('a sample', () => harness.sampleLog.length > length);
}

/** The history since `fromMs` has a point a second and no second twice; samples neither. */
async function expectWhole(harness: CoreHarness, fromMs: number): Promise<void> {
  await harness.until('there is a history to look at', () => Date.now() - fromMs > HISTORY_MS);
  const toMs = Date.now();
  const { tierMs, points } = await harness.ask('history:get', {
    hostId: HOST,
    gpuUuid: harness.host(HOST).gpus[0]?.uuid ?? '',
    sliceId: null,
    fromMs,
    toMs,
    maxPoints: 500,
  });
  expect(tierMs).toBe(1000);
  const times = points.map(({ atMs }) => atMs);
  const steps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  expect(Math.min(...steps)).toBeGreaterThan(0);
  expect(Math.max(...steps)).toBeLessThan(2 * tierMs);
  expect((times[0] ?? Number.POSITIVE_INFINITY) - fromMs).toBeLessThan(2 * tierMs);
  expect(toMs - (times.at(-1) ?? 0)).toBeLessThan(3 * tierMs);
  const sampled = harness.sampleLog.map(({ atMs }) => atMs);
  expect(new Set(sampled).size).toBe(sampled.length);
  expect([...sampled].sort((a, b) => a - b)).toEqual(sampled);
}

describe.skipIf(whyNoSshd !== null)('a link that is cut in the middle of a message', () => {
  it('loses a request as a whole, and says so', async () => {
    const { cable, harness } = await behindCable(lab);
    const cut = cable.cutInMessage('client');
    const result = await createSlice(harness, 'half');
    await cut;
    expect(result).toMatchObject({ ok: false, error: { code: 'connection-lost' } });
    await liveAgain(harness);
    expect(harness.host(HOST).slices).toEqual([]);
    expect(await createSlice(harness, 'half')).toMatchObject({ ok: true });
    await harness.until('it is there once', () => harness.host(HOST).slices.length === 1);
  });

  it('shows what a request has done whose reply was lost, once', async () => {
    const { cable, harness } = await behindCable(lab);
    const fromMs = Date.now();
    const cut = cable.cutInMessage('server');
    const result = await createSlice(harness, 'whole');
    await cut;
    await liveAgain(harness);
    // A sample may have been what was cut; then the reply came through.
    if (!result.ok) expect(result.error.code).toBe('connection-lost');
    await harness.until('it is there', () => harness.host(HOST).slices.length > 0);
    expect(harness.host(HOST).slices.map(({ name }) => name)).toEqual(['whole']);
    await expectWhole(harness, fromMs);
  });
});

describe.skipIf(whyNoSshd !== null)(`a network that is away for ${String(OUTAGE_MS / 1000)} s`, () => {
  async function outage(
    harness: CoreHarness,
    cable: { pull(): void; plugIn(): void | Promise<void> },
  ): Promise<number> {
    const pulledAtMs = Date.now();
    cable.pull();
    await harness.until('the outage has lasted', () => Date.now() - pulledAtMs >= OUTAGE_MS);
    expect(harness.host(HOST).connection.kind).not.toBe('live');
    await cable.plugIn();
    const backAtMs = Date.now();
    await liveAgain(harness);
    return Date.now() - backAtMs;
  }

  it('and refuses connections meanwhile, is live within 2 s of its return, with the history whole', async () => {
    const { cable, harness } = await behindCable(lab);
    const fromMs = Date.now();
    const tookMs = await outage(harness, cable);
    expect(tookMs).toBeLessThan(LIVE_AGAIN_MS);
    await expectWhole(harness, fromMs);
  });

  it.skipIf(whyNoNetns !== null).each([
    ['and answers nothing, but the connection outlives it', [], 'stale'],
    [
      'and answers nothing, and the connection is given up meanwhile',
      ['ServerAliveInterval 1', 'ServerAliveCountMax 1'],
      'reconnecting',
    ],
  ] as const)('%s: live within 2 s, with the history whole', async (_label, lines, meanwhile) => {
    const netns = await makeNetns();
    lab.onEnd(() => {
      netns.stop();
    });
    const server = await lab.openssh({ netns });
    const harness = await lab.core([
      { name: 'host', server, lines: [`HostName ${netns.address}`, ...lines] },
    ]);
    writeFileSync(lab.knownHosts, `[${netns.address}]:${String(server.port)} ${server.hostKeyLine}\n`);
    await bringLive(harness, HOST);
    const fromMs = Date.now();
    const seen = new Set<string>();
    const watch = harness.until('the outage is noticed', () => {
      seen.add(harness.host(HOST).connection.kind);
      return seen.has(meanwhile);
    });
    const tookMs = await outage(harness, netns);
    await watch;
    expect(tookMs).toBeLessThan(LIVE_AGAIN_MS);
    await expectWhole(harness, fromMs);
  });
});
