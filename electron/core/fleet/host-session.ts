/** One host: connect, look, deploy, follow its agent, reconnect. Owns the host's snapshot and nothing else. */
import type {
  AuditEvent,
  HelloReply,
  JobsEvent,
  SampleEvent,
  StateEvent,
  NoticeEvent,
} from '../../../model/agent-protocol.ts';
import {
  auditReplySchema,
  hoursReplySchema,
  jobLogReplySchema,
  jobStartReplySchema,
  okReplySchema,
} from '../../../model/agent-protocol.ts';
import { fail, ok, type Failure, type Result } from '../../../model/errors.ts';
import type { CoreEvent } from '../../../model/ipc.ts';
import type {
  AgentInfo,
  AuditPage,
  ConnectionState,
  DeployProgress,
  History,
  HistoryPoint,
  HostSnapshot,
  PersonHours,
  JobLogPart,
  Sample,
  SliceEdit,
  TransportChoice,
  VersionFacts,
} from '../../../model/model.ts';
import { AgentClient, type Fields } from '../agent/client.ts';
import { checkSystem, deploy, DEPLOY_STEPS, linkCommand, newNonce, removeAgent } from '../agent/deploy.ts';
import { checkVersion, previousVersion, turnLink } from '../agent/rollback.ts';
import { explainJobs } from '../agent/jobs.ts';
import { parsePreview } from '../agent/preview.ts';
import { attachScript, markedLines, previewScript } from '../agent/scripts.ts';
import { openConnection, type OpenOutcome } from '../ssh/connection.ts';
import type { JumpPool } from '../ssh/jump-pool.ts';
import { aroundAnswers } from '../ssh/questions.ts';
import type { SshConnection } from '../ssh/shell.ts';
import type { SshTarget } from '../ssh/target.ts';
import { EAGER_LIMITS, isEager, RESTORE_SPREAD_MS, retryDelayMs } from './backoff.ts';
import type { Gate } from './gate.ts';
import { HostTerminals } from './host-terminals.ts';
import { Prompter, type PromptQueue } from './prompter.ts';

const SAMPLE_INTERVAL_MS = 500;
/** Nobody looks: enough to notice that a host is gone and to have something to show on return. */
const HIDDEN_SAMPLE_INTERVAL_MS = 30_000;
/** This many missing samples make a host stale. */
const STALE_AFTER_SAMPLES = 3;
const STALE_CHECK_MS = 500;
const PREVIEW_TIMEOUT_MS = 15_000;
const CHANNEL_TIMEOUT_MS = 15_000;
/** A host that stays away is looked up anew this often. */
const RESOLVE_AGAIN_MS = 60_000;
/** The state follows the subscription at once; an agent that lacks it is shown all the same. */
const FIRST_STATE_TIMEOUT_MS = 3_000;

export interface SessionOptions {
  readonly id: string;
  readonly name: string;
  readonly source: HostSnapshot['source'];
  readonly resolve: () => Promise<Result<SshTarget>>;
  readonly appVersion: string;
  readonly artifactsFolder: string;
  /** The demo lab's hosts: installed without being asked. */
  readonly autoDeploy: boolean;
  readonly gate: Gate;
  readonly prompts: PromptQueue;
  readonly jumps: JumpPool;
  readonly onChange: (snapshot: HostSnapshot) => void;
  readonly onSample: (hostId: string, sample: Sample) => void;
  readonly onNotice: (hostId: string, notice: Omit<NoticeEvent, 'ev' | 'pid'>) => void;
  readonly onAudit: (hostId: string, event: AuditEvent) => void;
  readonly emit: (event: CoreEvent) => void;
}

type JobCommand = 'job-cancel' | 'job-hold' | 'job-release' | 'job-first' | 'job-priority' | 'job-slots';

/** Failures that another try can not mend. */
const FINAL_CODES = new Set<Failure['code']>([
  'authentication-failed',
  'authentication-cancelled',
  'host-key-unknown',
  'host-key-changed',
  'host-key-revoked',
  'ssh-config-invalid',
  'bad-host-name',
  'agent-version-mismatch',
  'cancelled',
  'unsupported-system',
]);

function agentInfo(hello: HelloReply, scriptLines: readonly string[]): AgentInfo {
  const { protocol, arch, hostName, scope, managerUid, managerName, yourUid, yourName, operator } = hello;
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
    operator,
    driver,
    gpuNote,
    simulated,
    previous: managerUid === yourUid ? previousVersion(scriptLines, { version, arch }) : null,
  };
}

