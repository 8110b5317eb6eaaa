/** The SSH link of one host: made on demand, watched, made again when it broke. Knows nothing of what goes over it. */
import { fail, ok, type Failure, type Result } from '../../../model/errors.ts';
import type { NoticeEvent } from '../../../model/agent-protocol.ts';
import type { ConnectionState } from '../../../model/model.ts';
import { openConnection, type OpenOutcome } from '../ssh/connection.ts';
import type { JumpPool } from '../ssh/jump-pool.ts';
import { aroundAnswers } from '../ssh/questions.ts';
import type { SshConnection } from '../ssh/shell.ts';
import type { SignIns } from '../ssh/sign-ins.ts';
import type { SshTarget } from '../ssh/target.ts';
import { Attempts } from './attempts.ts';
import { RESTORE_SPREAD_MS } from './backoff.ts';
import type { Gate } from './gate.ts';
import type { HostPicture } from './host-picture.ts';
import { KeptTarget } from './kept-target.ts';
import { Prompter, type PromptQueue } from './prompter.ts';

export interface HostLinkOptions {
  readonly id: string;
  readonly name: string;
  readonly resolve: () => Promise<Result<SshTarget>>;
  readonly gate: Gate;
  readonly prompts: PromptQueue;
  readonly jumps: JumpPool;
  readonly signIns: SignIns;
  readonly onNotice: (hostId: string, notice: Omit<NoticeEvent, 'ev' | 'pid'>) => void;
}

/** What uses the link. */
export interface LinkUser {
  /** The link is there. A failure ends it again. */
  opened(connection: SshConnection): Promise<Result<null>>;
  /** The link goes; `lost`: it broke. */
  closed(lost?: Failure): void;
}

export class HostLink {
  private readonly options: HostLinkOptions;
  private readonly picture: HostPicture;
  private readonly user: LinkUser;
  private readonly prompter: Prompter;
  private readonly attempts = new Attempts();
  private open: SshConnection | null = null;
  private attempt: AbortController | null = null;
  private wanted = false;
  private readonly resolved: KeptTarget;
  private retryTimer: NodeJS.Timeout | null = null;
  private toldStep: string | null = null;
  private beforeAsking: ConnectionState = { kind: 'disconnected' };

  constructor(options: HostLinkOptions, picture: HostPicture, user: LinkUser) {
    this.options = options;
    this.picture = picture;
    this.user = user;
    this.resolved = new KeptTarget(options.name, options.resolve, (message) => {
      this.say(message);
    });
    this.prompter = new Prompter(
      {
        show: (prompt) => {
          if (prompt) {
            if (picture.connection.kind !== 'asking') this.beforeAsking = picture.connection;
            picture.setConnection({ kind: 'asking', prompt });
          } else if (picture.connection.kind === 'asking') {
            picture.setConnection(this.beforeAsking);
          }
        },
        waiting: () => {
          picture.showStep('Waiting for a question of another host');
        },
        progress: (step) => {
          // A host that reconnects shows its countdown: what it needs of the user is told, once.
          if (!picture.showStep(step) && this.toldStep !== step) this.say(`${options.name}: ${step}`);
          this.toldStep = step;
        },
        notice: (message) => {
          this.say(message);
        },
      },
      options.prompts,
    );
  }

  /** The link that is there now. What awaits something over it looks again whether it still is. */
  get connection(): SshConnection | null {
    return this.open;
  }

  /** Whether the user wants this host connected: what is restored on the next start. */
  get isWanted(): boolean {
    return this.wanted;
  }

  get isReconnecting(): boolean {
    return this.picture.connection.kind === 'reconnecting';
  }

  /** `patient`: keep trying although the host was never reached (hosts restored on start). */
  connect(patient = false): void {
    const { kind } = this.picture.connection;
    if (this.wanted && kind !== 'failed' && kind !== 'blocked') {
      if (kind === 'reconnecting') this.retryNow();
      return;
    }
    this.wanted = true;
    this.attempts.restart(patient);
    if (!patient) {
      void this.tryConnect(false);
      return;
    }
    this.picture.setConnection({ kind: 'connecting', step: 'Looking the host up' });
    this.tryIn(Math.random() * RESTORE_SPREAD_MS);
  }

