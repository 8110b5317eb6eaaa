/** The only door to node-ssh and ssh2: one verified, authenticated connection, commands with bounds, raw channels. */
import { connect as connectTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { NodeSSH, type Config } from 'node-ssh';
import type { Client, ClientChannel } from 'ssh2';
import { fail, ok, type Failure, type Result } from '../../../model/errors.ts';
import { makeAuthHandler, type AuthRecord } from './auth.ts';
import { HostKeyBlockedError, readKnownHosts, verifyHostKey, type HostKeyBlock } from './host-key.ts';
import { knownKeyTypes } from './known-hosts.ts';
import type { SshQuestions } from './questions.ts';
import type { SshTarget } from './target.ts';

/** A command prints at most this much; the rest is dropped and said so. */
const OUTPUT_MAX_BYTES = 1 << 20;
/** The exit code a shell would give for a command that a signal ended. */
const KILLED_BY_SIGNAL = 128;
/** Host key types that ssh2 knows; naming another one in `algorithms` throws. */
const SUPPORTED_KEY_TYPES = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
];

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

export interface SshConnection {
  readonly target: SshTarget;
  /** Runs a fixed command with `stdin`, collecting its output; `onStdout` sees it as it comes. */
  run(
    command: string,
    options: { stdin: string | Buffer; timeoutMs: number; onStdout?: (text: string) => void },
  ): Promise<Result<CommandResult>>;
  /** A raw channel to a command; the caller owns it. */
  open(
    command: string,
    timeoutMs: number,
  ): Promise<Result<Duplex & { readonly stderr: NodeJS.ReadableStream }>>;
  /** Called once, when the link is gone for whatever reason. */
  onClose(listener: (failure: Failure) => void): void;
  close(): void;
}

export type OpenOutcome = Result<SshConnection> & { readonly block?: HostKeyBlock };

const detailOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function connectFailure(
  target: SshTarget,
  error: unknown,
  record: AuthRecord,
  timedOut: string | null,
): Failure {
  const where = `${target.user}@${target.hostName}:${String(target.port)}`;
  const { level, code } = error as { level?: string; code?: string };
  const make = (kind: Failure['code'], message: string): Failure => ({
    code: kind,
    message,
    detail: detailOf(error),
  });
  if (timedOut !== null)
    return make(
      'timed-out',
      `${target.name} (${where}) did not answer within ${String(target.connectTimeoutMs / 1000)} s while ${timedOut}. Nothing was changed there; check the network and try again.`,
    );
  if (record.cancelled)
    return make(
      'authentication-cancelled',
      `Signing in to ${target.name} was cancelled. Nothing was changed there.`,
    );
  if (level === 'client-authentication') {
    const tried = record.tried.length > 0 ? record.tried.join(', ') : 'nothing that the server accepts';
    return make(
      'authentication-failed',
      `${target.name} (${where}) refused the sign-in after ${tried}. Nothing was changed there; check the user name, the key or the password.`,
    );
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return make(
      'host-unreachable',
      `${target.hostName} is not a name that this machine can resolve. Nothing was changed; check HostName of ${target.name}.`,
    );
  if (code === 'ECONNREFUSED')
    return make(
      'host-unreachable',
      `${target.name} (${where}) refuses connections: no SSH server listens there. Nothing was changed.`,
    );
  return make(
    'host-unreachable',
    `${target.name} (${where}) can not be reached: ${detailOf(error)}. Nothing was changed there; it is tried again when you ask.`,
  );
}

async function tcpSocket(target: SshTarget, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // Without the native addon ssh2 writes in small pieces: Nagle would cost 44 ms a round trip.
    const socket = connectTcp({ host: target.hostName, port: target.port, noDelay: true });
    const abort = () => socket.destroy(new Error('the connection took too long'));
    signal.addEventListener('abort', abort, { once: true });
    socket.once('connect', () => {
      signal.removeEventListener('abort', abort);
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

/** The TCP stream through a jump host. */
async function throughJump(jump: SshConnectionImpl, target: SshTarget): Promise<Duplex> {
  // The jump's sshd sets TCP_NODELAY only once a session channel was opened: one `true` saves 44 ms a round trip.
  await jump.run('true', { stdin: '', timeoutMs: target.connectTimeoutMs });
  return new Promise((resolve, reject) => {
    jump.client.forwardOut('127.0.0.1', 0, target.hostName, target.port, (error, stream) => {
      if (error)
        reject(
          new Error(
            `${jump.target.name} does not forward to ${target.hostName}:${String(target.port)}: ${error.message}`,
          ),
        );
      else resolve(stream);
    });
  });
}

class SshConnectionImpl implements SshConnection {
  readonly target: SshTarget;
  readonly client: Client;
  private readonly ssh: NodeSSH;
  private readonly jump: SshConnectionImpl | null;
  private readonly closeListeners: ((failure: Failure) => void)[] = [];
  private lost: Failure | null = null;
  private lastError: unknown = null;

  constructor(target: SshTarget, ssh: NodeSSH, client: Client, jump: SshConnectionImpl | null) {
    this.target = target;
    this.ssh = ssh;
    this.client = client;
    this.jump = jump;
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
      this.jump?.close();
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
    this.jump?.close();
  }

  async open(
    command: string,
    timeoutMs: number,
  ): Promise<Result<Duplex & { readonly stderr: NodeJS.ReadableStream }>> {
    if (this.lost) return { ok: false, error: this.lost };
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        resolve(
          fail(
            'timed-out',
            `${this.target.name} did not open a channel within ${String(timeoutMs / 1000)} s. Nothing was started there; try again.`,
          ),
        );
      }, timeoutMs);
      const settle = (error: Error | undefined, channel: ClientChannel | undefined): void => {
        clearTimeout(timer);
        if (channel) resolve(ok(channel));
        else
          resolve(
            fail(
              'connection-lost',
              `${this.target.name} did not open a channel. Nothing was started there; its sshd may limit sessions (MaxSessions).`,
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

  async run(
    command: string,
    options: { stdin: string | Buffer; timeoutMs: number; onStdout?: (text: string) => void },
  ): Promise<Result<CommandResult>> {
    const opened = await this.open(command, options.timeoutMs);
    if (!opened.ok) return opened;
    const channel = opened.value as ClientChannel;
    return new Promise((resolve) => {
      const out = { stdout: '', stderr: '' };
      let code: number | null = null;
      const collect = (key: 'stdout' | 'stderr') => (chunk: string) => {
        if (out[key].length < OUTPUT_MAX_BYTES) out[key] += chunk;
        if (key === 'stdout') options.onStdout?.(chunk);
      };
      const timer = setTimeout(() => {
        channel.destroy();
        resolve(
          fail(
            'timed-out',
            `A command on ${this.target.name} did not end within ${String(options.timeoutMs / 1000)} s and was cut off.`,
            out.stderr.slice(-2000),
          ),
        );
      }, options.timeoutMs);
      channel.setEncoding('utf8');
      channel.stderr.setEncoding('utf8');
      channel.on('data', collect('stdout'));
      channel.stderr.on('data', collect('stderr'));
      channel.on('error', () => undefined); // 'close' follows and tells
      channel.on('exit', (status: number | null) => {
        code = status ?? KILLED_BY_SIGNAL;
      });
      channel.on('close', () => {
        clearTimeout(timer);
        if (code === null)
          resolve({
            ok: false,
            error: this.lost ?? {
              code: 'connection-lost',
              message: `The connection to ${this.target.name} broke while a command ran.`,
              detail: out.stderr.slice(-2000),
            },
          });
        else resolve(ok({ ...out, code }));
      });
      channel.end(options.stdin);
    });
  }
}

async function handshake(
  target: SshTarget,
  sock: Duplex,
  questions: SshQuestions,
  jump: SshConnectionImpl | null,
  isJump: boolean,
  signal: AbortSignal,
): Promise<OpenOutcome> {
  const files = target.pinned ? ok([]) : await readKnownHosts(target);
  if (!files.ok) return files;
  const known = knownKeyTypes(files.value, target.hostKeyAlias ?? target.hostName, target.port);
  const record: AuthRecord = { tried: [], cancelled: false };
  let block: HostKeyBlock | null = null;
  let rejectedKey = false;
  let phase = 'exchanging keys';
  let timedOut: string | null = null;
  const ssh = new NodeSSH();
  // The clock runs only while the other side is to act: a question may stay open as long as the user likes.
  let timer: NodeJS.Timeout | undefined;
  const armTimer = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timedOut = phase;
      sock.destroy(new Error('timed out'));
    }, target.connectTimeoutMs);
  };
  const patient: SshQuestions = {
    hostKey: (q) => pause(questions.hostKey(q)),
    password: (q) => pause(questions.password(q)),
    passphrase: (q) => pause(questions.passphrase(q)),
    keyboard: (q) => pause(questions.keyboard(q)),
  };
  async function pause<T>(answer: Promise<T>): Promise<T> {
    clearTimeout(timer);
    const value = await answer;
    armTimer();
    return value;
  }
  const config: Config = {
    sock: sock,
    username: target.user,
    readyTimeout: 0,
    keepaliveInterval: target.keepaliveIntervalMs,
    keepaliveCountMax: target.keepaliveCountMax,
    strictVendor: false,
    hostVerifier: (key: Buffer, verify: (valid: boolean) => void) => {
      verifyHostKey(target, files.value, key, patient, isJump).then(
        (good) => {
          rejectedKey = !good;
          phase = 'signing in';
          verify(good);
        },
        (error: unknown) => {
          if (error instanceof HostKeyBlockedError) block = error.block;
          rejectedKey = true;
          verify(false);
        },
      );
    },
    authHandler: makeAuthHandler(target, patient, isJump, record) as never,
  };
  if (known.length > 0) {
    const rsa = known.includes('ssh-rsa') ? ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] : [];
    config.algorithms = {
      serverHostKey: {
        prepend: [...known.filter((type) => SUPPORTED_KEY_TYPES.includes(type)), ...rsa],
        append: [],
        remove: [],
      } as never,
    };
  }
  const abort = () => sock.destroy(new Error('cancelled'));
  signal.addEventListener('abort', abort, { once: true });
  armTimer();
  try {
    const connecting = ssh.connect(config);
    // A missing ssh-agent emits 'error' twice, a reset may come after 'ready': without a listener either ends the process.
    ssh.connection?.on('error', () => undefined);
    await connecting;
    if (!ssh.connection) throw new Error('the connection closed at once');
    return ok(new SshConnectionImpl(target, ssh, ssh.connection, jump));
  } catch (error) {
    sock.destroy();
    if (signal.aborted)
      return fail('cancelled', `Connecting to ${target.name} was cancelled. Nothing was changed there.`);
    if (block) return { ...blockedFailure(target, block), block };
    if (rejectedKey)
      return fail(
        'host-key-unknown',
        `The key of ${target.name} was not accepted, so nothing was sent to it.`,
      );
    return { ok: false, error: connectFailure(target, error, record, timedOut) };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

function blockedFailure(target: SshTarget, block: HostKeyBlock): Result<never> {
  const { known } = block.verdict;
  if (block.verdict.kind === 'revoked') {
    return fail(
      'host-key-revoked',
      `${target.name} showed a key that ${known.file} line ${String(known.line)} marks as revoked. Nothing was sent to it, and there is no way past this.`,
    );
  }
  return fail(
    'host-key-changed',
    `${target.name} showed another key than the one in ${known.file} line ${String(known.line)}. Nothing was sent to it. If the host was reinstalled, remove that line and connect again; if not, somebody may be in between.`,
  );
}

/** Connects, through the jump host if there is one. Host keys are verified before anything is authenticated. */
export async function openConnection(
  target: SshTarget,
  questions: SshQuestions,
  signal: AbortSignal,
): Promise<OpenOutcome> {
  let jump: SshConnectionImpl | null = null;
  let sock: Duplex;
  try {
    if (target.jump) {
      const first = await openHop(target.jump, questions, signal);
      if (!first.ok)
        return { ...first, error: { ...first.error, message: `Jump host: ${first.error.message}` } };
      jump = first.value as SshConnectionImpl;
      sock = await throughJump(jump, target);
    } else {
      sock = await timedTcp(target, signal);
    }
  } catch (error) {
    jump?.close();
    if (jump)
      return fail(
        'jump-failed',
        `${target.name} can not be reached through ${jump.target.name}. Nothing was changed there.`,
        detailOf(error),
      );
    return {
      ok: false,
      error: connectFailure(
        target,
        error,
        { tried: [], cancelled: false },
        error instanceof TcpTimeout ? 'connecting' : null,
      ),
    };
  }
  const outcome = await handshake(target, sock, questions, jump, false, signal);
  if (!outcome.ok) jump?.close();
  return outcome;
}

class TcpTimeout extends Error {}

/** AbortSignal.any would do, but Electron 25's Node 18 lacks it. */
async function timedTcp(target: SshTarget, signal: AbortSignal): Promise<Socket> {
  const both = new AbortController();
  let timedOut = false;
  const cancel = () => {
    both.abort();
  };
  const timer = setTimeout(() => {
    timedOut = true;
    both.abort();
  }, target.connectTimeoutMs);
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return await tcpSocket(target, both.signal);
  } catch (error) {
    throw timedOut ? new TcpTimeout(detailOf(error)) : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', cancel);
  }
}

async function openHop(
  target: SshTarget,
  questions: SshQuestions,
  signal: AbortSignal,
): Promise<OpenOutcome> {
  try {
    const sock = await timedTcp(target, signal);
    return await handshake(target, sock, questions, null, true, signal);
  } catch (error) {
    return {
      ok: false,
      error: connectFailure(
        target,
        error,
        { tried: [], cancelled: false },
        error instanceof TcpTimeout ? 'connecting' : null,
      ),
    };
  }
}