export class HostSession {
  private readonly options: SessionOptions;
  readonly terminals: HostTerminals;
  private readonly prompter: Prompter;
  private snapshot: HostSnapshot;
  private connection: SshConnection | null = null;
  private client: AgentClient | null = null;
  private agent: AgentInfo | null = null;
  private arch: 'x86_64' | 'aarch64' | null = null;
  private attempt: AbortController | null = null;
  private wanted = false;
  private everConnected = false;
  private lostAtMs: number | null = null;
  private attempts = 0;
  private laterAttempts = 0;
  private attemptAtMs = 0;
  private toldStep: string | null = null;
  private resolved: { readonly target: SshTarget; readonly atMs: number } | null = null;
  private retryTimer: NodeJS.Timeout | null = null;
  private staleTimer: NodeJS.Timeout | null = null;
  private lastSampleAt = 0;
  private onState: (() => void) | null = null;
  private visible = true;
  private beforeAsking: ConnectionState = { kind: 'disconnected' };

  constructor(options: SessionOptions) {
    this.options = options;
    this.snapshot = {
      id: options.id,
      name: options.name,
      source: options.source,
      address: null,
      transport: { choice: 'auto', used: null, reason: null },
      connection: { kind: 'disconnected' },
      gpus: [],
      slices: [],
      people: [],
      quotas: [],
      memoryOvercommitMaxPercent: null,
      lastSample: null,
      jobs: null,
    };
    this.terminals = new HostTerminals({
      hostId: options.id,
      hostName: options.name,
      client: () => this.client,
      agent: () => this.agent,
      notLive: () => this.notLive(),
      emit: options.emit,
    });
    this.prompter = new Prompter(
      {
        show: (prompt) => {
          if (prompt) {
            if (this.snapshot.connection.kind !== 'asking') this.beforeAsking = this.snapshot.connection;
            this.setConnection({ kind: 'asking', prompt });
          } else if (this.snapshot.connection.kind === 'asking') {
            this.setConnection(this.beforeAsking);
          }
        },
        waiting: () => {
          this.showStep('Waiting for a question of another host');
        },
        progress: (step) => {
          // A host that reconnects shows its countdown: what it needs of the user is told, once.
          if (!this.showStep(step) && this.toldStep !== step) this.say(`${options.name}: ${step}`);
          this.toldStep = step;
        },
        notice: (message) => {
          this.say(message);
        },
      },
      options.prompts,
    );
  }

  get current(): HostSnapshot {
    return this.snapshot;
  }

  /** Whether the user wants this host connected: what is restored on the next start. */
  get isWanted(): boolean {
    return this.wanted;
  }

  /** `patient`: keep trying although the host was never reached (hosts restored on start). */
  connect(patient = false): void {
    if (
      this.wanted &&
      this.snapshot.connection.kind !== 'failed' &&
      this.snapshot.connection.kind !== 'blocked'
    ) {
      if (this.snapshot.connection.kind === 'reconnecting') this.retryNow();
      return;
    }
    this.wanted = true;
    this.everConnected ||= patient;
    this.lostAtMs = null;
    this.attempts = 0;
    this.laterAttempts = 0;
    if (!patient) {
      void this.tryConnect();
      return;
    }
    this.setConnection({ kind: 'connecting', step: 'Looking the host up' });
    this.retryTimer = setTimeout(() => {
      void this.tryConnect();
    }, Math.random() * RESTORE_SPREAD_MS);
  }

  retryNow(): void {
    if (this.attempt) return;
    this.clearRetry();
    this.resolved = null; // the user may have corrected the config
    if (this.wanted && this.connection === null) void this.tryConnect();
    else this.connect();
  }

  get isReconnecting(): boolean {
    return this.snapshot.connection.kind === 'reconnecting';
  }

  /** This computer woke up or has another address: what was put off is tried now, and eagerly again. */
  networkChanged(): void {
    if (!this.isReconnecting) return;
    this.lostAtMs = Date.now();
    this.laterAttempts = 0;
    if (this.retryTimer === null) return; // an attempt is under way; the next one is eager
    this.clearRetry();
    void this.tryConnect();
  }

