/** The agent's channel of one host: opened over the link, subscribed, watched, ended. What it says goes to the picture. */
import {
  okReplySchema,
  type AgentEvent,
  type AuditEvent,
  type HelloReply,
  type NoticeEvent,
  type SampleEvent,
} from '../../../model/agent-protocol.ts';
import { verbsOf } from '../../../model/rights.ts';
import { fail, ok, type Failure, type Result } from '../../../model/errors.ts';
import type { Sample } from '../../../model/sample.ts';
import type { AgentInfo, DeployProgress } from '../../../model/model.ts';
import { AgentClient } from '../agent/client.ts';
import { commandPathOf } from '../agent/command-path.ts';
import { compareVersions, previousVersion } from '../agent/rollback.ts';
import { newNonce } from '../agent/run-script.ts';
import { attachScript } from '../agent/scripts.ts';
import type { SshConnection } from '../ssh/shell.ts';
import type { HostLink } from './host-link.ts';
import type { HostPicture } from './host-picture.ts';

const SAMPLE_INTERVAL_MS = 500;
/** Nobody looks: enough to notice that a host is gone and to have something to show on return. */
const HIDDEN_SAMPLE_INTERVAL_MS = 30_000;
/** This many missing samples make a host stale. */
const STALE_AFTER_SAMPLES = 3;
const STALE_CHECK_MS = 500;
const CHANNEL_TIMEOUT_MS = 15_000;
/** The state follows the subscription at once; an agent that lacks it is shown all the same. */
const FIRST_STATE_TIMEOUT_MS = 3_000;

export interface HostChannelOptions {
  readonly id: string;
  readonly name: string;
  readonly appVersion: string;
  readonly onSample: (hostId: string, sample: Sample) => void;
  readonly onNotice: (hostId: string, notice: Omit<NoticeEvent, 'ev' | 'pid'>) => void;
  readonly onAudit: (hostId: string, event: AuditEvent) => void;
}

export interface ChannelUser {
  /** There is no agent; `lines` are what the script said of the host. What becomes of it is the attempt's result. */
  missing(connection: SshConnection, lines: readonly string[]): Promise<Result<null>>;
  /** Each event, after it went to the picture. */
  event(event: AgentEvent): void;
}

/** A difference of clocks: minutes, or hours where there are several. */
const inWords = (minutes: number): string =>
  minutes < 120 ? `${String(minutes)} min` : `${String(Math.round(minutes / 60))} h`;

export type Work<T> = (client: AgentClient) => Promise<Result<T>>;
type Explain = (reply: Result<never>, agent: AgentInfo | null, hostName: string) => Result<never>;
type Report = (progress: DeployProgress) => void;

function agentInfo(hello: HelloReply, scriptLines: readonly string[]): AgentInfo {
  const { protocol, arch, hostName, scope, managerUid, managerName, yourUid, yourName } = hello;
  const { driver, gpuNote, simulated, agentVersion: version } = hello;
  return {
    version,
    protocol,
    arch,
    hostName,
    scope,
    managerUid,
    managerName,
    yourUid,
    yourName,
    verbs: verbsOf(hello),
    driver,
    gpuNote,
    simulated,
    commandPath: commandPathOf(hello.shimPath),
    previous: managerUid === yourUid ? previousVersion(scriptLines, { version, arch }) : null,
  };
}

export class HostChannel {
  private readonly options: HostChannelOptions;
  private readonly picture: HostPicture;
  private readonly link: HostLink;
  private readonly user: ChannelUser;
  private client: AgentClient | null = null;
  private info: AgentInfo | null = null;
  private staleTimer: NodeJS.Timeout | null = null;
  private lastSampleAt = 0;
  private toldClockMinutes = 0;
  private onState: (() => void) | null = null;
  private visible = true;

  constructor(options: HostChannelOptions, picture: HostPicture, link: HostLink, user: ChannelUser) {
    this.options = options;
    this.picture = picture;
    this.link = link;
    this.user = user;
  }

  /** What the agent said of itself the last time; null if there never was one. */
  get agent(): AgentInfo | null {
    return this.info;
  }

  get isOpen(): boolean {
    return this.client !== null;
  }

  setVisible(visible: boolean): void {
    if (this.visible === visible) return;
    this.visible = visible;
    if (this.client) void this.subscribe(this.client);
  }

  /** What is asked of the agent, if there is one. `explain`: what its refusal means, where not every agent knows that. */
  async ask<T>(work: Work<T>, explain?: Explain): Promise<Result<T>> {
    if (!this.client) return this.notLive();
    const reply = await work(this.client);
    return reply.ok || !explain ? reply : explain(reply, this.info, this.options.name);
  }

  notLive(): Result<never> {
    return fail(
      'not-connected',
      `${this.options.name} is not connected, so nothing was changed there. Connect and try again.`,
    );
  }

