/** The centre column: what a host looks like in each state of its connection. */
import { useMemo } from 'react';
import type { ReactElement } from 'react';
import type { Sample } from '../../model/sample.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { assertNever } from '../../model/errors.ts';
import { gib } from '../../model/units.ts';
import { Button, cx } from '../components/bits.tsx';
import { Icon } from '../components/icons.tsx';
import { useSample } from '../components/use-sample.ts';
import { ask } from '../store/ask.ts';
import { select, useUi } from '../store/ui.ts';
import { GpuCharts } from '../features/charts/gpu-charts.tsx';
import { GpuCard } from '../features/gpus/gpu-card.tsx';
import { PeopleTable } from '../features/people/people-table.tsx';
import { ViewSwitch } from './view-switch.tsx';
import { ColumnsMenu } from '../features/table/columns-menu.tsx';
import { ONE_HOST_COLUMNS, SliceTable } from '../features/table/slice-table.tsx';
import { Dock } from './dock.tsx';
import { hostFigures } from '../domain/host-figures.ts';
import { useStatus } from '../features/hosts/host-row.tsx';
import { BlockedView, DeployView, FailedView, Plain, PreviewView } from '../features/hosts/host-states.tsx';
import { People } from '../features/hosts/people.tsx';
import { lookForGpus } from '../acts/hosts.ts';

export function HostMain({ host }: { readonly host: HostSnapshot }): ReactElement {
  const sample = useSample(host.id);
  return (
    <main className="centre">
      <HostHead host={host} sample={sample} />
      <Body host={host} sample={sample} />
    </main>
  );
}

function headText(host: HostSnapshot, sample: Sample | null): ReactElement {
  const { freeBytes, capacityBytes, minis } = hostFigures(host, sample);
  const free = freeBytes === null ? null : gib(freeBytes);
  const wide = [
    minis.length > 0 ? `${String(minis.length)} ${minis.length === 1 ? 'GPU' : 'GPUs'}` : null,
    // Driver, agent and, where there is more to say, the address stand in the inspector.
    minis.length > 0 ? null : host.address,
  ].filter((part) => part !== null);
  return (
    <span className="small two cut grow" title={host.address ?? undefined}>
      {free}
      {free !== null && <span className="wide"> of {gib(capacityBytes)}</span>}
      {free !== null && ' GiB free'}
      <span className="wide">
        {free !== null && wide.length > 0 ? ' · ' : ''}
        {wide.join(' · ')}
      </span>
    </span>
  );
}

function HostHead(props: { readonly host: HostSnapshot; readonly sample: Sample | null }): ReactElement {
  const { host, sample } = props;
  const status = useStatus(host);
  const view = useUi((s) => s.view);
  return (
    <div className="host-head">
      <h1 className="cut">
        <button
          type="button"
          className="link-plain cut"
          title={host.name}
          onClick={() => select(host.id, { kind: 'host' })}
        >
          {host.name}
        </button>
      </h1>
      {headText(host, sample)}
      {status.word !== null && (
        <span className={cx('state-word small', status.tone)}>
          <Icon name={status.glyph} />
          {status.word}
        </span>
      )}
      {host.gpus.length > 0 && (
        <>
          {view === 'table' && <ColumnsMenu name="host-slices" sortBy="limit" columns={ONE_HOST_COLUMNS} />}
          <ViewSwitch />
        </>
      )}
    </div>
  );
}

function Body(props: { readonly host: HostSnapshot; readonly sample: Sample | null }): ReactElement {
  const { host, sample } = props;
  const { connection } = host;
  switch (connection.kind) {
    case 'disconnected':
      return (
        <Plain
          title={`${host.name} is not connected`}
          text="Nothing is read from it and nothing runs for you there."
          act={
            <Button kind="primary" onClick={() => void ask('host:connect', { hostId: host.id })}>
              Connect
            </Button>
          }
        />
      );
    case 'connecting':
      return (
        <Plain
          title={connection.step === '' ? `Connecting to ${host.name}` : connection.step}
          text={host.address ?? ''}
        />
      );
    case 'asking':
      return (
        <Plain
          title={`${host.name} waits for your answer`}
          text="The connection goes on when you have answered."
          act={<Button onClick={() => useUi.setState({ hiddenPromptIds: [] })}>Answer</Button>}
        />
      );
    case 'preview':
      return <PreviewView host={host} connection={connection} />;
    case 'deploying':
      return <DeployView host={host} connection={connection} />;
    case 'live':
      if (host.gpus.length === 0) {
        return (
          <Plain
            title="No GPU to manage"
            text={connection.agent.gpuNote ?? 'The agent reported no GPU.'}
            act={<Button onClick={() => void lookForGpus(host)}>Look again</Button>}
          />
        );
      }
      return <Cards host={host} sample={sample} />;
    case 'stale':
      return <Cards host={host} sample={sample} old />;
    case 'reconnecting':
      return host.gpus.length > 0 ? (
        <Cards host={host} sample={sample} old />
      ) : (
        <FailedView host={host} failure={connection.failure} />
      );
    case 'blocked':
      return <BlockedView host={host} connection={connection} />;
    case 'failed':
      return <FailedView host={host} failure={connection.failure} />;
    default:
      return assertNever(connection, 'connection state');
  }
}

function View(props: {
  readonly host: HostSnapshot;
  readonly sample: Sample | null;
  readonly old: boolean;
}): ReactElement {
  const { host, sample, old } = props;
  const view = useUi((s) => s.view);
  const hosts = useMemo(() => [host], [host]);
  const sampleOf = (): Sample | null => sample;
  switch (view) {
    case 'bars':
      return (
        <div className={cx('gpus', old && 'is-old')}>
          {host.gpus.map((gpu) => (
            <GpuCard key={gpu.uuid} host={host} gpu={gpu} sample={sample} />
          ))}
        </div>
      );
    case 'charts':
      return (
        <div className={cx('gpus', old && 'is-old')}>
          {host.gpus.map((gpu) => (
            <GpuCharts key={gpu.uuid} host={host} gpu={gpu} sample={sample} showsHost={false} />
          ))}
        </div>
      );
    case 'table':
      return (
        <SliceTable
          hosts={hosts}
          sampleOf={sampleOf}
          sampleKey={sample}
          name="host-slices"
          empty="There are no slices yet. New slice cuts one."
        />
      );
    case 'people':
      return (
        <PeopleTable
          hosts={hosts}
          sampleOf={sampleOf}
          sampleKey={sample}
          empty="Nobody holds or uses a GPU of this host."
        />
      );
    default:
      return assertNever(view, 'view');
  }
}

function Cards(props: {
  readonly host: HostSnapshot;
  readonly sample: Sample | null;
  readonly old?: boolean;
}): ReactElement {
  const { host, sample, old } = props;
  const { connection } = host;
  return (
    <>
      {connection.kind === 'reconnecting' && (
        <div className="banner warn-notice">
          <span className="grow">{connection.failure.message} What you see is the last known state.</span>
          <Button tight onClick={() => void ask('host:retry', { hostId: host.id })}>
            Retry now
          </Button>
        </div>
      )}
      {connection.kind === 'live' && connection.upgradeTo !== null && (
        <div className="banner">
          <span className="grow">
            Agent {connection.agent.version} runs here; this app brings {connection.upgradeTo}. Running
            programs keep theirs.
          </span>
          <Button tight onClick={() => void ask('host:deploy', { hostId: host.id })}>
            Upgrade
          </Button>
        </div>
      )}
      <People host={host} sample={sample} />
      <View host={host} sample={sample} old={old === true} />
      <Dock host={host} sample={sample} />
    </>
  );
}
