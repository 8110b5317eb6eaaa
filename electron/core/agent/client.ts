/** The agent's line protocol over one channel: requests with ids and bounds, events parsed before anyone sees them. */
import type { Duplex } from 'node:stream';
import type { z } from 'zod';
import {
  editReplySchema,
  errorReplySchema,
  helloReplySchema,
  okReplySchema,
  type AgentEvent,
  type EditReply,
  type HelloReply,
  type HistoryEvent,
} from '../../../model/agent-protocol.ts';
import { AGENT_LINE_MAX_BYTES, PROTOCOL_VERSION, REQUEST_LINE_MAX_BYTES } from '../../../model/limits.ts';
import { fail, ok, type Failure, type Result } from '../../../model/errors.ts';
import { plainText } from '../ssh/plain-text.ts';
import { EventGate } from './event-gate.ts';
import { BANNER_TIMEOUT_MS, Greeting } from './greeting.ts';
import { HostClock } from './host-clock.ts';
import { LineReader } from './line-reader.ts';
import { Pace } from './pace.ts';

/** An agent answers within milliseconds; 10 s covers a host that swaps. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Requests in flight: more than a person can cause. */
const PENDING_MAX = 256;
/** Terminals alone may bring 2 MiB a second, a big state 256 KiB. */
const BYTES = { burst: 16 << 20, perSecond: 6 << 20 };

export type Fields = Readonly<Record<string, string | number | boolean | null | undefined>>;

interface Pending {
  readonly resolve: (line: Result<Record<string, unknown>>) => void;
  readonly onReply: ((line: Record<string, unknown>) => void) | undefined;
  readonly timer: NodeJS.Timeout;
}

export interface AgentClientEvents {
  event(event: AgentEvent): void;
  /** Called once. */
  closed(failure: Failure): void;
}

export type Attached =
  /** `lines`: what the script said before it became the agent's channel. */
  | {
      readonly kind: 'agent';
      readonly client: AgentClient;
      readonly hello: HelloReply;
      readonly lines: readonly string[];
    }
  /** The script ended without an agent: its marked lines say what kind of host it is. */
  | { readonly kind: 'missing'; readonly lines: readonly string[] };

export class AgentClient {
  private readonly channel: Duplex;
  private readonly hostName: string;
  private readonly events: AgentClientEvents;
  private readonly gate: EventGate;
  private readonly bytes = new Pace(BYTES.burst, BYTES.perSecond);
  private clock = new HostClock(0);
  /** What was refused to nobody's request: why there is no agent. */
  private refusal: string | null = null;
  private resumeTimer: NodeJS.Timeout | null = null;
  private readonly pending = new Map<number, Pending>();
  private readonly history = new Map<number, HistoryEvent[]>();
  private nextId = 1;
  private over: Failure | null = null;

  private constructor(channel: Duplex, hostName: string, events: AgentClientEvents) {
    this.channel = channel;
    this.hostName = hostName;
    this.events = events;
    const hostNowMs = (): number => Date.now() + this.clock.aheadMs;
    this.gate = new EventGate(hostName, hostNowMs, (event) => {
      this.pass(this.clock.here(event));
    });
  }

  /** Waits for the attach banner (or the script's own words), says hello, checks versions. */
  static async attach(
    channel: Duplex & { readonly stderr: NodeJS.ReadableStream },
    options: {
      readonly nonce: string;
      readonly hostName: string;
      readonly clientVersion: string;
      readonly events: AgentClientEvents;
    },
  ): Promise<Result<Attached>> {
    const client = new AgentClient(channel, options.hostName, options.events);
    const greeting = new Greeting(options.nonce, channel.stderr);
    const banner = await client.waitForBanner(greeting);
    if (banner === 'agent') return client.sayHello(options.clientVersion, greeting);
    return banner === 'ended' ? greeting.ended(options.hostName) : { ok: false, error: banner };
  }

