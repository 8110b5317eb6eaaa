/** All hosts at the left: filter, groups, one row each; connecting by name at the foot. */
import { useMemo, useRef } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';
import type { HostSnapshot } from '../../../model/model.ts';
import { useFleet } from '../../store/fleet.ts';
import { toggleDemo } from '../../store/live.ts';
import { openDialog, useUi } from '../../store/ui.ts';
import { Button, cx } from '../../components/bits.tsx';
import { FilterBox } from '../../components/filter-box.tsx';
import { Icon } from '../../components/icons.tsx';
import { AtPointer } from '../../components/menu.tsx';
import { PaneEdge } from '../../components/pane-edge.tsx';
import { around, commandKey, hostEntries, menuEntries } from '../../commands/menu-entries.ts';
import { runCommand } from '../../commands/registry.ts';
import { HostRow } from './host-row.tsx';

const GROUPS = [
  ['ssh-config', 'SSH config'],
  ['typed', 'Typed by you'],
  ['demo', 'Demo lab'],
] as const;

const matches = (host: HostSnapshot, filter: string): boolean =>
  `${host.name} ${host.address ?? ''}`.toLowerCase().includes(filter.trim().toLowerCase());

/** Above all groups: every host on one screen. */
function AllHosts(): ReactElement {
  const on = useUi((s) => s.scope === 'fleet');
  return (
    <li className={cx('host all-hosts', on && 'is-on')}>
      <button
        type="button"
        className="host-hit"
        data-host-row
        aria-current={on || undefined}
        aria-label="All hosts"
        onClick={() => runCommand('view.fleet')}
      />
      <Icon name="all" />
      <span className="name">All hosts</span>
      <kbd>{commandKey('view.fleet')}</kbd>
    </li>
  );
}

export function HostList(): ReactElement {
  const { order, hosts, demo, configNotes, loaded } = useFleet();
  const filter = useUi((s) => s.filter);
  const list = useRef<HTMLUListElement>(null);
  const all = useMemo(
    () => order.map((id) => hosts[id]).filter((host): host is HostSnapshot => host !== undefined),
    [order, hosts],
  );
  const shown = all.filter((host) => matches(host, filter));

  const onKey = (event: KeyboardEvent): void => {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    const rows = [...(list.current?.querySelectorAll<HTMLElement>('[data-host-row]') ?? [])];
    const at = rows.findIndex((row) => row === document.activeElement);
    rows[Math.max(0, Math.min(rows.length - 1, at + (event.key === 'ArrowDown' ? 1 : -1)))]?.focus();
    event.preventDefault();
  };

  return (
    <aside className="hosts" aria-label="Hosts">
      <PaneEdge pane="hosts" label="Width of the host list" />
      <FilterBox
        id="host-filter"
        placeholder="Filter hosts"
        label="Filter hosts"
        value={filter}
        onType={(filter) => useUi.setState({ filter })}
      >
        {filter === '' && <kbd>/</kbd>}
      </FilterBox>
      <AtPointer
        label="Commands for a host"
        entries={(hit) => {
          const id = around(hit, 'host');
          return id === null ? menuEntries(['host.connect', 'demo.toggle']) : hostEntries(id);
        }}
      >
        <ul ref={list} onKeyDown={onKey}>
          {all.length > 1 && filter === '' && <AllHosts />}
          {GROUPS.map(([source, title], index) => {
            const group = shown.filter((host) => host.source === source);
            const first = GROUPS.slice(0, index).every(([s]) => !shown.some((host) => host.source === s));
            if (group.length === 0) return null;
            return (
              <li key={source}>
                <div className="group">
                  <span className="cut">{title}</span>
                  {first && <span>GiB free</span>}
                </div>
                <ul>
                  {group.map((host) => (
                    <HostRow key={host.id} host={host} />
                  ))}
                </ul>
              </li>
            );
          })}
          {shown.length === 0 && all.length > 0 && (
            <li className="list-note small three">
              No host is called “{filter}”.
              <Button tight onClick={() => useUi.setState({ filter: '' })}>
                Clear filter
              </Button>
            </li>
          )}
          {loaded && all.length === 0 && <li className="list-note small three">No hosts yet.</li>}
          {configNotes.length > 0 && (
            <li className="list-note micro three" title={configNotes.join('\n')}>
              {configNotes.length === 1 ? 'One entry' : `${String(configNotes.length)} entries`} of your SSH
              config could not be used
            </li>
          )}
        </ul>
      </AtPointer>
      <footer>
        <Button kind="quiet" tight className="grow" onClick={() => openDialog({ kind: 'connect' })}>
          <Icon name="plus" />
          Connect…
        </Button>
        <Button
          kind="quiet"
          tight
          onClick={() => void toggleDemo()}
          refusal={demo.available || demo.running ? null : (demo.note ?? 'The demo lab needs Linux.')}
          title={demo.running ? 'Ends the simulated hosts' : 'Real agents on simulated GPUs, on this machine'}
        >
          <Icon name="demo" />
          {demo.running ? 'Stop demo' : 'Demo lab'}
        </Button>
      </footer>
    </aside>
  );
}
