/** The state of everything in one line: counts by state, age of the newest sample, versions, what limits are worth. */
import type { ReactElement } from 'react';
import type { HostSnapshot } from '../../model/model.ts';
import { keepingOfHost } from '../domain/enforcement.ts';
import { useFleet } from '../store/fleet.ts';
import { droppedSamples, sampleReceivedAtMs, shownSample } from '../store/series.ts';
import { Icon } from '../components/icons.tsx';
import type { IconName } from '../components/icons.tsx';
import { useNow } from '../components/use-sample.ts';

const COUNTED: readonly (readonly [HostSnapshot['connection']['kind'], string, IconName, string])[] = [
  ['live', 'live', 'live', ''],
  ['stale', 'stale', 'stale', 'warn'],
  ['reconnecting', 'reconnecting', 'retry', 'warn'],
  ['blocked', 'blocked', 'block', 'bad'],
  ['failed', 'failed', 'block', 'bad'],
];

const age = (ms: number): string =>
  ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${String(Math.round(ms / 1000))} s`;

export function StatusBar({ host }: { readonly host: HostSnapshot | null }): ReactElement {
  const nowMs = useNow(500);
  const hosts = Object.values(useFleet((s) => s.hosts));
  const agents = hosts.flatMap((h) =>
    h.connection.kind === 'live' || h.connection.kind === 'stale' ? [h.connection.agent] : [],
  );
  const versions = [...new Set(agents.map((agent) => agent.version))].sort();
  const outdated = hosts.filter((h) => h.connection.kind === 'live' && h.connection.upgradeTo !== null);
  const received = hosts.map((h) => sampleReceivedAtMs(h.id)).filter((at) => at !== null);
  const newest = received.length === 0 ? null : nowMs - Math.max(...received);
  const dropped = droppedSamples();
  const agent =
    host !== null && (host.connection.kind === 'live' || host.connection.kind === 'stale')
      ? host.connection.agent
      : null;
  const keeping = host !== null && agent !== null ? keepingOfHost(host, shownSample(host.id)) : null;
  return (
    <footer className="status" aria-label="Status">
      {COUNTED.map(([kind, word, icon, tone]) => {
        const count = hosts.filter((h) => h.connection.kind === kind).length;
        return count === 0 ? null : (
          <span key={kind} className={tone}>
            <Icon name={icon} />
            {count} {word}
          </span>
        );
      })}
      <div className="grow" />
      {newest !== null && (
        <span className="wide2">
          newest sample {age(Math.max(0, newest))} ago, {dropped} dropped
        </span>
      )}
      {versions.length > 0 && (
        <span>{versions.length === 1 ? `agents ${versions[0] ?? ''}` : `agents ${versions.join(', ')}`}</span>
      )}
      {outdated.length > 0 && (
        <span className="wide2">
          {outdated.length === 1
            ? `${outdated[0]?.name ?? ''} can be upgraded`
            : `${String(outdated.length)} can be upgraded`}
        </span>
      )}
      {agent?.simulated === true && <span>simulated GPUs</span>}
      {keeping !== null && <span title={keeping.why}>limits are {keeping.word} on this host</span>}
    </footer>
  );
}