  disconnect(): void {
    this.wanted = false;
    this.clearRetry();
    this.prompter.cancel();
    this.prompter.forgetSecrets();
    this.attempt?.abort();
    this.dropConnection();
    this.setConnection({ kind: 'disconnected' });
  }

  answerPrompt(promptId: string, answers: readonly string[] | null): Result<null> {
    if (this.prompter.answer(promptId, answers)) return ok(null);
    return fail('cancelled', `That question of ${this.options.name} is no longer open. Nothing was sent.`);
  }

  /** For the next attempt; what is connected stays as it is. */
  setTransport(choice: TransportChoice): void {
    if (this.snapshot.transport.choice === choice) return;
    this.snapshot = { ...this.snapshot, transport: { ...this.snapshot.transport, choice } };
    this.options.onChange(this.snapshot);
  }

  setVisible(visible: boolean): void {
    if (this.visible === visible) return;
    this.visible = visible;
    if (this.client) void this.subscribe(this.client);
  }

  async edit(op: string, fields: Fields): Promise<Result<SliceEdit>> {
    const client = this.client;
    if (!client) return this.notLive();
    const reply = await client.edit(op, fields);
    if (!reply.ok) return reply;
    const { sliceId, revision, undoToken, undoExpiresAtMs } = reply.value;
    return ok({ sliceId, revision, undoToken, undoExpiresAtMs });
  }

  /** A request that is answered with no more than whether it was done. */
  async command(
    op: 'process-stop' | 'settings-set' | 'quota-set' | 'gpu-concurrent' | JobCommand,
    fields: Fields,
  ): Promise<Result<null>> {
    const reply = this.client ? await this.client.request(op, fields, okReplySchema) : this.notLive();
    if (reply.ok) return ok(null);
    return op.startsWith('job-') ? explainJobs(reply, this.agent, this.options.name) : reply;
  }

  /** Done by `tranche attach` on the host, as the user who is signed in. */
  async startJob(fields: Fields): Promise<Result<{ jobId: string; name: string }>> {
    if (!this.client) return this.notLive();
    const reply = await this.client.request('job-start', fields, jobStartReplySchema);
    if (!reply.ok) return explainJobs(reply, this.agent, this.options.name);
    const { jobId, name } = reply.value;
    return ok({ jobId, name });
  }

  async readJobLog(fields: Fields): Promise<Result<JobLogPart>> {
    if (!this.client) return this.notLive();
    const reply = await this.client.request('job-log', fields, jobLogReplySchema);
    if (!reply.ok) return explainJobs(reply, this.agent, this.options.name);
    const { data, offset, nextOffset, endOffset, skippedBytes, over } = reply.value;
    return ok({ data, offset, nextOffset, endOffset, skippedBytes, over });
  }

  async fetchHistory(fields: Fields): Promise<Result<History>> {
    if (!this.client) return this.notLive();
    const chunks = await this.client.fetchHistory(fields);
    if (!chunks.ok) return chunks;
    const points = chunks.value.flatMap((chunk) =>
      chunk.atMs.map((atMs, i): HistoryPoint => ({
        atMs,
        memoryUsedBytes: chunk.memoryUsedBytes[i] ?? null,
        computeTenths: chunk.computeTenths[i] ?? null,
        throttledTenths: chunk.throttledTenths[i] ?? null,
        memoryLimitBytes: chunk.memoryLimitBytes[i] ?? null,
        computeLimitPercent: chunk.computeLimitPercent[i] ?? null,
      })),
    );
    return ok({ tierMs: chunks.value[0]?.tierMs ?? 1000, points });
  }

  async fetchAudit(fields: Fields): Promise<Result<AuditPage>> {
    if (!this.client) return this.notLive();
    const reply = await this.client.request('audit', fields, auditReplySchema);
    if (!reply.ok) return reply;
    const { records, nextBeforeSeq } = reply.value;
    return ok({ records, nextBeforeSeq });
  }

  async fetchHours(days: number): Promise<Result<readonly PersonHours[]>> {
    const reply = this.client
      ? await this.client.request('hours', { days }, hoursReplySchema)
      : this.notLive();
    return reply.ok ? ok(reply.value.people) : reply;
  }

