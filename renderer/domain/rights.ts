/** What you may do on a host, by the verbs that its agent has said, and why not. Pure. */
import type { HostSnapshot } from '../../model/model.ts';
import type { Verb } from '../../model/rights.ts';

/** To everybody's things; what is your own is asked for with isYours and its like. */
export const may = (host: HostSnapshot, verb: Verb): boolean =>
  (host.connection.kind === 'live' || host.connection.kind === 'stale') &&
  host.connection.agent.verbs.includes(verb);

function refusalOf(host: HostSnapshot, verb: Verb, act: string): string | null {
  const { connection } = host;
  if (connection.kind === 'live') {
    return may(host, verb)
      ? null
      : `Only ${connection.agent.managerName} and the operators they named change ${act} ${host.name}.`;
  }
  if (connection.kind === 'stale') return `${host.name} has not answered for a while.`;
  return `${host.name} is not connected.`;
}

/** Whether you may change slices here, and if not, why: said on every disabled control. */
export const editRefusal = (host: HostSnapshot): string | null =>
  refusalOf(host, 'slices-change', 'slices on');

/** The same for what holds for the whole host: quotas, slots, the guard, programs at the same time. */
export const setRefusal = (host: HostSnapshot): string | null => refusalOf(host, 'host-set', 'settings of');
