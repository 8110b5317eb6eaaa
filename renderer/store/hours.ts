/** GPU-hours of people, by host: asked for while somebody looks at them, kept until then. */
import { useEffect } from 'react';
import { create } from 'zustand';
import type { PersonHours } from '../../model/people.ts';
import type { HostId, HostSnapshot } from '../../model/model.ts';
import { request } from './ask.ts';

export const HOURS_DAYS = 7;
const ASK_EVERY_MS = 60_000;

/** null: the agent does not count them, or did not answer. */
type Hours = Readonly<Record<HostId, readonly PersonHours[] | null>>;
export const useHours = create<{ readonly hours: Hours }>(() => ({ hours: {} }));

async function fetchHours(hostId: HostId): Promise<void> {
  const result = await request('hours:get', { hostId, days: HOURS_DAYS });
  // Nobody asked for a sentence: where there is no answer, a dash is shown.
  useHours.setState((s) => ({ hours: { ...s.hours, [hostId]: result.ok ? result.value : null } }));
}

/** Keeps the hours of the live hosts fresh for as long as a screen shows them. */
export function useFreshHours(hosts: readonly HostSnapshot[]): Hours {
  const live = hosts
    .filter((host) => host.connection.kind === 'live')
    .map((host) => host.id)
    .join('\n');
  useEffect(() => {
    const ids = live === '' ? [] : live.split('\n');
    const ask = (): void => {
      for (const id of ids) void fetchHours(id);
    };
    ask();
    const timer = setInterval(ask, ASK_EVERY_MS);
    return () => clearInterval(timer);
  }, [live]);
  return useHours((s) => s.hours);
}
