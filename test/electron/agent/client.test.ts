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

async function attached() {
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
  far.say(`${JSON.stringify({ id: hello['id'], ...HELLO })}\n`);
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
