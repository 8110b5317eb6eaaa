import { PassThrough, Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { AgentEvent } from '../../../model/agent-protocol.ts';
import { okReplySchema } from '../../../model/agent-protocol.ts';
import type { Failure } from '../../../model/errors.ts';
import { AgentClient } from '../../../electron/core/agent/client.ts';
import { LineReader, LineTooLongError } from '../../../electron/core/agent/line-reader.ts';

const HELLO = {
  ok: true,
  protocol: 1,
  agentVersion: '0.1.0',
  regionAbi: 1,
  arch: 'x86_64',
  hostName: 'h',
  machineId: 'm',
  bootId: 'b',
  scope: 'user',
  managerUid: 1000,
  managerName: 'mira',
  yourUid: 1000,
  yourName: 'mira',
  operator: true,
  driver: null,
  gpuNote: null,
  simulated: false,
  runtimeDir: '/r',
  shimPath: null,
};

/** The far end of a channel: what the client writes comes out of `sent`, what the test says goes in by `say`. */
function fakeChannel() {
  const fromAgent = new PassThrough();
  const toAgent = new PassThrough();
  const channel = Object.assign(Duplex.from({ readable: fromAgent, writable: toAgent }), {
    stderr: new PassThrough(),
  });
  const sent: Record<string, unknown>[] = [];
  let waiting: (() => void) | null = null;
  toAgent.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().split('\n').filter(Boolean))
      sent.push(JSON.parse(line) as Record<string, unknown>);
    waiting?.();
  });
  return {
    channel,
    say: (text: string) => fromAgent.write(text),
    end: () => fromAgent.end(),
    /** The next request the client sends. */
    async request(): Promise<Record<string, unknown>> {
      while (sent.length === 0) {
        await new Promise<void>((resolve) => {
          waiting = resolve;
        });
      }
      return sent.shift() ?? {};
    },
  };
}

async function attached(more: object = {}) {
  const far = fakeChannel();
  const events: AgentEvent[] = [];
  let closed: (failure: Failure) => void = () => undefined;
  const over = new Promise<Failure>((resolve) => {
    closed = resolve;
  });
  const attaching = AgentClient.attach(far.channel, {
    nonce: 'n1',
    hostName: 'hopper',
    clientVersion: '0.1.0',
    events: {
      event: (event) => events.push(event),
      closed,
    },
  });
  far.say('Welcome to hopper!\n{"ev":"not for you"}\nTRANCHE-ATTACH n1\n');
  const hello = await far.request();
  far.say(`${JSON.stringify({ id: hello['id'], ...HELLO, ...more })}\n`);
  const result = await attaching;
  if (!result.ok || result.value.kind !== 'agent') throw new Error(JSON.stringify(result));
  return { far, events, over, client: result.value.client, hello: result.value.hello };
}

