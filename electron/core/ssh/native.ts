/** The only door to node-ssh and to ssh2's client: a handshake over a given stream, commands with bounds, raw channels. */
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { NodeSSH, type Config } from 'node-ssh';
import type { Client, ClientChannel } from 'ssh2';
import { fail, ok, type Failure, type Result } from '../../../model/errors.ts';
import { AuthRecord } from './auth-record.ts';
import { makeAuthHandler } from './auth.ts';
import { awaitCommand, detailIn } from './command-output.ts';
import { collectGreeting, earlyEnd, hearInfo } from './handshake-parts.ts';
import { blockedFailure, connectFailure, detailOf } from './failures.ts';
import { HostKeyBlockedError, verifyHostKey, type HostKeyBlock } from './host-key.ts';
import { knownKeyTypes, type KnownHostsFile } from './known-hosts.ts';
import { plainText } from './plain-text.ts';
import type { SshQuestions } from './questions.ts';
import {
  SHELL_COMMAND,
  type CommandChannel,
  type CommandResult,
  type RunOptions,
  type SshConnection,
} from './shell.ts';
import type { SignIns } from './sign-ins.ts';
import { machineOf, type SshTarget } from './target.ts';
import { TurnClock } from './turn-clock.ts';

/**
 * sshd counts a session until it has cleared it away, which may be after it has told us of its end: where MaxSessions is
 * 1, the next channel would be refused for a moment.
 */
const OPEN_RETRY_PAUSES_MS = [20, 100, 500];
/** The exit code a shell would give for a command that a signal ended. */
const KILLED_BY_SIGNAL = 128;
/** Host key types that ssh2 knows; naming another one in `algorithms` throws. */
const SUPPORTED_KEY_TYPES = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
];

export type NativeOutcome = Result<NativeConnection> & { readonly block?: HostKeyBlock };

export class NativeConnection implements SshConnection {
  readonly target: SshTarget;
  readonly client: Client;
  private readonly ssh: NodeSSH;
  private readonly closeListeners: ((failure: Failure) => void)[] = [];
  private lost: Failure | null = null;
  private lastError: unknown = null;

  constructor(target: SshTarget, ssh: NodeSSH, client: Client) {
    this.target = target;
    this.ssh = ssh;
    this.client = client;
    client.setMaxListeners(0);
    client.on('error', (error) => {
      this.lastError = error;
    });
    client.on('close', () => {
      const why = this.lastError === null ? 'the other side closed it' : detailOf(this.lastError);
      this.lost = {
        code: 'connection-lost',
        message: `The connection to ${target.name} was lost (${why}). Slices and programs there go on with their last limits; reconnecting.`,
        detail: why,
      };
      for (const listener of this.closeListeners.splice(0)) listener(this.lost);
    });
  }

  onClose(listener: (failure: Failure) => void): void {
    if (this.lost) listener(this.lost);
    else this.closeListeners.push(listener);
  }

  close(): void {
    this.ssh.dispose();
    this.client.destroy();
  }

  runScript(script: string, options: RunOptions): Promise<Result<CommandResult>> {
    return this.run(SHELL_COMMAND, script, options);
  }

  async openScript(script: string, timeoutMs: number): Promise<Result<CommandChannel>> {
    const opened = await this.open(SHELL_COMMAND, timeoutMs);
    if (opened.ok) opened.value.write(script);
    return opened;
  }

  private async open(command: string, timeoutMs: number): Promise<Result<CommandChannel>> {
    for (const pauseMs of OPEN_RETRY_PAUSES_MS) {
      const opened = await this.openOnce(command, timeoutMs);
      if (opened.ok || opened.error.code !== 'channel-refused') return opened;
      await delay(pauseMs);
    }
    return this.openOnce(command, timeoutMs);
  }

