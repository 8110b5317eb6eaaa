/** All hosts on one screen, as bars, charts, table or people. Hosts that are away keep their place and say so. */
import { memo, useDeferredValue, useMemo } from 'react';
import type { ReactElement } from 'react';
import type { HostSnapshot } from '../../model/model.ts';
import { gib } from '../../model/units.ts';
import { Button, cx } from '../components/bits.tsx';
import { Icon } from '../components/icons.tsx';
import { useSample, useTick } from '../components/use-sample.ts';
import { VirtualList } from '../components/virtual-list.tsx';
import { useFleet } from '../store/fleet.ts';
import { shownSample } from '../store/series.ts';
import { tagsOf, useTags } from '../store/tags.ts';
import { selectHost, useUi } from '../store/ui.ts';
import { GpuCharts } from '../features/charts/gpu-charts.tsx';
import { GpuCard } from '../features/gpus/gpu-card.tsx';
import { hostFigures } from '../domain/host-figures.ts';
import { useStatus } from '../features/hosts/host-row.tsx';
import { Plain } from '../features/hosts/host-states.tsx';
import { PeopleTable } from '../features/people/people-table.tsx';
import { matchesRow } from '../domain/slice-rows.ts';
import { SliceTable } from '../features/table/slice-table.tsx';
import { FleetHead } from './fleet-head.tsx';
import { fleetGroups, totalsOf } from '../features/fleet/fleet-groups.ts';
import type { FleetGroup, Place } from '../features/fleet/fleet-groups.ts';

type Item =
  | { readonly kind: 'group'; readonly group: FleetGroup }
  | { readonly kind: 'gpu'; readonly place: Place; readonly group: FleetGroup };

const HEAD_PX = 32;
const BARS_PX = 164;
const CHARTS_PX = 190;

function useHosts(): readonly HostSnapshot[] {
  const order = useFleet((s) => s.order);
  const hosts = useFleet((s) => s.hosts);
  return useMemo(() => order.flatMap((id) => hosts[id] ?? []), [order, hosts]);
}

export function FleetMain(): ReactElement {
  const hosts = useHosts();
  const tags = useTags((s) => s.tags);
  const fleetFilter = useUi((s) => s.fleetFilter);
  const grouping = useUi((s) => s.grouping);
  const view = useUi((s) => s.view);
  // The letter is in its box with the key that typed it; what it leaves of the list follows.
  const filter = useDeferredValue(fleetFilter);
  const tick = useTick();
  const groups = useMemo(
    () => fleetGroups(hosts, (id) => tagsOf(tags, id), grouping, filter),
    [hosts, tags, grouping, filter],
  );
  const places = groups.flatMap((group) => group.places);
  const totals = totalsOf(places, shownSample);
  const shownHosts = new Set(places.map((place) => place.host.id)).size;
  return (
    <main className="centre fleet">
      <FleetHead totals={totals} hosts={shownHosts} />
      {view === 'table' ? (
        <SliceTable
          hosts={hosts}
          sampleOf={shownSample}
          sampleKey={tick}
          keep={(row) => matchesRow(row, filter, tagsOf(tags, row.host.id))}
          name="fleet-slices"
          empty={filter === '' ? 'There are no slices yet.' : `No slice matches “${filter}”.`}
        />
      ) : view === 'people' ? (
        <PeopleTable
          hosts={hosts}
          sampleOf={shownSample}
          sampleKey={tick}
          keep={(row) => `${row.name} ${row.where}`.toLowerCase().includes(filter.trim().toLowerCase())}
          empty={filter === '' ? 'Nobody holds or uses a GPU.' : `Nobody matches “${filter}”.`}
        />
      ) : groups.length === 0 ? (
        <NothingFound filter={filter} />
      ) : (
        <Groups groups={groups} charts={view === 'charts'} />
      )}
    </main>
  );
}

function NothingFound({ filter }: { readonly filter: string }): ReactElement {
  return filter === '' ? (
    <Plain title="No GPUs in view" text="Connect to a host, and its GPUs appear here." />
  ) : (
    <Plain
      title={`Nothing matches “${filter}”`}
      text="Hosts, GPUs, slices, people and tags were searched."
      act={<Button onClick={() => useUi.setState({ fleetFilter: '' })}>Clear filter</Button>}
    />
  );
}

function Groups(props: { readonly groups: readonly FleetGroup[]; readonly charts: boolean }): ReactElement {
  const { groups, charts } = props;
  const items = groups.flatMap((group): Item[] => [
    { kind: 'group', group },
    ...group.places.map((place): Item => ({ kind: 'gpu', place, group })),
  ]);
  return (
    <VirtualList
      label="GPUs of all hosts"
      className="fleet-list"
      // What is out of sight is drawn with every sample all the same.
      overscan={1}
      items={items}
      keyOf={(item) =>
        item.kind === 'group' ? `group ${item.group.key}` : `${item.group.key} ${item.place.gpu.uuid}`
      }
      heightPx={(item) => (item.kind === 'group' ? HEAD_PX : charts ? CHARTS_PX : BARS_PX)}
      render={(item) =>
        item.kind === 'group' ? (
          <GroupHead group={item.group} />
        ) : (
          <Gpu place={item.place} showsHost={item.group.host === null} charts={charts} />
        )
      }
    />
  );
}

/** Scrolling draws the list anew with every frame; what it shows follows its own host alone. */
const Gpu = memo(function Gpu(props: {
  readonly place: Place;
  readonly showsHost: boolean;
  readonly charts: boolean;
}): ReactElement {
  const { host, gpu } = props.place;
  const sample = useSample(host.id);
  const old = host.connection.kind !== 'live';
  return (
    <div className={cx('gpus-one', old && 'gpus is-old')}>
      {props.charts ? (
        <GpuCharts host={host} gpu={gpu} sample={sample} showsHost={props.showsHost} />
      ) : (
        <GpuCard host={host} gpu={gpu} sample={sample} showsHost={props.showsHost} />
      )}
    </div>
  );
});

const GroupHead = memo(function GroupHead({ group }: { readonly group: FleetGroup }): ReactElement {
  const { host } = group;
  return host === null ? (
    <div className="fleet-group">
      <h2 className="cut">{group.title}</h2>
      <span className="small three">
        {group.places.length} {group.places.length === 1 ? 'GPU' : 'GPUs'}
      </span>
    </div>
  ) : (
    <HostHead host={host} />
  );
});

function HostHead({ host }: { readonly host: HostSnapshot }): ReactElement {
  const status = useStatus(host);
  const sample = useSample(host.id);
  const { freeBytes } = hostFigures(host, sample);
  const tags = useTags((s) => tagsOf(s.tags, host.id));
  return (
    <div className="fleet-group">
      <Icon name={status.glyph} tone={status.tone} />
      <h2 className="cut">
        <button type="button" className="link-plain cut" onClick={() => selectHost(host.id)}>
          {host.name}
        </button>
      </h2>
      {freeBytes !== null && <span className="small two fixed">{gib(freeBytes)} GiB free</span>}
      {tags.length > 0 && <span className="small three cut">{tags.join(', ')}</span>}
      {status.word !== null && (
        <span className={cx('small cut', status.tone === 'plain' ? 'two' : status.tone)}>{status.word}</span>
      )}
    </div>
  );
}