describe('AgentClient', () => {
  it('skips a banner, says hello, passes events on', async () => {
    const { far, events, client } = await attached();
    const asked = client.request('subscribe', { sampleIntervalMs: 500 }, okReplySchema);
    const { id, op } = await far.request();
    expect(op).toBe('subscribe');
    far.say(
      `{"id":${String(id)},"ok":true}\n{"ev":"from-the-future"}\n{"ev":"state","revision":1,"gpus":[],"slices":[],"people":[]}\n`,
    );
    expect(await asked).toMatchObject({ ok: true });
    await expect.poll(() => events).toMatchObject([{ ev: 'state', revision: 1 }]);
  });

  it('gives back what the agent refuses, word for word', async () => {
    const { far, client } = await attached();
    const asked = client.edit('slice-resize', { sliceId: 's-1', memoryLimitBytes: 1 });
    const { id } = await far.request();
    far.say(
      `{"id":${String(id)},"ok":false,"code":"memory-limit-too-small","message":"Too small; nothing was changed."}\n`,
    );
    expect(await asked).toEqual({
      ok: false,
      error: { code: 'memory-limit-too-small', message: 'Too small; nothing was changed.', detail: null },
    });
  });

  it.each([
    ['is not JSON', 'oh no\n'],
    ['is longer than any line may be', `{"ev":"${'x'.repeat(300 * 1024)}`],
  ])('ends the session when a line %s, and says so', async (_label, line) => {
    const { far, client, over } = await attached();
    const asked = client.request('unsubscribe', {}, okReplySchema);
    await far.request();
    far.say(line);
    expect((await over).code).toBe('agent-protocol-error');
    expect(await asked).toMatchObject({ ok: false, error: { code: 'agent-protocol-error' } });
    expect(await client.request('unsubscribe', {}, okReplySchema)).toMatchObject({ ok: false });
  });

  it('does not trust a reply that lacks what was asked for', async () => {
    const { far, client } = await attached();
    const asked = client.edit('slice-create', {});
    const { id } = await far.request();
    far.say(`{"id":${String(id)},"ok":true,"sliceId":7}\n`);
    expect(await asked).toMatchObject({ ok: false, error: { code: 'agent-protocol-error' } });
  });

  it('collects the chunks of a history', async () => {
    const { far, client } = await attached();
    const asked = client.fetchHistory({ sliceId: 's-1', fromMs: 0, toMs: 9, maxPoints: 10 });
    const { id } = await far.request();
    const chunk = (atMs: number, last: boolean) =>
      `${JSON.stringify({ ev: 'history', id, sliceId: 's-1', tierMs: 1000, atMs: [atMs], memoryUsedBytes: [1], computeTenths: [null], throttledTenths: [0], memoryLimitBytes: [2], computeLimitPercent: [50], last })}\n`;
    far.say(chunk(1, false) + chunk(2, true) + `{"id":${String(id)},"ok":true,"points":2}\n`);
    const result = await asked;
    expect(result.ok && result.value.map((one) => one.atMs)).toEqual([[1], [2]]);
  });

  it('hands out the script’s words when there is no agent', async () => {
    const far = fakeChannel();
    const attaching = AgentClient.attach(far.channel, {
      nonce: 'n2',
      hostName: 'h',
      clientVersion: '0',
      events: { event: () => undefined, closed: () => undefined },
    });
    far.say('motd\n@tranche n2 system Linux riscv64\n@tranche n2 missing\n');
    far.end();
    expect(await attaching).toEqual({
      ok: true,
      value: { kind: 'missing', lines: ['system Linux riscv64', 'missing'] },
    });
  });

  it('says what a shell printed that got nowhere', async () => {
    const far = fakeChannel();
    const attaching = AgentClient.attach(far.channel, {
      nonce: 'n3',
      hostName: 'h',
      clientVersion: '0',
      events: { event: () => undefined, closed: () => undefined },
    });
    far.say('This account is currently not available.\n');
    far.end();
    expect(await attaching).toMatchObject({
      ok: false,
      error: { detail: expect.stringContaining('not available') as string },
    });
  });

  it('refuses an agent of another protocol with both sides in the detail', async () => {
    const far = fakeChannel();
    const attaching = AgentClient.attach(far.channel, {
      nonce: 'n4',
      hostName: 'h',
      clientVersion: '0',
      events: { event: () => undefined, closed: () => undefined },
    });
    far.say('TRANCHE-ATTACH n4\n');
    const { id } = await far.request();
    far.say(`{"id":${String(id)},"ok":false,"code":"protocol-mismatch","message":"I speak 7."}\n`);
    expect(await attaching).toMatchObject({
      ok: false,
      error: { code: 'agent-version-mismatch', detail: 'I speak 7.' },
    });
  });
});