  async deployAgent(): Promise<Result<null>> {
    const connection = this.connection;
    if (!connection) return this.notLive();
    if (this.snapshot.connection.kind === 'deploying')
      return fail('busy', `The agent is being installed on ${this.options.name} already.`);
    const arch = this.arch ?? (this.agent?.arch === 'aarch64' ? 'aarch64' : 'x86_64');
    const steps = new Map<string, DeployProgress>();
    const report = (progress: DeployProgress) => {
      steps.set(progress.step, progress);
      const done = DEPLOY_STEPS.flatMap((step) => steps.get(step) ?? []);
      this.setConnection({ kind: 'deploying', steps: done });
    };
    const before = this.snapshot.connection;
    const result = await this.besideAgent(connection, () =>
      deploy(connection, {
        version: this.options.appVersion,
        arch,
        artifactsFolder: this.options.artifactsFolder,
        report,
      }),
    );
    if (!result.ok) {
      if (this.connection === connection)
        this.setConnection(
          before.kind === 'live' || before.kind === 'stale'
            ? before
            : { kind: 'failed', failure: result.error },
        );
      return result;
    }
    report({ step: 'start', state: 'running', detail: null });
    // An upgrade: the old agent leaves, tenants keep their limits, the new one adopts their files.
    await this.retireAgent('upgrade');
    this.detachClient();
    const attached = await this.attach(connection, report);
    if (!attached.ok && this.connection === connection)
      this.setConnection({ kind: 'failed', failure: attached.error });
    return attached.ok ? ok(null) : attached;
  }

  async checkVersion(folder: string): Promise<Result<VersionFacts>> {
    const connection = this.connection;
    return connection ? this.besideAgent(connection, () => checkVersion(connection, folder)) : this.notLive();
  }

  /** Tenants keep their limits meanwhile, as in an upgrade. A version that does not start is left again. */
  async rollBack(folder: string): Promise<Result<null>> {
    const connection = this.connection;
    if (!connection || this.agent === null) return this.notLive();
    if (this.agent.managerUid !== this.agent.yourUid) {
      return fail(
        'not-permitted',
        `${this.agent.managerName} manages ${this.options.name}, and only they can change its agent. Nothing was changed.`,
      );
    }
    const facts = await this.checkVersion(folder);
    if (!facts.ok) return facts;
    if (facts.value.refusal !== null) {
      return fail('agent-version-mismatch', `${facts.value.refusal} Nothing was changed.`);
    }
    const before = await this.besideAgent(connection, () => turnLink(connection, folder));
    if (!before.ok) return before;
    const started = await this.restartAgent(connection, 'rollback', folder);
    if (started.ok || this.connection !== connection) return started;
    const turned = await turnLink(connection, before.value);
    const again = turned.ok ? await this.restartAgent(connection, 'rollback', before.value) : turned;
    if (!again.ok && this.connection === connection)
      this.setConnection({ kind: 'failed', failure: again.error });
    return again.ok
      ? fail(
          'agent-start-failed',
          `Agent ${folder} did not start on ${this.options.name}, so ${before.value} runs there again. Programs were not affected.`,
          started.error.message,
        )
      : again;
  }

  /** Ends our agent and attaches to the one that the link names then, with its steps on screen. */
  private async restartAgent(
    connection: SshConnection,
    reason: string,
    folder: string,
  ): Promise<Result<null>> {
    const steps: DeployProgress[] = [{ step: 'activate', state: 'done', detail: folder }];
    const report = (progress: DeployProgress): void => {
      const at = steps.findIndex(({ step }) => step === progress.step);
      steps.splice(at < 0 ? steps.length : at, at < 0 ? 0 : 1, progress);
      this.setConnection({ kind: 'deploying', steps: [...steps] });
    };
    report({ step: 'start', state: 'running', detail: null });
    await this.retireAgent(reason);
    this.detachClient();
    return this.attach(connection, report);
  }

  async removeAgent(): Promise<Result<{ removed: readonly string[] }>> {
    const connection = this.connection;
    if (!connection) return this.notLive();
    await this.terminals.closeAll();
    // Somebody else's agent goes on for them; only our own files go.
    if (this.agent?.managerUid === this.agent?.yourUid) {
      const left = await this.retireAgent('removed');
      if (!left.ok) return left;
    }
    this.detachClient();
    const result = await removeAgent(connection);
    if (!result.ok) return result;
    this.snapshot = { ...this.snapshot, gpus: [], slices: [], people: [], lastSample: null, jobs: null };
    await this.showPreview(connection, true);
    return ok({
      removed: [
        ...result.value.removed,
        ...result.value.kept.map((path) => `${path} (kept: a running program uses it)`),
      ],
    });
  }

