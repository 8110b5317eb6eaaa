/** Commands of the host in view. */
import type { HostSnapshot } from '../../model/model.ts';
import { previousOf } from '../domain/agent-version.ts';
import { setRefusal } from '../domain/rights.ts';
import { ask } from '../store/ask.ts';
import { openDialog, selectHost } from '../store/ui.ts';
import { linkCommand } from '../acts/hosts.ts';
import type { Bound, CommandContext } from './context.ts';

const NO_HOST = 'Choose a host first.';

const DIGITS = [1, 2, 3, 4, 5, 6, 7, 8, 9] as const;
type HostDigit = `host.${(typeof DIGITS)[number]}`;

const connected = (host: HostSnapshot): boolean =>
  !['disconnected', 'failed', 'blocked'].includes(host.connection.kind);

function onHost(
  host: HostSnapshot | null,
  refusal: (host: HostSnapshot) => string | null,
  run: (host: HostSnapshot) => void,
): Bound {
  return {
    refusal: host === null ? NO_HOST : refusal(host),
    run: () => {
      if (host !== null) run(host);
    },
  };
}

const hasAgent = (host: HostSnapshot): string | null =>
  host.connection.kind === 'live' || host.connection.kind === 'stale'
    ? null
    : `No agent of ours is reached on ${host.name}.`;

export function hostCommands({ host, fleet }: CommandContext) {
  const never = (): null => null;
  const digits = DIGITS.map((n) => {
    const hostId = fleet.order[n - 1];
    const bound: Bound = {
      refusal: hostId === undefined ? `There are fewer than ${String(n)} hosts.` : null,
      run: () => {
        if (hostId !== undefined) selectHost(hostId);
      },
    };
    return [`host.${n}`, bound] as const;
  });
  return {
    'host.open': onHost(
      host,
      (h) => (connected(h) ? `${h.name} is connected already.` : null),
      (h) => void ask('host:connect', { hostId: h.id }),
    ),
    'host.close': onHost(
      host,
      (h) => (connected(h) ? null : `${h.name} is not connected.`),
      (h) => void ask('host:disconnect', { hostId: h.id }),
    ),
    'host.retry': onHost(host, never, (h) => void ask('host:retry', { hostId: h.id })),
    'host.deploy': onHost(
      host,
      (h) => {
        const { connection } = h;
        if (connection.kind === 'preview') {
          return connection.canDeploy ? null : `Nothing can be installed on ${h.name}: see its page.`;
        }
        return connection.kind === 'live' && connection.upgradeTo !== null
          ? null
          : `There is nothing to install or upgrade on ${h.name}.`;
      },
      (h) => void ask('host:deploy', { hostId: h.id }),
    ),
    'host.link': onHost(host, hasAgent, (h) => void linkCommand(h)),
    'host.tags': onHost(host, never, (h) => openDialog({ kind: 'tags', hostId: h.id })),
    'host.quota': onHost(
      host,
      (h) => setRefusal(h),
      (h) => openDialog({ kind: 'quota', hostId: h.id, subject: null }),
    ),
    'host.roll-back': onHost(
      host,
      (h) =>
        hasAgent(h) ??
        (previousOf(h) === null ? `No earlier version of your agent is kept on ${h.name}.` : null),
      (h) => {
        const version = previousOf(h);
        if (version !== null) openDialog({ kind: 'roll-back', hostId: h.id, version });
      },
    ),
    'host.remove-agent': onHost(host, hasAgent, (h) => openDialog({ kind: 'remove-agent', hostId: h.id })),
    'host.forget': onHost(host, never, (h) => void ask('host:forget', { hostId: h.id })),
    ...(Object.fromEntries(digits) as Record<HostDigit, Bound>),
  } as const;
}
