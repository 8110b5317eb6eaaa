/** Head of the screen of all hosts: sums, filter, grouping, saved views, kind of view. */
import type { ReactElement } from 'react';
import { GIB, gib } from '../../model/units.ts';
import { GROUPINGS, openDialog, useUi } from '../store/ui.ts';
import type { Grouping } from '../store/ui.ts';
import { forgetView, openView, useViews } from '../store/views.ts';
import { Button } from '../components/bits.tsx';
import { FilterBox } from '../components/filter-box.tsx';
import { Icon } from '../components/icons.tsx';
import { Menu } from '../components/menu.tsx';
import type { MenuEntry } from '../components/menu.tsx';
import type { Totals } from '../features/fleet/fleet-groups.ts';
import { ColumnsMenu } from '../features/table/columns-menu.tsx';
import { SLICE_COLUMNS } from '../features/table/slice-table.tsx';
import { ViewSwitch } from './view-switch.tsx';

const GROUP_WORDS: Readonly<Record<Grouping, string>> = {
  host: 'By host',
  tag: 'By tag',
  model: 'By model',
  none: 'Not grouped',
};

const WHOLE_FROM = 1000 * GIB;
/** A tenth of a GiB says nothing beside thousands. */
const sum = (bytes: number | null): string =>
  bytes !== null && bytes >= WHOLE_FROM ? String(Math.round(bytes / GIB)) : gib(bytes);

function viewEntries(): readonly MenuEntry[] {
  const { items: views } = useViews.getState();
  return [
    ...views.map((view) => ({ key: `open ${view.name}`, label: view.name, onPick: () => openView(view) })),
    ...(views.length > 0 ? [{ key: 'line', line: true } as const] : []),
    { key: 'save', label: 'Save this view…', onPick: () => openDialog({ kind: 'save-view' }) },
    ...views.map((view) => ({
      key: `forget ${view.name}`,
      label: `Forget “${view.name}”`,
      onPick: () => forgetView(view.name),
    })),
  ];
}

export function FleetHead({
  totals,
  hosts,
}: {
  readonly totals: Totals;
  readonly hosts: number;
}): ReactElement {
  const filter = useUi((s) => s.fleetFilter);
  const grouping = useUi((s) => s.grouping);
  const view = useUi((s) => s.view);
  useViews((s) => s.items);
  const put = (fleetFilter: string): void => useUi.setState({ fleetFilter });
  const { gpus, capacityBytes, freeBytes, allocatedBytes, usedBytes } = totals;
  return (
    <>
      <div className="host-head">
        <h1>All hosts</h1>
        <span className="small two cut grow">
          {sum(freeBytes)} of {sum(capacityBytes)} GiB free
          <span className="wide">
            {' '}
            · {sum(allocatedBytes)} allocated · {sum(usedBytes)} used · {gpus} {gpus === 1 ? 'GPU' : 'GPUs'}{' '}
            on {hosts} {hosts === 1 ? 'host' : 'hosts'}
          </span>
        </span>
        <ViewSwitch />
      </div>
      <div className="fleet-tools">
        <FilterBox
          id="fleet-filter"
          placeholder="Filter by host, GPU, slice, person, tag"
          label="Filter all hosts"
          value={filter}
          onType={put}
        >
          {filter !== '' && (
            <Button kind="quiet" tight label="Clear filter" onClick={() => put('')}>
              <Icon name="close" />
            </Button>
          )}
        </FilterBox>
        {(view === 'bars' || view === 'charts') && (
          <Menu
            label={`Group: ${GROUP_WORDS[grouping]}`}
            className="btn tight"
            entries={GROUPINGS.map((name) => ({
              key: name,
              label: GROUP_WORDS[name],
              checked: grouping === name,
              onPick: () => useUi.setState({ grouping: name }),
            }))}
          >
            {GROUP_WORDS[grouping]} <Icon name="down" />
          </Menu>
        )}
        {view === 'table' && <ColumnsMenu name="fleet-slices" sortBy="limit" columns={SLICE_COLUMNS} />}
        <Menu label="Saved views" className="btn tight" entries={viewEntries()}>
          Views <Icon name="down" />
        </Menu>
      </div>
    </>
  );
}
