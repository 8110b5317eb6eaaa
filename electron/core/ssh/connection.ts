/** How a verified, authenticated connection is opened, hop by hop. */
import type { Duplex } from 'node:stream';
import { fail, ok, type Result } from '../../../model/errors.ts';
import type { TransportChoice } from '../../../model/model.ts';
import { AuthRecord } from './auth-record.ts';
import { AbortedError, TookTooLongError, within } from './bounded.ts';
import { connectFailure, detailOf } from './failures.ts';
import { readKnownHosts, type HostKeyBlock } from './host-key.ts';
import type { JumpPool } from './jump-pool.ts';
import { handshake, type NativeOutcome } from './native.ts';
import { ProcessStream } from './process-stream.ts';
import type { SshQuestions } from './questions.ts';
import type { SshConnection } from './shell.ts';
import type { SignIns } from './sign-ins.ts';
import { ConnectTimeoutError, runProxyCommand, tcpSocket, throughJump } from './sockets.ts';
import { SystemConnection } from './system.ts';
import { machineOf, type SshTarget } from './target.ts';
import { chooseTransport, type ChosenTransport } from './transport.ts';

export type OpenOutcome = Result<SshConnection> & { readonly block?: HostKeyBlock };

export interface OpenOptions {
  readonly questions: SshQuestions;
  readonly signal: AbortSignal;
  readonly jumps: JumpPool;
  readonly signIns: SignIns;
  /** Nobody asked for this attempt just now: it may ask no person for a second factor more than once. */
  readonly automatic: boolean;
  /** Wraps a wait for somebody else, such as another host that signs in to the same gateway. */
  readonly wait: <T>(work: () => Promise<T>) => Promise<T>;
  readonly transport: TransportChoice;
  /** Told which one is used, and why. */
  readonly onTransport: (chosen: ChosenTransport) => void;
  /** Shorter limits than ConnectTimeout, for tries that follow each other; null for ConnectTimeout. */
  readonly eager: { readonly tcpMs: number; readonly handshakeMs: number } | null;
}

/** Keys, known_hosts and certificates of this computer: a home on a network that went away does not answer. */
const FILES_TIMEOUT_MS = 15_000;