  async link(): Promise<Result<{ path: string }>> {
    const connection = this.connection;
    return connection ? this.besideAgent(connection, () => linkCommand(connection)) : this.notLive();
  }

  /** Where MaxSessions is 1 the agent's own channel is in the way: it makes room and comes back. */
  private async besideAgent<T>(
    connection: SshConnection,
    work: () => Promise<Result<T>>,
  ): Promise<Result<T>> {
    const first = await work();
    if (first.ok || first.error.code !== 'channel-refused' || !this.client) return first;
    this.detachClient();
    const second = await work();
    const back = await this.attach(connection, () => undefined);
    return back.ok ? second : back;
  }

  private notLive(): Result<never> {
    return fail(
      'not-connected',
      `${this.options.name} is not connected, so nothing was changed there. Connect and try again.`,
    );
  }

  /** Names the step of an attempt that is under way; a host that reconnects keeps its own state. */
  private showStep(step: string): boolean {
    if (this.snapshot.connection.kind !== 'connecting') return false;
    this.setConnection({ kind: 'connecting', step });
    return true;
  }

  private say(message: string): void {
    this.options.onNotice(this.options.id, {
      atMs: Date.now(),
      code: 'ssh',
      sliceId: null,
      gpuUuid: null,
      message,
    });
  }

  private setConnection(connection: ConnectionState): void {
    this.snapshot = { ...this.snapshot, connection };
    this.options.onChange(this.snapshot);
  }

  /** `ssh -G` costs 34 ms: not for each of the attempts that follow each other while a network is away. */
  private async resolve(): Promise<Result<SshTarget>> {
    const kept = this.resolved;
    if (this.lostAtMs !== null && kept !== null && Date.now() - kept.atMs < RESOLVE_AGAIN_MS)
      return ok(kept.target);
    const target = await this.options.resolve();
    if (!target.ok) return target;
    this.resolved = { target: target.value, atMs: Date.now() };
    for (const note of target.value.notes) this.say(note);
    return target;
  }

  private async tryConnect(): Promise<void> {
    this.clearRetry();
    // What an earlier attempt left open, such as a link on which the installation failed.
    this.dropConnection();
    const attempt = new AbortController();
    this.attempt = attempt;
    this.attempts += 1;
    this.attemptAtMs = Date.now();
    if (this.lostAtMs !== null && !isEager(Date.now() - this.lostAtMs)) this.laterAttempts += 1;
    this.prompter.beginAttempt();
    if (!this.everConnected || this.lostAtMs === null)
      this.setConnection({ kind: 'connecting', step: 'Looking the host up' });
    const target = await this.resolve();
    if (attempt.signal.aborted) return;
    if (!target.ok) {
      this.attempt = null;
      this.setConnection({ kind: 'failed', failure: target.error });
      return;
    }
    const { user, hostName, port } = target.value;
    this.snapshot = { ...this.snapshot, address: `${user}@${hostName}:${String(port)}` };
    const outcome = await this.options.gate.pass(async (stepAside) => {
      if (attempt.signal.aborted) return fail('cancelled', 'cancelled');
      if (this.lostAtMs === null)
        this.setConnection({ kind: 'connecting', step: 'Checking the host key and signing in' });
      return openConnection(target.value, {
        questions: aroundAnswers(this.prompter, stepAside),
        signal: attempt.signal,
        jumps: this.options.jumps,
        transport: this.snapshot.transport.choice,
        onTransport: (chosen) => {
          this.snapshot = { ...this.snapshot, transport: { ...this.snapshot.transport, ...chosen } };
          if (chosen.reason !== null) this.showStep(`Signing in by the system’s ssh: ${chosen.reason}`);
        },
        wait: stepAside,
        eager: this.lostAtMs !== null && isEager(Date.now() - this.lostAtMs) ? EAGER_LIMITS : null,
      });
    });
    if (attempt.signal.aborted) {
      if (outcome.ok) outcome.value.close();
      return;
    }
    this.attempt = null;
    if (!outcome.ok) this.connectFailed(outcome);
    else await this.connected(outcome.value);
  }