  /** What the user wants now goes before an attempt that is under way by itself, and may wait for something else. */
  retryNow(): void {
    if (this.attempt) {
      if (!this.isReconnecting) return;
      this.attempt.abort();
      this.attempt = null;
    }
    this.clearRetry();
    this.configChanged(); // the user may have corrected it
    if (this.wanted && this.open === null) void this.tryConnect(false);
    else this.connect();
  }

  /** The config may mean something else now, and something at all where it did not parse. */
  configChanged(): void {
    this.resolved.lookAgain();
    const { connection } = this.picture;
    if (!this.wanted || connection.kind !== 'failed' || connection.failure.code !== 'ssh-config-invalid')
      return;
    this.clearRetry();
    void this.tryConnect(true);
  }

  /** This computer woke up or has another address: what was put off is tried now, and eagerly again. */
  networkChanged(): void {
    if (!this.isReconnecting) return;
    this.attempts.networkChanged();
    if (this.retryTimer === null) return; // an attempt is under way; the next one is eager
    this.clearRetry();
    void this.tryConnect(true);
  }

  disconnect(): void {
    this.wanted = false;
    this.clearRetry();
    this.prompter.cancel();
    this.prompter.forgetSecrets();
    this.attempt?.abort();
    this.attempt = null;
    this.drop();
    this.picture.setConnection({ kind: 'disconnected' });
  }

  answerPrompt(promptId: string, answers: readonly string[] | null): Result<null> {
    if (this.prompter.answer(promptId, answers)) return ok(null);
    return fail('cancelled', `That question of ${this.options.name} is no longer open. Nothing was sent.`);
  }

  /** An agent has answered over the link: if it goes, it is waited for. */
  reached(): void {
    this.attempts.reached();
  }

  /** The host can be looked at, without an agent. */
  found(): void {
    this.attempts.found();
  }

  /** The agent is followed. */
  live(): void {
    this.attempts.live();
    this.toldStep = null;
  }

  /** What went over the link has ended, while SSH may be fine: all of it is made again. */
  remake(connection: SshConnection, failure: Failure): void {
    if (!this.wanted || this.open !== connection) return;
    this.drop();
    this.scheduleRetry(failure);
  }

  private say(message: string): void {
    const notice = { atMs: Date.now(), code: 'ssh', sliceId: null, gpuUuid: null, message };
    this.options.onNotice(this.options.id, notice);
  }

  /** `automatic`: no user asked for it just now. */
  private async tryConnect(automatic: boolean): Promise<void> {
    this.clearRetry();
    // What an earlier attempt left open, such as a link on which the installation failed.
    this.drop();
    const attempt = new AbortController();
    this.attempt = attempt;
    this.attempts.begin();
    this.prompter.beginAttempt();
    if (!this.attempts.everReached || !this.attempts.isLost)
      this.picture.setConnection({ kind: 'connecting', step: 'Looking the host up' });
    try {
      await this.attemptOnce(attempt, automatic);
    } catch (error) {
      // A fault of ours must not leave the host connecting for ever.
      if (this.attempt !== attempt && this.open === null) return;
      this.attempt = null;
      const message = `Something went wrong inside Tranche while connecting to ${this.options.name}. Nothing was changed there; try again.`;
      this.picture.setConnection({
        kind: 'failed',
        failure: {
          code: 'internal',
          message,
          detail: error instanceof Error ? (error.stack ?? '') : String(error),
        },
      });
    }
  }