describe('LineReader', () => {
  it('joins lines over chunks and characters over bytes', () => {
    const reader = new LineReader(100);
    const bytes = Buffer.from('grün\nblau\nro');
    const lines: string[] = [];
    for (const byte of bytes) lines.push(...reader.push(Buffer.from([byte])));
    expect(lines).toEqual(['grün', 'blau']);
    expect(reader.push(Buffer.from('t\n'))).toEqual(['rot']);
  });

  it('holds no more than its cap', () => {
    const reader = new LineReader(10);
    expect(() => reader.push(Buffer.from('x'.repeat(11)))).toThrow(LineTooLongError);
    expect(() => new LineReader(10).push(Buffer.from(`${'x'.repeat(11)}\n`))).toThrow(LineTooLongError);
  });
});

const GPU = {
  uuid: 'GPU-1',
  index: 0,
  name: 'g',
  capacityBytes: 1,
  simulated: false,
  computeMode: null,
  migEnabled: false,
};
const slice = (id: string, more: object = {}) => ({
  id,
  name: id,
  gpuUuid: 'GPU-1',
  memoryLimitBytes: 1,
  pendingMemoryLimitBytes: null,
  computeLimitPercent: 1,
  computeGuaranteePercent: 0,
  priority: 'normal',
  owner: 'o',
  ownerUid: 1,
  createdAtMs: 1,
  startsAtMs: null,
  expiresAtMs: null,
  revision: 1,
  ...more,
});
const state = (revision: number, slices: readonly object[]) =>
  `${JSON.stringify({ ev: 'state', revision, gpus: [GPU], slices, people: [] })}\n`;
/** What is told a moment later has come by then. */
const settled = async (far: Awaited<ReturnType<typeof attached>>) => {
  const asked = far.client.request('subscribe', {}, okReplySchema);
  const { id } = await far.far.request();
  far.far.say(`{"id":${String(id)},"ok":true}\n`);
  await asked;
  await new Promise((resolve) => setTimeout(resolve, 300));
};
const statesOf = (events: readonly AgentEvent[]) =>
  events.flatMap((one) => (one.ev === 'state' ? [one] : []));

describe('what a host claims', () => {
  it('is no state with two slices or GPUs of one id', async () => {
    const session = await attached();
    session.far.say(state(1, [slice('s-1'), slice('s-1')]));
    const twice = { ev: 'state', revision: 2, gpus: [GPU, GPU], slices: [], people: [] };
    session.far.say(`${JSON.stringify(twice)}\n`);
    await settled(session);
    expect(statesOf(session.events)).toEqual([]);
  });

  it('is no slice of a GPU that is not there, and no time beyond the calendar', async () => {
    const session = await attached();
    const lasting = slice('s-1', { expiresAtMs: Number.MAX_SAFE_INTEGER });
    session.far.say(state(1, [lasting, slice('s-2', { gpuUuid: 'GPU-x' })]));
    await settled(session);
    const [told] = statesOf(session.events);
    expect(told?.slices.map(({ id }) => id)).toEqual(['s-1']);
    expect(session.events).toContainEqual(expect.objectContaining({ code: 'slices-without-gpu' }));
    expect(new Date(told?.slices[0]?.expiresAtMs ?? 0).toISOString()).toMatch(/^9999-/);
  });

  it('is no state of before', async () => {
    const session = await attached();
    session.far.say(state(7, [slice('s-1')]));
    await settled(session);
    session.far.say(state(6, []));
    await settled(session);
    expect(statesOf(session.events).map(({ revision }) => revision)).toEqual([7]);
  });

  it('counts by its newest, however often it comes', async () => {
    const session = await attached();
    for (let revision = 1; revision <= 200; revision += 1) session.far.say(state(revision, []));
    await settled(session);
    const revisions = statesOf(session.events).map(({ revision }) => revision);
    expect(revisions.length).toBeLessThan(60);
    expect(revisions.at(-1)).toBe(200);
  });

  it('is told at a pace, with how much was left out', async () => {
    const session = await attached();
    const notice = { ev: 'notice', atMs: 1, code: 'denied', sliceId: null, pid: null, message: 'm' };
    for (let n = 0; n < 5_000; n += 1) session.far.say(`${JSON.stringify(notice)}\n`);
    await expect
      .poll(() => session.events.some((one) => one.ev === 'notice' && one.code === 'notices-omitted'), {
        timeout: 10_000,
      })
      .toBe(true);
    expect(session.events.length).toBeLessThan(200);
    const told = session.events.flatMap((one) => (one.ev === 'notice' ? [one.message] : []));
    expect(told.at(-1)).toMatch(/^hopper sent \d{4} notices more/);
  });
});

