/** One verified, authenticated connection to a host: what it can do, and how one is opened, hop by hop. */
import type { Duplex } from 'node:stream';
import { fail, ok, type Failure, type Result } from '../../../model/errors.ts';
import { newAuthRecord } from './auth.ts';
import { connectFailure, detailOf } from './failures.ts';
import type { HostKeyBlock } from './host-key.ts';
import { handshake, type NativeConnection } from './native.ts';
import { ProcessStream } from './process-stream.ts';
import type { SshQuestions } from './questions.ts';
import { ConnectTimeoutError, runProxyCommand, tcpSocket, throughJump } from './sockets.ts';
import type { SshTarget } from './target.ts';

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

export type CommandChannel = Duplex & { readonly stderr: NodeJS.ReadableStream };

export interface RunOptions {
  readonly stdin: string | Buffer;
  readonly timeoutMs: number;
  readonly onStdout?: (text: string) => void;
}

export interface SshConnection {
  readonly target: SshTarget;
  /** Runs a fixed command with `stdin`, collecting its output; `onStdout` sees it as it comes. */
  run(command: string, options: RunOptions): Promise<Result<CommandResult>>;
  /** A raw channel to a command; the caller owns it. */
  open(command: string, timeoutMs: number): Promise<Result<CommandChannel>>;
  /** Called once, when the link is gone for whatever reason. */
  onClose(listener: (failure: Failure) => void): void;
  close(): void;
}

export type OpenOutcome = Result<SshConnection> & { readonly block?: HostKeyBlock };
export type NativeOutcome = Result<NativeConnection> & { readonly block?: HostKeyBlock };

/** The stream to a host, and what has to be closed with it. */
interface Way {
  readonly sock: Duplex;
  readonly jump: NativeConnection | null;
}

async function findWay(
  target: SshTarget,
  questions: SshQuestions,
  signal: AbortSignal,
): Promise<Result<Way> & { readonly block?: HostKeyBlock }> {
  if (target.jump) {
    const hop = await openNative(target.jump, questions, signal, true);
    if (!hop.ok) {
      const message = `On the way to ${target.name}: ${hop.error.message}`;
      return { ...hop, error: { ...hop.error, message } };
    }
    // The jump's sshd sets TCP_NODELAY only once a session channel was opened: one `true` saves 44 ms a round trip.
    // A jump that runs no commands forwards all the same, so what came of it does not matter.
    await hop.value.run('true', { stdin: '', timeoutMs: target.connectTimeoutMs });
    try {
      return ok({ sock: await throughJump(hop.value.client, target, signal), jump: hop.value });
    } catch (error) {
      hop.value.close();
      if (signal.aborted)
        return fail('cancelled', `Connecting to ${target.name} was cancelled. Nothing was changed there.`);
      return fail(
        'jump-failed',
        `${target.name} can not be reached through ${target.jump.name}: ${target.jump.name} does not forward to ${target.hostName}:${String(target.port)}. Nothing was changed there; check that the host is up and that the jump host allows forwarding (AllowTcpForwarding).`,
        detailOf(error),
      );
    }
  }
  if (target.proxyCommand !== null) return ok({ sock: runProxyCommand(target.proxyCommand), jump: null });
  try {
    return ok({ sock: await tcpSocket(target, signal), jump: null });
  } catch (error) {
    if (signal.aborted)
      return fail('cancelled', `Connecting to ${target.name} was cancelled. Nothing was changed there.`);
    const timedOut = error instanceof ConnectTimeoutError ? 'connecting' : null;
    const circumstances = { record: newAuthRecord(), timedOut, proxySaid: null, untried: [] };
    return { ok: false, error: connectFailure(target, error, circumstances) };
  }
}

async function openNative(
  target: SshTarget,
  questions: SshQuestions,
  signal: AbortSignal,
  isJump: boolean,
): Promise<NativeOutcome> {
  const way = await findWay(target, questions, signal);
  if (!way.ok) return way;
  const { sock, jump } = way.value;
  const proxySaid = sock instanceof ProcessStream ? () => sock.lastWords : () => null;
  const outcome = await handshake(target, sock, { questions, jump, isJump, signal, proxySaid });
  if (!outcome.ok) jump?.close();
  return outcome;
}

/** Connects, over every hop there is. Host keys are verified before anything is authenticated. */
export function openConnection(
  target: SshTarget,
  questions: SshQuestions,
  signal: AbortSignal,
): Promise<OpenOutcome> {
  return openNative(target, questions, signal, false);
}
