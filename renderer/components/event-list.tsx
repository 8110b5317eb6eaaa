/** What happened, newest first: notices of agents, changes of state, edits made here; and before it what was kept. */
import { useEffect } from 'react';
import type { ReactElement } from 'react';
import type { HostSnapshot } from '../../model/model.ts';
import { pastEvents } from '../domain/past-events.ts';
import { yourName } from '../domain/slice-edits.ts';
import { clock, dayTime } from '../domain/when.ts';
import { EMPTY_TRAIL, loadNewest, useTrail } from '../store/audit.ts';
import type { AuditTrail } from '../store/audit.ts';
import { useFleet } from '../store/fleet.ts';
import { shownSample } from '../store/series.ts';
import { OPENED_AT_MS, useUi } from '../store/ui.ts';
import type { LoggedEvent } from '../store/ui.ts';

export interface EventListProps {
  /** null: of all hosts, what this window has seen. */
  readonly hostId: string | null;
  readonly sliceId: string | null;
  readonly max: number;
}

interface Line {
  readonly key: string;
  readonly hostId: string | null;
  readonly atMs: number;
  readonly tone: LoggedEvent['tone'];
  readonly text: string;
  readonly again: string | null;
}

const lineOf = (event: LoggedEvent): Line => ({
  key: String(event.id),
  hostId: event.hostId,
  atMs: event.atMs,
  tone: event.tone,
  text: event.text,
  again: event.count > 1 ? `${String(event.count)} times since ${clock(event.firstAtMs)}` : null,
});

/** The newest that the agent has kept: of the host, and of a slice that is not among those, for itself. */
function useNewest(host: HostSnapshot | null, sliceId: string | null): AuditTrail | null {
  const hostId = host?.id ?? '';
  const all = useTrail(hostId, null);
  const own = useTrail(hostId, sliceId);
  const live = host?.connection.kind === 'live';
  const found = all?.records.filter((record) => sliceId === null || record.sliceId === sliceId) ?? [];
  const isWhole = sliceId === null || found.length > 0 || all?.nextBeforeSeq === null;
  const wants = !live
    ? null
    : all === null
      ? 'all'
      : all.state === 'ready' && !isWhole && own === null
        ? 'own'
        : null;
  useEffect(() => {
    if (wants !== null) void loadNewest(hostId, wants === 'all' ? null : sliceId);
  }, [hostId, sliceId, wants]);
  return isWhole ? all && { ...all, records: found } : (own ?? EMPTY_TRAIL);
}

/** What the agent has kept, in lines, and what there is to say while there is none of it. */
function useKept(
  host: HostSnapshot | null,
  sliceId: string | null,
): { lines: readonly Line[]; none: string } {
  const trail = useNewest(host, sliceId);
  const live = host?.connection.kind === 'live';
  const since = 'Nothing has happened since this window was opened';
  if (host === null) return { lines: [], none: `${since}. What was before is in each host’s own events.` };
  const asked = { sliceId, openedAtMs: OPENED_AT_MS, yourName: yourName(host) };
  const lines = pastEvents(host, trail?.records ?? [], shownSample(host.id), asked).map((event): Line => ({
    ...event,
    hostId: host.id,
    again: null,
  }));
  const none =
    trail?.state === 'failed'
      ? `${since}; what was before could not be read: ${trail.failure?.message ?? ''}`
      : trail?.state === 'ready'
        ? 'Nothing has happened, as far as the agent has kept it.'
        : live
          ? 'Reading what happened…'
          : `${since}, and ${host.name} is not connected.`;
  return { lines, none };
}

export function EventList({ hostId, sliceId, max }: EventListProps): ReactElement {
  const events = useUi((s) => s.events);
  const hosts = useFleet((s) => s.hosts);
  const { lines, none } = useKept(hostId === null ? null : (hosts[hostId] ?? null), sliceId);
  const own = events
    .filter((event) => hostId === null || event.hostId === hostId)
    .filter((event) => sliceId === null || event.sliceId === sliceId)
    .map(lineOf);
  const shown = [...own, ...lines].sort((a, b) => b.atMs - a.atMs).slice(0, max);
  if (shown.length === 0) return <p className="small three">{none}</p>;
  return (
    <dl className="ledger events">
      {shown.map((line) => (
        <div key={line.key}>
          <dd>{dayTime(line.atMs)}</dd>
          <dt className={line.tone === 'plain' ? '' : line.tone}>
            {hostId === null && line.hostId !== null && (
              <span className="two">{hosts[line.hostId]?.name ?? line.hostId}: </span>
            )}
            {line.text}
            {line.again !== null && <b className="strong"> {line.again}</b>}
          </dt>
        </div>
      ))}
    </dl>
  );
}