  private async attemptOnce(attempt: AbortController, automatic: boolean): Promise<void> {
    const { isLost, everReached } = this.attempts;
    const target = await this.resolved.get({ isLost, mayKeep: everReached });
    if (this.attempt !== attempt) return;
    if (!target.ok) {
      this.attempt = null;
      this.connectFailed(target);
      return;
    }
    const { user, hostName, port } = target.value;
    this.picture.setAddress(`${user}@${hostName}:${String(port)}`);
    const outcome = await this.signIn(target.value, attempt.signal, automatic);
    if (this.attempt !== attempt) {
      if (outcome.ok) outcome.value.close();
      return;
    }
    this.attempt = null;
    if (!outcome.ok) this.connectFailed(outcome);
    else await this.connected(outcome.value);
  }

  private signIn(target: SshTarget, signal: AbortSignal, automatic: boolean): Promise<OpenOutcome> {
    const { picture, attempts } = this;
    return this.options.gate.pass(async (stepAside) => {
      if (signal.aborted) return fail('cancelled', 'cancelled');
      if (!attempts.isLost)
        picture.setConnection({ kind: 'connecting', step: 'Checking the host key and signing in' });
      return openConnection(target, {
        questions: aroundAnswers(this.prompter, stepAside),
        signal,
        jumps: this.options.jumps,
        signIns: this.options.signIns,
        automatic,
        transport: picture.current.transport.choice,
        onTransport: (chosen) => {
          picture.setTransportUsed(chosen);
          if (chosen.reason !== null) picture.showStep(`Signing in by the system’s ssh: ${chosen.reason}`);
        },
        wait: stepAside,
        eager: attempts.limits,
      });
    });
  }

  private connectFailed(outcome: OpenOutcome & { ok: false }): void {
    const { error: failure, block } = outcome;
    if (block) {
      const { known } = block.verdict;
      this.picture.setConnection({
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
    if (this.attempts.isWorthAnother(failure)) this.scheduleRetry(failure);
    else this.picture.setConnection({ kind: 'failed', failure });
  }

  private async connected(connection: SshConnection): Promise<void> {
    this.open = connection;
    connection.onClose((failure) => {
      if (this.open !== connection) return;
      this.drop(failure);
      this.ended(failure);
    });
    if (!this.attempts.isLost)
      this.picture.setConnection({ kind: 'connecting', step: 'Looking for the agent' });
    const result = await this.user.opened(connection);
    if (result.ok || this.open !== connection) return;
    this.attempts.inVain();
    if (this.attempts.isWorthAnother(result.error)) {
      this.drop();
      this.scheduleRetry(result.error);
    } else {
      this.picture.setConnection({ kind: 'failed', failure: result.error });
    }
  }

  /** The link broke. A host that lets us in and ends it, and was never seen, is not signed in to again and again. */
  private ended(failure: Failure): void {
    if (!this.wanted) return;
    if (!this.attempts.sawNothing()) {
      this.scheduleRetry(failure);
      return;
    }
    const why = failure.detail === null || failure.detail === '' ? '' : ` (${failure.detail})`;
    const inVain: Failure = {
      code: 'connection-lost',
      message: `${this.options.name} let us in and ended the connection before anything could be asked of it${why}. Nothing was changed there.`,
      detail: failure.detail,
    };
    this.attempts.inVain();
    if (this.attempts.isWorthAnother(inVain)) this.scheduleRetry(inVain);
    else this.picture.setConnection({ kind: 'failed', failure: inVain });
  }

  private drop(lost?: Failure): void {
    const connection = this.open;
    this.open = null;
    this.user.closed(lost);
    connection?.close();
  }

  private clearRetry(): void {
    if (this.retryTimer) clearTimeout(this.retryTimer);
    this.retryTimer = null;
  }

  private scheduleRetry(failure: Failure): void {
    if (!this.wanted) return;
    this.clearRetry();
    const { attempt, delayMs, atMs } = this.attempts.next();
    this.picture.setConnection({ kind: 'reconnecting', attempt, nextAttemptAtMs: atMs, failure });
    this.tryIn(delayMs);
  }

  private tryIn(delayMs: number): void {
    this.retryTimer = setTimeout(() => {
      void this.tryConnect(true);
    }, delayMs);
  }
}