  private connectFailed(outcome: OpenOutcome & { ok: false }): void {
    const { error: failure, block } = outcome;
    if (block) {
      const { known } = block.verdict;
      this.setConnection({
        kind: 'blocked',
        failure,
        knownFingerprint: known.fingerprint,
        offeredFingerprint: block.offeredFingerprint,
        knownHostsFile: known.file,
        knownHostsLine: known.line,
      });
      return;
    }
    if (failure.code === 'authentication-failed') this.prompter.forgetSecrets();
    if (!this.everConnected || FINAL_CODES.has(failure.code)) this.setConnection({ kind: 'failed', failure });
    else this.scheduleRetry(failure);
  }

  private async connected(connection: SshConnection): Promise<void> {
    this.connection = connection;
    connection.onClose((failure) => {
      if (this.connection !== connection) return;
      this.dropConnection(failure);
      if (this.wanted) this.scheduleRetry(failure);
    });
    if (this.lostAtMs === null) this.setConnection({ kind: 'connecting', step: 'Looking for the agent' });
    const result = await this.attach(connection, () => undefined);
    if (result.ok || this.connection !== connection) return;
    if (this.everConnected && !FINAL_CODES.has(result.error.code)) {
      this.dropConnection();
      this.scheduleRetry(result.error);
    } else {
      this.setConnection({ kind: 'failed', failure: result.error });
    }
  }

