/** How a verified, authenticated connection is opened, hop by hop. */
import type { Duplex } from 'node:stream';
import { fail, ok, type Result } from '../../../model/errors.ts';
import type { TransportChoice } from '../../../model/model.ts';
import { newAuthRecord } from './auth.ts';
import { connectFailure, detailOf } from './failures.ts';
import type { HostKeyBlock } from './host-key.ts';
import type { JumpPool } from './jump-pool.ts';
import { handshake, type NativeOutcome } from './native.ts';
import { ProcessStream } from './process-stream.ts';
import type { SshQuestions } from './questions.ts';
import type { SshConnection } from './shell.ts';
import { ConnectTimeoutError, runProxyCommand, tcpSocket, throughJump } from './sockets.ts';
import { SystemConnection } from './system.ts';
import type { SshTarget } from './target.ts';
import { chooseTransport, type ChosenTransport } from './transport.ts';

export type OpenOutcome = Result<SshConnection> & { readonly block?: HostKeyBlock };

export interface OpenOptions {
  readonly questions: SshQuestions;
  readonly signal: AbortSignal;
  readonly jumps: JumpPool;
  /** Wraps a wait for somebody else, such as another host that signs in to the same gateway. */
  readonly wait: <T>(work: () => Promise<T>) => Promise<T>;
  readonly transport: TransportChoice;
  /** Told which one is used, and why. */
  readonly onTransport: (chosen: ChosenTransport) => void;
  /** Shorter limits than ConnectTimeout, for tries that follow each other; null for ConnectTimeout. */
  readonly eager: { readonly tcpMs: number; readonly handshakeMs: number } | null;
}

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
      if (signal.aborted)
        return fail('cancelled', `Connecting to ${target.name} was cancelled. Nothing was changed there.`);
      return fail(
        'jump-failed',
        `${target.name} can not be reached through ${jump.name}: ${jump.name} does not forward to ${target.hostName}:${String(target.port)}. Nothing was changed there; check that the host is up and that the jump host allows forwarding (AllowTcpForwarding).`,
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
    if (signal.aborted)
      return fail('cancelled', `Connecting to ${target.name} was cancelled. Nothing was changed there.`);
    const timedOut = error instanceof ConnectTimeoutError ? 'connecting' : null;
    const circumstances = {
      record: newAuthRecord(),
      timedOut,
      limitMs: options.eager?.tcpMs ?? target.connectTimeoutMs,
      proxySaid: null,
    };
    return { ok: false, error: connectFailure(target, error, circumstances) };
  }
}

async function openNative(target: SshTarget, options: OpenOptions, isJump: boolean): Promise<NativeOutcome> {
  const way = await findWay(target, options);
  if (!way.ok) return way;
  const { sock, release } = way.value;
  const proxySaid = sock instanceof ProcessStream ? () => sock.lastWords : () => null;
  const outcome = await handshake(target, sock, {
    ...options,
    isJump,
    proxySaid,
    limitMs: options.eager?.handshakeMs ?? target.connectTimeoutMs,
  });
  if (outcome.ok) outcome.value.onClose(release);
  else release();
  return outcome;
}

/** Connects, over every hop there is. Host keys are verified before anything is authenticated. */
export async function openConnection(target: SshTarget, options: OpenOptions): Promise<OpenOutcome> {
  const chosen = await chooseTransport(target, options.transport);
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
  const outcome = await SystemConnection.open(target, options);
  if (outcome.ok) return outcome;
  const message = `${outcome.error.message} (The system’s ssh is used because ${reason}.)`;
  return { ...outcome, error: { ...outcome.error, message } };
}
