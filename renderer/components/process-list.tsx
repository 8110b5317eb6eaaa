/** Who is hit by an act that cannot be undone: people, PIDs, what runs, for how long. */
import type { ReactElement } from 'react';
import type { ProcessSample } from '../../model/sample.ts';
import { duration } from '../../model/units.ts';

const SHOWN_MAX = 8;

export function ProcessList({ processes }: { readonly processes: readonly ProcessSample[] }): ReactElement {
  return (
    <ul className="plain-list">
      {processes.slice(0, SHOWN_MAX).map((process) => (
        <li key={`${String(process.pid)} ${process.startTicks}`} className="small" title={process.command}>
          <span className="mono">{process.pid}</span> {process.user ?? '—'}{' '}
          <span className="mono">{process.command}</span>,{' '}
          {process.startedAtMs === null ? '—' : duration(Date.now() - process.startedAtMs)}
        </li>
      ))}
      {processes.length > SHOWN_MAX && (
        <li className="small three">and {processes.length - SHOWN_MAX} more</li>
      )}
    </ul>
  );
}

export const peopleIn = (processes: readonly ProcessSample[]): string =>
  [...new Set(processes.map((process) => process.user ?? 'somebody'))].join(', ');