  /** Opens the agent's channel. With no agent there: the read-only view, or the installation for the demo lab. */
  private async attach(
    connection: SshConnection,
    report: (progress: DeployProgress) => void,
  ): Promise<Result<null>> {
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
          if (event.ev === 'state') this.applyState(event);
          if (event.ev === 'sample') this.applySample(event);
          if (event.ev === 'notice') this.options.onNotice(this.options.id, event);
          if (event.ev === 'audit') this.options.onAudit(this.options.id, event);
          if (event.ev === 'jobs') this.applyJobs(event);
          this.terminals.onEvent(event);
        },
        closed: (failure) => {
          if (mine !== null && this.client === mine) this.agentLost(connection, failure);
        },
      },
    });
    if (this.connection !== connection)
      return fail('cancelled', `Connecting to ${this.options.name} was cancelled.`);
    if (!attached.ok) return attached;
    if (attached.value.kind === 'missing') {
      const system = checkSystem(attached.value.lines, this.options.name);
      if (system.ok) this.arch = system.value.arch;
      if (system.ok && this.options.autoDeploy) return this.deployAgent();
      await this.showPreview(connection, system.ok, system.ok ? null : system.error.message);
      return ok(null);
    }
    const { client, hello, lines } = attached.value;
    mine = client;
    report({ step: 'start', state: 'done', detail: null });
    report({ step: 'hello', state: 'done', detail: `agent ${hello.agentVersion}` });
    this.client = client;
    // Another agent may have no queue and then says nothing of jobs.
    if (this.agent?.version !== hello.agentVersion) this.snapshot = { ...this.snapshot, jobs: null };
    this.agent = agentInfo(hello, lines);
    this.everConnected = true;
    const firstState = new Promise<void>((resolve) => {
      this.onState = resolve;
    });
    const subscribed = await this.subscribe(client);
    if (!subscribed.ok) return subscribed;
    // Live means that there is something to show: not a host without GPUs for the blink of an eye.
    let timer: NodeJS.Timeout | undefined;
    const bound = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FIRST_STATE_TIMEOUT_MS);
    });
    await Promise.race([firstState, bound]);
    clearTimeout(timer);
    if (this.client !== client) return fail('cancelled', `Connecting to ${this.options.name} was cancelled.`);
    this.lostAtMs = null;
    this.attempts = 0;
    this.laterAttempts = 0;
    this.lastSampleAt = Date.now();
    this.goLive();
    this.staleTimer = setInterval(() => {
      this.checkStale();
    }, STALE_CHECK_MS);
    return ok(null);
  }

  private goLive(): void {
    const { agent } = this;
    if (!agent) return;
    this.toldStep = null;
    const mayUpgrade = agent.version !== this.options.appVersion && agent.managerUid === agent.yourUid;
    this.setConnection({ kind: 'live', agent, upgradeTo: mayUpgrade ? this.options.appVersion : null });
  }

  private subscribe(client: AgentClient): Promise<Result<unknown>> {
    return client.request(
      'subscribe',
      { sampleIntervalMs: this.visible ? SAMPLE_INTERVAL_MS : HIDDEN_SAMPLE_INTERVAL_MS },
      okReplySchema,
    );
  }

  private async showPreview(
    connection: SshConnection,
    canDeploy: boolean,
    systemNote: string | null = null,
  ): Promise<void> {
    const nonce = newNonce();
    const result = await connection.runScript(previewScript(nonce), {
      timeoutMs: PREVIEW_TIMEOUT_MS,
    });
    if (this.connection !== connection) return;
    const preview = result.ok
      ? parsePreview(markedLines(result.value.stdout, nonce))
      : { gpus: [], driver: null, note: result.error.message };
    this.lostAtMs = null;
    this.everConnected = true;
    this.setConnection({ kind: 'preview', ...preview, note: systemNote ?? preview.note, canDeploy });
  }

  private applyState(event: StateEvent): void {
    const { slices, people, quotas, faults, migSlices, memoryOvercommitMaxPercent } = event;
    const gpus = event.gpus.map((gpu) => ({
      ...gpu,
      faults: faults?.filter(({ gpuUuid }) => gpuUuid === gpu.uuid) ?? null,
      migSlices: migSlices?.filter(({ gpuUuid }) => gpuUuid === gpu.uuid) ?? null,
    }));
    this.snapshot = { ...this.snapshot, gpus, slices, people, quotas, memoryOvercommitMaxPercent };
    this.onState?.();
    this.options.onChange(this.snapshot);
  }

  private applyJobs({ slotsPerSlice, jobs, jobsOmitted }: JobsEvent): void {
    this.snapshot = { ...this.snapshot, jobs: { slotsPerSlice, jobs, jobsOmitted } };
    this.options.onChange(this.snapshot);
  }

  private applySample(event: SampleEvent): void {
    this.lastSampleAt = Date.now();
    const { ev: _ev, ...sample } = event;
    this.snapshot = { ...this.snapshot, lastSample: sample };
    if (this.snapshot.connection.kind === 'stale') this.goLive();
    this.options.onSample(this.options.id, sample);
  }

  private checkStale(): void {
    const interval = this.visible ? SAMPLE_INTERVAL_MS : HIDDEN_SAMPLE_INTERVAL_MS;
    const { agent } = this;
    if (
      !agent ||
      this.snapshot.connection.kind !== 'live' ||
      Date.now() - this.lastSampleAt <= interval * STALE_AFTER_SAMPLES
    )
      return;
    this.setConnection({ kind: 'stale', agent, lastSampleAtMs: this.snapshot.lastSample?.atMs ?? null });
  }

  /** The agent's channel ended while SSH may be fine: attach again, which starts the agent if it died. */
  private agentLost(connection: SshConnection, failure: Failure): void {
    this.detachClient();
    if (!this.wanted || this.connection !== connection) return;
    this.dropConnection();
    this.scheduleRetry(failure);
  }

  /** Asks our agent to leave. Its channel then ends, which is no loss: the client is taken out before. */
  private async retireAgent(reason: string): Promise<Result<unknown>> {
    const client = this.client;
    if (!client) return ok(null);
    this.client = null;
    const left = await client.request('shutdown', { reason }, okReplySchema);
    if (!left.ok && left.error.code !== 'connection-lost') {
      this.client = client;
      return left;
    }
    this.detachClient();
    client.close();
    return ok(null);
  }

  /** `lost`: requests under way are told that nobody knows whether they took effect. */
  private detachClient(lost?: Failure): void {
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

  private dropConnection(lost?: Failure): void {
    const connection = this.connection;
    this.connection = null;
    this.detachClient(lost);
    connection?.close();
  }

  private clearRetry(): void {
    if (this.retryTimer) clearTimeout(this.retryTimer);
    this.retryTimer = null;
  }

  private scheduleRetry(failure: Failure): void {
    if (!this.wanted) return;
    this.clearRetry();
    this.lostAtMs ??= Date.now();
    const now = Date.now();
    const delay = retryDelayMs({
      lostForMs: now - this.lostAtMs,
      attemptAgoMs: now - this.attemptAtMs,
      laterAttempts: this.laterAttempts,
      random: Math.random(),
    });
    this.setConnection({
      kind: 'reconnecting',
      attempt: this.attempts,
      nextAttemptAtMs: now + delay,
      failure,
    });
    this.retryTimer = setTimeout(() => {
      void this.tryConnect();
    }, delay);
  }
}
