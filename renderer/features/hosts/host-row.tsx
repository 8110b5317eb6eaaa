/** One host: state glyph and word, free memory, a small bar per GPU, and the one act that helps. */
import type { ReactElement } from 'react';
import type { HostSnapshot } from '../../../model/model.ts';
import { GIB, gib } from '../../../model/units.ts';
import { hostFigures } from '../../domain/host-figures.ts';
import { hostStatus } from '../../domain/host-status.ts';
import type { HostStatus } from '../../domain/host-status.ts';
import { ask } from '../../store/ask.ts';
import { sampleReceivedAtMs } from '../../store/series.ts';
import { selectHost, useUi } from '../../store/ui.ts';
import { cx, vars } from '../../components/bits.tsx';
import { Icon } from '../../components/icons.tsx';
import { useNow, useSample } from '../../components/use-sample.ts';

export function useStatus(host: HostSnapshot): HostStatus {
  const nowMs = useNow();
  const received = sampleReceivedAtMs(host.id);
  const { connection } = host;
  // A sample that came with the snapshot was not received by us: its own age is the best there is.
  const lastMs = received ?? (connection.kind === 'stale' ? connection.lastSampleAtMs : null);
  return hostStatus(connection, host.source === 'demo', nowMs, lastMs === null ? null : nowMs - lastMs);
}

const ACT_WORDS = { retry: 'Retry', compare: 'Compare', answer: 'Answer' } as const;

function act(host: HostSnapshot, what: NonNullable<HostStatus['act']>): void {
  selectHost(host.id);
  if (what === 'retry') void ask('host:retry', { hostId: host.id });
  if (what === 'answer') useUi.setState({ hiddenPromptIds: [] });
}

export function HostRow({ host }: { readonly host: HostSnapshot }): ReactElement {
  const status = useStatus(host);
  const sample = useSample(host.id);
  const on = useUi((s) => s.hostId === host.id && s.scope === 'host');
  const { freeBytes, minis } = hostFigures(host, sample);
  const showsMinis = minis.length > 0 && status.glyph !== 'retry' && status.glyph !== 'block';
  const choose = (): void => {
    selectHost(host.id);
    if (host.connection.kind === 'disconnected') void ask('host:connect', { hostId: host.id });
  };
  return (
    <li
      data-host={host.id}
      className={cx(
        'host',
        on && 'is-on',
        status.old && 'is-old',
        host.connection.kind === 'disconnected' && 'is-off',
      )}
    >
      <button
        type="button"
        className="host-hit"
        data-host-row
        aria-current={on || undefined}
        aria-label={`${host.name}, ${status.word ?? 'live'}${freeBytes === null ? '' : `, ${gib(freeBytes)} GiB free`}`}
        title={[host.name, host.address, status.word].filter((line) => line !== null).join('\n')}
        onClick={choose}
      />
      <Icon name={status.glyph} tone={status.tone} />
      <span className="name cut">{host.name}</span>
      {status.act === null ? (
        freeBytes !== null && <span className="free">{gib(freeBytes)}</span>
      ) : (
        <button type="button" className="micro act" onClick={() => act(host, status.act ?? 'retry')}>
          {ACT_WORDS[status.act]}
        </button>
      )}
      {showsMinis && (
        <div className="sub mini" aria-hidden="true">
          {minis.map((mini) => (
            <span
              key={mini.key}
              style={vars({
                '--gib': mini.capacityBytes / GIB,
                // To the percent: it is a few pixels wide, and there are hundreds.
                '--lim': Math.round(mini.limitShare * 100),
                '--used': Math.round(mini.usedShare * 100),
              })}
            />
          ))}
        </div>
      )}
      {status.word !== null && (
        <div className={cx('sub micro cut', status.tone === 'plain' ? 'three' : status.tone)}>
          {status.word}
        </div>
      )}
    </li>
  );
}
