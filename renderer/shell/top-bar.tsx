/** Where you are, which range the charts show, live or paused, and the one act everybody comes for. */
import type { ReactElement } from 'react';
import type { HostSnapshot } from '../../model/model.ts';
import { shortGpuName } from '../domain/gpu-names.ts';
import { about } from '../store/ask.ts';
import { selectedGpu, selectedSlice } from '../store/selected.ts';
import { RANGES, openPalette, select, setRange, useUi } from '../store/ui.ts';
import { Button, cx } from '../components/bits.tsx';
import { Icon } from '../components/icons.tsx';
import { Menu } from '../components/menu.tsx';
import { commandKey } from '../commands/menu-entries.ts';
import { bindings, runCommand } from '../commands/registry.ts';

export function TopBar({ host }: { readonly host: HostSnapshot | null }): ReactElement {
  const range = useUi((s) => s.range);
  const paused = useUi((s) => s.paused);
  const scope = useUi((s) => s.scope);
  useUi((s) => s.selection);
  const gpu = host === null ? null : selectedGpu(host);
  const slice = host === null ? null : selectedSlice(host);
  const { refusal } = bindings()['slice.new'];
  return (
    <header className="top">
      <nav className="crumbs" aria-label="Where you are">
        {scope === 'fleet' && (
          <button
            type="button"
            className={cx('link-plain', host === null && 'here')}
            onClick={() => useUi.setState({ selection: { kind: 'host' } })}
          >
            All hosts
          </button>
        )}
        {scope === 'fleet' && gpu !== null && <Icon name="chevron" />}
        {host === null || (scope === 'fleet' && gpu === null) ? (
          scope === 'host' && <span className="here">Tranche</span>
        ) : (
          <button
            type="button"
            className={cx('link-plain cut', gpu === null && 'here')}
            onClick={() => select(host.id, { kind: 'host' })}
          >
            {host.name}
          </button>
        )}
        {host !== null && gpu !== null && (
          <>
            <Icon name="chevron" />
            <button
              type="button"
              className={cx('link-plain cut', slice === null && 'here')}
              onClick={() => select(host.id, { kind: 'gpu', uuid: gpu.uuid })}
            >
              GPU {gpu.index}
              <span className="wide"> · {shortGpuName(gpu)}</span>
            </button>
          </>
        )}
        {slice !== null && (
          <>
            <Icon name="chevron" />
            <span className="here cut">{slice.name}</span>
          </>
        )}
      </nav>
      <Button className="find-box" label="Search and run" onClick={() => openPalette()}>
        <Icon name="find" />
        <span className="wide cut">Search, or type 20g to find room</span>
        <kbd className="wide">{commandKey('palette.open')}</kbd>
      </Button>
      <div className="seg-ctl range-many" role="group" aria-label="Range of the charts">
        {RANGES.map((name) => (
          <button key={name} type="button" aria-pressed={range === name} onClick={() => setRange(name)}>
            {name}
          </button>
        ))}
      </div>
      <Menu
        rootClassName="range-one"
        label={`Range of the charts: ${range}`}
        entries={RANGES.map((name) => ({
          key: name,
          label: name,
          checked: range === name,
          onPick: () => setRange(name),
        }))}
      >
        {range} <Icon name="down" />
      </Menu>
      <Button
        className={cx('live', paused && 'is-paused')}
        onClick={() => runCommand('view.pause')}
        title={paused ? 'The picture stands still; sampling goes on' : 'Two pictures a second'}
      >
        <i aria-hidden="true" />
        {paused ? 'Paused' : 'Live'} <kbd className="wide">Space</kbd>
      </Button>
      <Button kind="primary" refusal={refusal} onClick={() => runCommand('slice.new')}>
        <Icon name="plus" />
        New slice <kbd className="wide">{about().transport === 'serve' ? 'N' : commandKey('slice.new')}</kbd>
      </Button>
    </header>
  );
}