/** Reads files of this computer's within a bound, or says that they cannot be read. */
async function fromFiles<T>(
  target: SshTarget,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<Result<T>> {
  try {
    return ok(await within(work(), { limitMs: FILES_TIMEOUT_MS, signal }));
  } catch (error) {
    if (error instanceof AbortedError) return cancelled(target);
    if (!(error instanceof TookTooLongError)) throw error;
    return fail(
      'timed-out',
      `The keys and known_hosts of this computer that ${target.name} needs could not be read within ${String(FILES_TIMEOUT_MS / 1000)} s; is your home on a network that is away? Nothing was sent to the host.`,
    );
  }
}

const cancelled = (target: SshTarget): Result<never> =>
  fail('cancelled', `Connecting to ${target.name} was cancelled. Nothing was changed there.`);

/** The stream to a host, and what has to be given back with it. */
interface Way {
  readonly sock: Duplex;
  readonly release: () => void;
}
const nothing = (): void => undefined;

async function findWay(
  target: SshTarget,
  options: OpenOptions,
): Promise<Result<Way> & { readonly block?: HostKeyBlock }> {
  const { signal } = options;
  const { jump } = target;
  if (jump) {
    const open = async () => {
      const opened = await openNative(jump, options, true);
      // The jump's sshd sets TCP_NODELAY only once a session channel was opened: one `true` saves 44 ms a round trip.
      // A jump that runs no commands forwards all the same, so what came of it does not matter.
      if (opened.ok) await opened.value.run('true', '', { timeoutMs: jump.connectTimeoutMs });
      return opened;
    };
    const hop = await options.jumps.lease(jump, signal, open, options.wait);
    if (!hop.ok) {
      const message = `On the way to ${target.name}: ${hop.error.message}`;
      return { ...hop, error: { ...hop.error, message } };
    }
    const { connection, release } = hop.value;
    try {
      return ok({ sock: await throughJump(connection.client, target, signal), release });
    } catch (error) {
      release();
      if (signal.aborted) return cancelled(target);
      return fail(
        'jump-failed',
        `${target.name} cannot be reached through ${jump.name}: ${jump.name} does not forward to ${target.hostName}:${String(target.port)}. Nothing was changed there; check that the host is up and that the jump host allows forwarding (AllowTcpForwarding).`,
        detailOf(error),
      );
    }
  }
  if (target.proxyCommand !== null)
    return ok({ sock: runProxyCommand(target.proxyCommand), release: nothing });
  try {
    return ok({
      sock: await tcpSocket(target, signal, options.eager?.tcpMs ?? target.connectTimeoutMs),
      release: nothing,
    });
  } catch (error) {
    if (signal.aborted) return cancelled(target);
    const timedOut = error instanceof ConnectTimeoutError ? 'connecting' : null;
    const circumstances = {
      record: new AuthRecord(),
      timedOut,
      limitMs: options.eager?.tcpMs ?? target.connectTimeoutMs,
      proxySaid: null,
      greeting: '',
    };
    return { ok: false, error: connectFailure(target, error, circumstances) };
  }
}

/** An attempt of our own that a person would have to confirm, where the last one was not confirmed. */
function whyNotUnasked(target: SshTarget, { automatic, signIns }: OpenOptions): Result<never> | null {
  if (!automatic || signIns.mayTryUnasked(machineOf(target))) return null;
  return fail(
    'sign-in-needs-you',
    `${target.name} lets nobody in without a second factor, and the last sign-in was not confirmed. It is not tried again by itself, so that no confirmations pile up; connect when you are ready. Nothing was changed there.`,
  );
}

async function openNative(target: SshTarget, options: OpenOptions, isJump: boolean): Promise<NativeOutcome> {
  const { signal, signIns } = options;
  const machine = machineOf(target);
  const unasked = whyNotUnasked(target, options);
  if (unasked) return unasked;
  const files = target.pinned ? ok(ok([])) : await fromFiles(target, signal, () => readKnownHosts(target));
  if (!files.ok) return files;
  if (!files.value.ok) return files.value;
  const way = await findWay(target, options);
  if (!way.ok) return way;
  // From here to the handshake nothing may be waited for: what the stream says would pass unheard.
  const { sock, release } = way.value;
  const proxySaid = sock instanceof ProcessStream ? () => sock.lastWords : () => null;
  const outcome = await handshake(target, sock, {
    questions: options.questions,
    signal,
    signIns,
    isJump,
    proxySaid,
    knownHosts: files.value.value,
    limitMs: options.eager?.handshakeMs ?? target.connectTimeoutMs,
    signInLimitMs: signIns.limitMs(machine, options.eager?.handshakeMs ?? null),
  });
  if (outcome.ok) outcome.value.onClose(release);
  else release();
  return outcome;
}

/**
 * Connects, over every hop there is. Host keys are verified before anything is authenticated. Settles with the signal,
 * whatever is waited for just then; a connection that comes up after that is closed again.
 */
export async function openConnection(target: SshTarget, options: OpenOptions): Promise<OpenOutcome> {
  const late = (outcome: OpenOutcome): void => {
    if (outcome.ok) outcome.value.close();
  };
  try {
    return await within(openOver(target, options), { limitMs: null, signal: options.signal }, late);
  } catch (error) {
    if (error instanceof AbortedError) return cancelled(target);
    throw error;
  }
}

async function openOver(target: SshTarget, options: OpenOptions): Promise<OpenOutcome> {
  const choice = await fromFiles(target, options.signal, () => chooseTransport(target, options.transport));
  if (!choice.ok) return choice;
  const chosen = choice.value;
  options.onTransport(chosen);
  if (chosen.reason !== null) return openSystem(target, options, chosen.reason);
  const native = await openNative(target, options, false);
  if (native.ok || native.error.code !== 'no-common-algorithm') return native;
  if (options.transport !== 'auto' || target.sshBinary === null) return native;
  const reason = 'it has no algorithm in common with the SSH inside Tranche';
  options.onTransport({ used: 'system', reason });
  return openSystem(target, options, reason);
}

async function openSystem(target: SshTarget, options: OpenOptions, reason: string): Promise<OpenOutcome> {
  if (target.sshBinary === null)
    return fail(
      'needs-system-ssh',
      `${target.name} can only be reached by an installed OpenSSH client, because ${reason}, and none was found on this computer. Nothing was changed; install one, or choose the built-in SSH for this host.`,
    );
  const unasked = whyNotUnasked(target, options);
  if (unasked) return unasked;
  const outcome = await SystemConnection.open(target, options);
  if (outcome.ok) return outcome;
  const message = `${outcome.error.message} (The system’s ssh is used because ${reason}.)`;
  return { ...outcome, error: { ...outcome.error, message } };
}
