/** What happened, newest first: notices of agents, changes of state, edits made here. */
import type { ReactElement } from 'react';
import { useFleet } from '../../store/fleet.ts';
import { useUi } from '../../store/ui.ts';
import { clock } from '../gpus/gpu-sentence.ts';

export interface EventListProps {
  readonly hostId: string | null;
  readonly sliceId: string | null;
  readonly max: number;
}

export function EventList({ hostId, sliceId, max }: EventListProps): ReactElement {
  const events = useUi((s) => s.events);
  const hosts = useFleet((s) => s.hosts);
  const shown = events
    .filter((event) => hostId === null || event.hostId === hostId)
    .filter((event) => sliceId === null || event.sliceId === sliceId)
    .slice(-max)
    .reverse();
  if (shown.length === 0) {
    return <p className="small three">Nothing has happened since this window was opened.</p>;
  }
  return (
    <dl className="ledger events">
      {shown.map((event) => (
        <div key={event.id}>
          <dd>{clock(event.atMs)}</dd>
          <dt className={event.tone === 'plain' ? '' : event.tone}>
            {hostId === null && <span className="two">{hosts[event.hostId]?.name ?? event.hostId}: </span>}
            {event.text}
            {event.count > 1 && (
              <b className="strong">
                {' '}
                {event.count} times since {clock(event.firstAtMs)}
              </b>
            )}
          </dt>
        </div>
      ))}
    </dl>
  );
}