describe('a host with another clock', () => {
  const AHEAD_MS = 2 * 3_600_000;

  it('is asked in its time and shown in ours', async () => {
    const session = await attached({ hostTimeMs: Date.now() + AHEAD_MS });
    expect(Math.abs(session.client.clockAheadMs - AHEAD_MS)).toBeLessThan(5_000);
    const inAnHour = Date.now() + 3_600_000;
    const asked = session.client.edit('slice-create', { name: 'a', expiresAtMs: inAnHour, graceMs: 5 });
    const sent = await session.far.request();
    expect(sent).toMatchObject({ expiresAtMs: inAnHour + session.client.clockAheadMs, graceMs: 5 });
    const hostsTime = Number(sent['expiresAtMs']);
    session.far.say(
      `{"id":${String(sent['id'])},"ok":true,"sliceId":"s-1","revision":1,"undoToken":"u","undoExpiresAtMs":${String(hostsTime)}}\n`,
    );
    expect(await asked).toMatchObject({ ok: true, value: { undoExpiresAtMs: inAnHour } });
    session.far.say(state(1, [slice('s-1', { expiresAtMs: hostsTime })]));
    await settled(session);
    expect(statesOf(session.events)[0]?.slices[0]?.expiresAtMs).toBe(inAnHour);
    const history = session.client.fetchHistory({ gpuUuid: 'GPU-1', fromMs: 1, toMs: 2 });
    expect(await session.far.request()).toMatchObject({ fromMs: 1 + session.client.clockAheadMs });
    session.client.close();
    await history;
  });

  it('that differs by what a message takes is taken for the same, as is one that does not say', async () => {
    expect((await attached({ hostTimeMs: Date.now() + 1_500 })).client.clockAheadMs).toBe(0);
    expect((await attached()).client.clockAheadMs).toBe(0);
  });
});

describe('an agent that ends before it answers', () => {
  it.each([
    [
      'with a line of its own',
      '{"id":null,"ok":false,"code":"internal","message":"The state directory cannot be used."}\n',
    ],
    ['with words on stderr', null],
  ])('%s is told by that', async (_label, line) => {
    const far = fakeChannel();
    const attaching = AgentClient.attach(far.channel, {
      nonce: 'n1',
      hostName: 'hopper',
      clientVersion: '0.1.0',
      events: { event: () => undefined, closed: () => undefined },
    });
    far.say('TRANCHE-ATTACH n1\n');
    await far.request();
    if (line === null) far.channel.stderr.write('The state directory cannot be used.\n');
    else far.say(line);
    await new Promise((resolve) => setTimeout(resolve, 20));
    far.end();
    const failure = await attaching;
    expect(failure).toMatchObject({ ok: false, error: { code: 'agent-start-failed' } });
    if (!failure.ok) {
      expect(failure.error.message).toContain('The state directory cannot be used.');
      expect(failure.error.message).not.toMatch(/reconnecting/);
    }
  });

  it('is reached behind login files that print a line without end of their own', async () => {
    const reader = new LineReader(10, true);
    expect(reader.push(Buffer.from('x'.repeat(50)))).toEqual([]);
    expect(reader.push(Buffer.from(`${'x'.repeat(50)}\nshort\n${'y'.repeat(20)}\nlast\n`))).toEqual([
      'short',
      'last',
    ]);
    reader.strict();
    expect(() => reader.push(Buffer.from('z'.repeat(20)))).toThrow(LineTooLongError);
  });
});
