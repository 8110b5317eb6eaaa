/** What can go wrong on the way to a host, in sentences: what, where, what was left as it was, what next. Pure. */
import { fail, type Failure, type Result } from '../../../model/errors.ts';
import type { AuthRecord } from './auth-record.ts';
import type { HostKeyBlock } from './host-key.ts';
import type { SshTarget } from './target.ts';

export const detailOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export interface Circumstances {
  readonly record: AuthRecord;
  /** What the other side was expected to do when time ran out; null when it did not. */
  readonly timedOut: string | null;
  /** How long it was given. */
  readonly limitMs: number;
  /** What a ProxyCommand said on stderr. */
  readonly proxySaid: string | null;
  /** What the server said before its version; '' for nothing. */
  readonly greeting: string;
}

export const whereIs = (target: SshTarget): string =>
  `${target.user}@${target.hostName}:${String(target.port)}`;

/** `hopper (mira@10.0.0.7:22)`; one that was typed as its place is not said twice. */
export const nameAndPlace = (target: SshTarget): string => {
  const where = whereIs(target);
  const typed = [where, `${target.user}@${target.hostName}`, `${target.hostName}:${String(target.port)}`];
  return typed.includes(target.name) ? target.name : `${target.name} (${where})`;
};

export function connectFailure(target: SshTarget, error: unknown, circumstances: Circumstances): Failure {
  const { record, timedOut, limitMs, proxySaid, greeting } = circumstances;
  const who = nameAndPlace(target);
  const { level, code } = error as { level?: string; code?: string };
  const make = (kind: Failure['code'], message: string): Failure => ({
    code: kind,
    message,
    detail: [detailOf(error), proxySaid, record.banner, greeting]
      .filter((text) => text !== null && text !== '')
      .join('\n'),
  });
  if (record.cancelled)
    return make(
      'authentication-cancelled',
      `Signing in to ${target.name} was cancelled. Nothing was changed there.`,
    );
  if (record.impossible !== null)
    return make(
      'authentication-failed',
      `${who} does not let you in: ${record.impossible}. Nothing was changed there; sign in with ssh in a terminal once.`,
    );
  if (target.proxyCommand !== null && level !== 'client-authentication' && proxySaid !== null) {
    const said = proxySaid.split('\n').at(-1) ?? '';
    const why =
      timedOut === null
        ? 'ended before there was a connection'
        : `brought no connection within ${String(limitMs / 1000)} s`;
    return make(
      'proxy-failed',
      `The ProxyCommand to ${target.name} ${why}${said === '' ? '' : ` and said: ${said}`}. Nothing was changed there; try the command in a terminal: ${target.proxyCommand}`,
    );
  }
  if (timedOut !== null && record.said !== null)
    return make(
      'timed-out',
      `${who} did not let you in within ${String(limitMs / 1000)} s after it had said: ${record.said}. Nothing was changed there; confirm it in time, or try again.`,
    );
  if (timedOut !== null)
    return make(
      'timed-out',
      `${who} did not answer within ${String(limitMs / 1000)} s while ${timedOut}. Nothing was changed there; check the network and try again.`,
    );
  if (level === 'client-authentication') {
    const tried = record.tried.length > 0 ? record.tried.join(', ') : 'nothing that the server accepts';
    return make(
      'authentication-failed',
      `${who} refused the sign-in after ${tried}. Nothing was changed there; check the user name, the key or the password.`,
    );
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return make(
      'host-unreachable',
      `${target.hostName} is not a name that this machine can resolve. Nothing was changed; check HostName of ${target.name}.`,
    );
  if (code === 'EADDRNOTAVAIL' || code === 'EINVAL')
    return make(
      'host-unreachable',
      `${who} cannot be reached from ${target.bindAddress ?? 'here'}: ${detailOf(error)}. Nothing was changed there; check BindAddress and AddressFamily.`,
    );
  if (code === 'ECONNREFUSED')
    return make(
      'host-unreachable',
      `${who} refuses connections: no SSH server listens there. Nothing was changed.`,
    );
  if (/no matching/i.test(detailOf(error)))
    return make(
      'no-common-algorithm',
      `${who} and Tranche have no algorithm in common (${detailOf(error)}). Nothing was changed there; choose the system's ssh for this host.`,
    );
  return make(
    'host-unreachable',
    `${who} cannot be reached: ${detailOf(error)}${greeting === '' ? '' : `; it said: ${greeting.split('\n').at(-1) ?? ''}`}. Nothing was changed there; it is tried again when you ask.`,
  );
}

export function blockedFailure(target: SshTarget, block: HostKeyBlock): Result<never> {
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