  private async openOnce(command: string, timeoutMs: number): Promise<Result<CommandChannel>> {
    if (this.lost) return { ok: false, error: this.lost };
    return new Promise((resolve) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        resolve(
          fail(
            'timed-out',
            `${this.target.name} did not open a channel within ${String(timeoutMs / 1000)} s. Nothing was started there; try again.`,
          ),
        );
      }, timeoutMs);
      const settle = (error: Error | undefined, channel: ClientChannel | undefined): void => {
        clearTimeout(timer);
        if (late) channel?.destroy();
        else if (channel) resolve(ok(channel));
        else if (this.lost) resolve({ ok: false, error: this.lost });
        else
          resolve(
            fail(
              'channel-refused',
              `${this.target.name} did not open a channel. Nothing was started there; its sshd may limit sessions (MaxSessions) or run no commands.`,
              error ? detailOf(error) : null,
            ),
          );
      };
      try {
        this.client.exec(command, settle);
      } catch (error) {
        settle(error as Error, undefined); // ssh2 throws synchronously once the link is gone
      }
    });
  }

  async run(command: string, stdin: string, options: RunOptions): Promise<Result<CommandResult>> {
    const opened = await this.open(command, options.timeoutMs);
    if (!opened.ok) return opened;
    const channel = opened.value as ClientChannel;
    let code: number | null = null;
    channel.on('exit', (status: number | null) => {
      code = status ?? KILLED_BY_SIGNAL;
    });
    const result = awaitCommand(channel, this.target.name, options, 'close', (printed) =>
      code === null
        ? {
            ok: false,
            error: this.lost ?? {
              code: 'connection-lost',
              message: `The connection to ${this.target.name} broke while a command ran.`,
              detail: detailIn(printed),
            },
          }
        : ok({ ...printed, code }),
    );
    channel.end(stdin);
    return result;
  }
}

export interface HandshakeOptions {
  readonly questions: SshQuestions;
  readonly isJump: boolean;
  readonly signal: AbortSignal;
  /** Read before there is a stream: whatever a stream says must find somebody who listens. */
  readonly knownHosts: readonly KnownHostsFile[];
  /** How long the other side may take over the exchange of keys. */
  readonly limitMs: number;
  /** How long it may take over each step of signing in. */
  readonly signInLimitMs: number;
  readonly signIns: SignIns;
  /** What a ProxyCommand has said so far; null when there is none. */
  readonly proxySaid: () => string | null;
}

/** Prefer key types that are on record, as ssh does: a host that also has another key must not look like a new one. */
function preferKnownTypes(known: readonly string[]): NonNullable<Config['algorithms']> {
  const rsa = known.includes('ssh-rsa') ? ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] : [];
  const prepend = [...known.filter((type) => SUPPORTED_KEY_TYPES.includes(type)), ...rsa];
  return { serverHostKey: { prepend, append: [], remove: [] } as never };
}

/** What an attempt has met with on its way; of several reasons for its end, the one that a person can do most with. */
interface Trouble {
  /** The host key is another one than on record, or marked as revoked. */
  block: HostKeyBlock | null;
  keyRefused: string | null;
  /** The first error that ssh2 told. */
  cause: unknown;
}

/** Judges the host key before anything is authenticated, and begins the time for signing in. */
function keyJudge(
  target: SshTarget,
  { knownHosts, isJump, signInLimitMs }: HandshakeOptions,
  clock: TurnClock,
  patient: SshQuestions,
  trouble: Trouble,
) {
  return (key: Buffer, verify: (valid: boolean) => void): void => {
    verifyHostKey(target, knownHosts, key, patient, isJump).then(
      (decision) => {
        if (decision.kind === 'stop') trouble.keyRefused = decision.why;
        clock.enter('signing in', signInLimitMs);
        verify(decision.kind === 'go');
      },
      (error: unknown) => {
        if (error instanceof HostKeyBlockedError) trouble.block = error.block;
        trouble.keyRefused = detailOf(error);
        verify(false);
      },
    );
  };
}