  /** Reads the greeting until the agent's banner, and from then on the agent's lines. */
  private waitForBanner(greeting: Greeting): Promise<'agent' | 'ended' | Failure> {
    const { channel, hostName } = this;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        resolve(greeting.timedOut(hostName));
        this.shut({ code: 'timed-out', message: 'the agent did not answer', detail: null });
      }, BANNER_TIMEOUT_MS);
      const settle = (value: 'agent' | 'ended' | Failure): void => {
        clearTimeout(timer);
        resolve(value);
      };
      const giveUp = (failure: Failure): void => {
        settle(failure);
        this.shut(failure);
      };
      const take = this.lineTaker(greeting, () => settle('agent'), giveUp);
      channel.on('data', take);
      channel.on('error', () => undefined); // 'close' follows and tells
      // The far side has said all it will say: ending ours too brings the 'close'.
      channel.on('end', () => channel.end());
      channel.on('close', () => {
        settle('ended');
        this.shut(this.endedFailure(greeting));
      });
    });
  }

  /** What is done with each chunk of the channel. `isThere` is called at the banner, `giveUp` when no more may be read. */
  private lineTaker(
    greeting: Greeting,
    isThere: () => void,
    giveUp: (failure: Failure) => void,
  ): (chunk: Buffer) => void {
    // What login files print may have any form; only the agent's lines have a bound of their own.
    const reader = new LineReader(AGENT_LINE_MAX_BYTES, true);
    let live = false;
    const takeLine = (line: string): void => {
      if (live) {
        this.receive(line);
      } else if (greeting.endsWith(line)) {
        live = true;
        reader.strict();
        isThere();
      }
    };
    return (chunk) => {
      if (live) this.slowDown(chunk.length);
      else if (!greeting.hasRoomFor(chunk.length)) {
        giveUp(greeting.endless(this.hostName));
        return;
      }
      let lines: readonly string[];
      try {
        lines = reader.push(chunk);
      } catch (error) {
        giveUp({
          code: 'agent-protocol-error',
          message: `The agent on ${this.hostName} sent a line beyond all bounds, so the session was ended. Programs there go on; reconnecting.`,
          detail: String(error),
        });
        return;
      }
      lines.forEach(takeLine);
    };
  }

  private endedFailure(greeting: Greeting): Failure {
    const why = greeting.lastError;
    return {
      code: 'connection-lost',
      message: `The agent session on ${this.hostName} ended${why === '' ? '' : ` (${why})`}. Programs there go on with their last limits; reconnecting.`,
      detail: greeting.errors,
    };
  }

  /** Agrees with the agent on a version of the protocol, and reads its clock. */
  private async sayHello(clientVersion: string, greeting: Greeting): Promise<Result<Attached>> {
    const sentAtMs = Date.now();
    const hello = await this.request(
      'hello',
      {
        protocolMin: PROTOCOL_VERSION,
        protocolMax: PROTOCOL_VERSION,
        client: `tranche-desktop ${clientVersion}`,
      },
      helloReplySchema,
    );
    if (!hello.ok) {
      this.close();
      return this.noHello(hello, greeting);
    }
    this.clock = HostClock.measured(hello.value.hostTimeMs, sentAtMs, Date.now());
    return ok({ kind: 'agent', client: this, hello: hello.value, lines: greeting.marked });
  }

  /** Why there was no hello, for a person: the two reasons that the reply alone does not tell get a sentence. */
  private noHello(
    hello: { readonly ok: false; readonly error: Failure },
    greeting: Greeting,
  ): Result<Attached> {
    const why = this.refusal ?? greeting.lastError;
    if (hello.error.code === 'connection-lost')
      return fail(
        'agent-start-failed',
        `The agent on ${this.hostName} ended before it answered${why === '' ? '' : `: ${why}`} Programs there are not affected; connect again once that is mended.`,
        greeting.errors,
      );
    if (hello.error.code === 'protocol-mismatch')
      return fail(
        'agent-version-mismatch',
        `The agent that manages ${this.hostName} speaks another version of the protocol. Nothing was changed; upgrade it, or this app.`,
        hello.error.message,
      );
    return hello;
  }

  /** By how much the host's clock is ahead of this computer's, in ms. All times that pass here are this computer's. */
  get clockAheadMs(): number {
    return this.clock.aheadMs;
  }

  /**
   * Sends one request and waits for its reply, which must match `schema`. `onReply` hears of one that does before any
   * event that came after it: a promise would tell later.
   */
  async request<S extends z.ZodType>(
    op: string,
    fields: Fields,
    schema: S,
    onReply?: (value: z.infer<S>) => void,
  ): Promise<Result<z.infer<S>>> {
    if (this.over) return { ok: false, error: this.over };
    if (this.pending.size >= PENDING_MAX)
      return fail(
        'busy',
        `${this.hostName} has ${String(PENDING_MAX)} requests waiting. This one was not sent; try again.`,
      );
    const id = this.nextId++;
    const line = `${JSON.stringify({ id, op, ...this.clock.there(fields) })}\n`;
    if (Buffer.byteLength(line) > REQUEST_LINE_MAX_BYTES)
      return fail('line-too-long', `That request to ${this.hostName} is too long. Nothing was changed.`);
    const reply = await new Promise<Result<Record<string, unknown>>>((resolve) => {
      const timer = setTimeout(() => {
        this.pending.delete(id);
        resolve(
          fail(
            'timed-out',
            `The agent on ${this.hostName} did not answer “${op}” within ${String(REQUEST_TIMEOUT_MS / 1000)} s. It may or may not have taken effect; the screen shows what the agent says.`,
          ),
        );
      }, REQUEST_TIMEOUT_MS);
      const inTurn = (line: Record<string, unknown>): void => {
        const value = schema.safeParse(line);
        if (value.success) onReply?.(this.clock.here(value.data));
      };
      this.pending.set(id, { resolve, timer, onReply: onReply === undefined ? undefined : inTurn });
      this.channel.write(line);
    });
    if (!reply.ok) return reply;
    const parsed = schema.safeParse(reply.value);
    if (parsed.success) return ok(this.clock.here(parsed.data));
    return fail(
      'agent-protocol-error',
      `The agent on ${this.hostName} answered “${op}” with something that is no answer. What it did is shown by its next state.`,
      parsed.error.message.slice(0, 1000),
    );
  }

  edit(op: string, fields: Fields): Promise<Result<EditReply>> {
    return this.request(op, fields, editReplySchema);
  }

  /** Collects the chunks that answer a `history` request. */
  async fetchHistory(fields: Fields): Promise<Result<readonly HistoryEvent[]>> {
    const id = this.nextId; // request() takes this id synchronously
    this.history.set(id, []);
    const reply = await this.request('history', fields, okReplySchema);
    const chunks = this.history.get(id) ?? [];
    this.history.delete(id);
    return reply.ok ? ok(chunks) : reply;
  }

  /** `why`: what the requests that are under way are told; by default that it was ended here. */
  close(why: Failure = { code: 'cancelled', message: 'The session was closed here.', detail: null }): void {
    this.shut(why);
  }

  private shut(failure: Failure): void {
    if (this.over) return;
    this.over = failure;
    this.gate.close();
    if (this.resumeTimer) clearTimeout(this.resumeTimer);
    for (const { resolve, timer } of this.pending.values()) {
      clearTimeout(timer);
      resolve({ ok: false, error: failure });
    }
    this.pending.clear();
    this.channel.destroy();
    this.events.closed(failure);
  }

  private receive(line: string): void {
    if (line.trim() === '') return;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      this.shut({
        code: 'agent-protocol-error',
        message: `The agent on ${this.hostName} sent a line that is not JSON, so the session was ended. Programs there go on; reconnecting.`,
        detail: line.slice(0, 400),
      });
      return;
    }
    if (typeof value !== 'object' || value === null) return;
    if ('ev' in value) this.gate.take(value);
    else this.receiveReply(value as Record<string, unknown>);
  }

  private pass(event: AgentEvent): void {
    if (event.ev === 'history') this.history.get(event.id)?.push(event);
    else this.events.event(event);
  }

  /** A host that sends without end is read no faster than this; the rest waits there. */
  private slowDown(chunkBytes: number): void {
    if (this.bytes.take(performance.now(), chunkBytes) || this.resumeTimer) return;
    this.channel.pause();
    this.resumeTimer = setTimeout(() => {
      this.resumeTimer = null;
      this.channel.resume();
    }, this.bytes.waitMs(chunkBytes));
  }

  private receiveReply(value: Record<string, unknown>): void {
    const id = value['id'];
    const pending = typeof id === 'number' ? this.pending.get(id) : undefined;
    if (!pending || typeof id !== 'number') {
      const refused = errorReplySchema.safeParse(value);
      if (refused.success && refused.data.id === null) this.refusal = plainText(refused.data.message);
      return;
    }
    this.pending.delete(id);
    clearTimeout(pending.timer);
    if (value['ok'] === true) {
      pending.onReply?.(value);
      pending.resolve(ok(value));
      return;
    }
    const error = errorReplySchema.safeParse(value);
    pending.resolve(
      error.success
        ? fail(error.data.code, error.data.message)
        : fail(
            'agent-protocol-error',
            `The agent on ${this.hostName} refused without saying why. Nothing is known to have changed.`,
            JSON.stringify(value).slice(0, 400),
          ),
    );
  }
}