  /** Opens the channel and follows the agent. */
  async attach(connection: SshConnection, report: Report = () => undefined): Promise<Result<null>> {
    const nonce = newNonce();
    const channel = await connection.openScript(attachScript(nonce), CHANNEL_TIMEOUT_MS);
    if (!channel.ok) return channel;
    let mine: AgentClient | null = null;
    const attached = await AgentClient.attach(channel.value, {
      nonce,
      hostName: this.options.name,
      clientVersion: this.options.appVersion,
      events: {
        event: (event) => {
          this.receive(event);
        },
        closed: (failure) => {
          if (mine === null || this.client !== mine) return;
          // SSH may be fine: attaching again starts the agent if it died.
          this.detach();
          this.link.remake(connection, failure);
        },
      },
    });
    if (this.link.connection !== connection) return this.cancelled();
    if (!attached.ok) return attached;
    if (attached.value.kind === 'missing') return this.user.missing(connection, attached.value.lines);
    const { client, hello, lines } = attached.value;
    mine = client;
    report({ step: 'start', state: 'done', detail: null });
    report({ step: 'hello', state: 'done', detail: `agent ${hello.agentVersion}` });
    this.client = client;
    if (this.info?.version !== hello.agentVersion) this.picture.forgetJobs();
    this.info = agentInfo(hello, lines);
    this.link.reached();
    this.tellClock(client.clockAheadMs);
    return this.follow(client);
  }

  /** Said once for each difference: times on screen are this computer's, and the host's own tools show others. */
  private tellClock(aheadMs: number): void {
    const minutes = Math.round(aheadMs / 60_000);
    if (minutes === this.toldClockMinutes) return;
    this.toldClockMinutes = minutes;
    if (minutes === 0) return;
    const { id, name, onNotice } = this.options;
    const message = `The clock of ${name} is ${inWords(Math.abs(minutes))} ${minutes > 0 ? 'ahead of' : 'behind'} this computer's. Times are shown in this computer's; what ends there ends when it says here.`;
    onNotice(id, { atMs: Date.now(), code: 'clock', sliceId: null, gpuUuid: null, message });
  }

  /** Live means that there is something to show: not a host without GPUs for the blink of an eye. */
  private async follow(client: AgentClient): Promise<Result<null>> {
    const firstState = new Promise<void>((resolve) => {
      this.onState = resolve;
    });
    const subscribed = await this.subscribe(client);
    if (!subscribed.ok) return subscribed;
    let timer: NodeJS.Timeout | undefined;
    const bound = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FIRST_STATE_TIMEOUT_MS);
    });
    await Promise.race([firstState, bound]);
    clearTimeout(timer);
    if (this.client !== client) return this.cancelled();
    this.lastSampleAt = Date.now();
    this.goLive();
    this.staleTimer = setInterval(() => {
      this.checkStale();
    }, STALE_CHECK_MS);
    return ok(null);
  }

  /** Asks our agent to leave. Its channel then ends, which is no loss: the client is taken out before. */
  async retire(reason: string): Promise<Result<unknown>> {
    const client = this.client;
    if (!client) return ok(null);
    this.client = null;
    const left = await client.request('shutdown', { reason }, okReplySchema);
    if (!left.ok && left.error.code !== 'connection-lost') {
      this.client = client;
      return left;
    }
    this.detach();
    client.close();
    return ok(null);
  }

  /** `lost`: requests under way are told that nobody knows whether they took effect. */
  detach(lost?: Failure): void {
    const client = this.client;
    this.client = null;
    if (this.staleTimer) clearInterval(this.staleTimer);
    this.staleTimer = null;
    client?.close(
      lost && {
        code: 'connection-lost',
        message: `The connection to ${this.options.name} broke before its answer came. It may or may not have taken effect; once connected again, the screen shows what the agent says.`,
        detail: lost.message,
      },
    );
  }

  private cancelled(): Result<never> {
    return fail('cancelled', `Connecting to ${this.options.name} was cancelled.`);
  }

  private get sampleIntervalMs(): number {
    return this.visible ? SAMPLE_INTERVAL_MS : HIDDEN_SAMPLE_INTERVAL_MS;
  }

  private subscribe(client: AgentClient): Promise<Result<unknown>> {
    return client.request('subscribe', { sampleIntervalMs: this.sampleIntervalMs }, okReplySchema);
  }

  private receive(event: AgentEvent): void {
    const { id, onNotice, onAudit } = this.options;
    if (event.ev === 'state') {
      this.picture.applyState(event);
      this.onState?.();
    }
    if (event.ev === 'sample') this.receiveSample(event);
    if (event.ev === 'notice') onNotice(id, event);
    if (event.ev === 'audit') onAudit(id, event);
    if (event.ev === 'jobs') this.picture.applyJobs(event);
    this.user.event(event);
  }

  private receiveSample(event: SampleEvent): void {
    this.lastSampleAt = Date.now();
    const sample = this.picture.applySample(event);
    if (this.picture.connection.kind === 'stale') this.goLive();
    this.options.onSample(this.options.id, sample);
  }

  private goLive(): void {
    const { info } = this;
    if (!info) return;
    this.link.live();
    const isOlder = compareVersions(info.version, this.options.appVersion) < 0;
    const mayUpgrade = isOlder && info.managerUid === info.yourUid;
    const upgradeTo = mayUpgrade ? this.options.appVersion : null;
    this.picture.setConnection({ kind: 'live', agent: info, upgradeTo });
  }

  private checkStale(): void {
    const { info } = this;
    const { connection, lastSample } = this.picture.current;
    const silentMs = Date.now() - this.lastSampleAt;
    if (!info || connection.kind !== 'live' || silentMs <= this.sampleIntervalMs * STALE_AFTER_SAMPLES)
      return;
    this.picture.setConnection({ kind: 'stale', agent: info, lastSampleAtMs: lastSample?.atMs ?? null });
  }
}