function configFor(
  target: SshTarget,
  sock: Duplex,
  known: readonly string[],
  doors: Pick<Config, 'hostVerifier' | 'authHandler'>,
): Config {
  return {
    sock,
    username: target.user,
    readyTimeout: 0,
    keepaliveInterval: target.keepaliveIntervalMs,
    keepaliveCountMax: target.keepaliveCountMax,
    strictVendor: false,
    ...doors,
    ...(known.length > 0 ? { algorithms: preferKnownTypes(known) } : {}),
    ...(target.forwardAgent === null ? {} : { agent: target.forwardAgent, agentForward: true }),
  };
}

/**
 * node-ssh gives up on the first 'error', but an agent or a key file that does not sign is one too, and signing in goes
 * on without it. So errors come here, and the end of the socket is what ends the attempt.
 */
function hearClient(client: Client, record: AuthRecord, trouble: Trouble, end: (why: Error) => void): void {
  client.removeAllListeners('error');
  client.on('error', (error: Error & { level?: string }) => {
    if (error.level === 'agent') return;
    trouble.cause ??= error;
    end(error);
  });
  client.on('banner', (text: string) => {
    record.banner = plainText(text).trim();
  });
  client.on('change password', (said: string) => {
    record.impossible = `it wants a new password first (${plainText(said).trim()})`;
    end(new Error('a new password is wanted'));
  });
}

/** What a person is told of an attempt that failed with `error`. */
function failedOutcome(
  target: SshTarget,
  { block, keyRefused, cause }: Trouble,
  error: unknown,
  circumstances: Parameters<typeof connectFailure>[2],
): NativeOutcome {
  if (block) return { ...blockedFailure(target, block), block };
  if (keyRefused !== null)
    return fail(
      'host-key-unknown',
      `The key of ${target.name} was not accepted (${keyRefused}), so nothing was sent to it.`,
    );
  return { ok: false, error: connectFailure(target, cause ?? error, circumstances) };
}

/** Runs over `sock`, which must not have been waited on since it was opened. Settles within the limits and with `signal`. */
export async function handshake(
  target: SshTarget,
  sock: Duplex,
  options: HandshakeOptions,
): Promise<NativeOutcome> {
  const { questions, isJump, signal, limitMs, signIns, knownHosts, proxySaid } = options;
  const record = new AuthRecord();
  const trouble: Trouble = { block: null, keyRefused: null, cause: null };
  const ssh = new NodeSSH();
  const { ended, end, detach } = earlyEnd(sock);
  const clock = new TurnClock('exchanging keys', limitMs, () => {
    end(new Error('timed out'));
  });
  const patient = clock.pausing(questions);
  const auth = makeAuthHandler(target, patient, isJump, record, clock.ourTurn);
  const config = configFor(target, sock, knownKeyTypes(knownHosts, target), {
    hostVerifier: keyJudge(target, options, clock, patient, trouble),
    authHandler: auth.handler as never,
  });
  const abort = (): void => {
    end(new Error('cancelled'));
  };
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  clock.start();
  let greeting = (): string => '';
  try {
    const connecting = ssh.connect(config);
    connecting.catch(() => undefined); // the attempt may have ended before
    greeting = collectGreeting(sock);
    if (ssh.connection) {
      hearClient(ssh.connection, record, trouble, end);
      hearInfo(ssh.connection, auth.told);
    }
    await Promise.race([connecting, ended]);
    if (!ssh.connection) throw new Error('the connection closed at once');
    record.ourTurn();
    signIns.succeeded(machineOf(target), record.facts);
    questions.signedIn(machineOf(target));
    return ok(new NativeConnection(target, ssh, ssh.connection));
  } catch (error) {
    sock.destroy();
    if (signal.aborted)
      return fail('cancelled', `Connecting to ${target.name} was cancelled. Nothing was changed there.`);
    record.ourTurn();
    if (record.began) signIns.failed(machineOf(target), record.facts);
    return failedOutcome(target, trouble, error, {
      record,
      timedOut: clock.timedOut,
      limitMs: clock.limitMs,
      proxySaid: proxySaid(),
      greeting: greeting(),
    });
  } finally {
    clock.stop();
    detach();
    signal.removeEventListener('abort', abort);
  }
}
