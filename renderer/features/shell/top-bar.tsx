/** Where you are, which range the charts show, live or paused, and the one act everybody comes for. */
import type { ReactElement } from 'react';
import type { HostSnapshot } from '../../../model/model.ts';
import { Button, cx } from '../../components/bits.tsx';
import { Icon } from '../../components/icons.tsx';
import { Menu } from '../../components/menu.tsx';
import { about, togglePaused } from '../../store/actions.ts';
import { RANGES, openDialog, select, setRange, useUi } from '../../store/ui.ts';
import { shortGpuName } from '../gpus/gpu-card.tsx';
import { editRefusal } from '../hosts/host-figures.ts';
import { selectedGpu, selectedSlice } from './selected.ts';

export const isMac = (): boolean => /mac/i.test(navigator.platform);
export const keyName = (key: string): string => (isMac() ? `⌘${key}` : `Ctrl ${key}`);

/** A browser keeps Ctrl+N for itself; the bare key works everywhere. */
export function openCreate(host: HostSnapshot | null): void {
  if (host === null || editRefusal(host) !== null) return;
  const gpu = selectedGpu(host) ?? host.gpus[0];
  if (gpu !== undefined) openDialog({ kind: 'create', hostId: host.id, gpuUuid: gpu.uuid });
}

export function TopBar({ host }: { readonly host: HostSnapshot | null }): ReactElement {
  const range = useUi((s) => s.range);
  const paused = useUi((s) => s.paused);
  useUi((s) => s.selection);
  const gpu = host === null ? null : selectedGpu(host);
  const slice = host === null ? null : selectedSlice(host);
  const refusal =
    host === null
      ? 'Choose a host first.'
      : host.gpus.length === 0
        ? `${host.name} has no GPU to cut.`
        : editRefusal(host);
  return (
    <header className="top">
      <nav className="crumbs" aria-label="Where you are">
        {host === null ? (
          <span className="here">Tranche</span>
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
              <span className="wide"> · {shortGpuName(gpu.name)}</span>
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
        onClick={() => void togglePaused()}
        title={paused ? 'The picture stands still; sampling goes on' : 'Two pictures a second'}
      >
        <i aria-hidden="true" />
        {paused ? 'Paused' : 'Live'} <kbd className="wide">Space</kbd>
      </Button>
      <Button kind="primary" refusal={refusal} onClick={() => openCreate(host)}>
        <Icon name="plus" />
        New slice <kbd className="wide">{about().transport === 'serve' ? 'N' : keyName('N')}</kbd>
      </Button>
    </header>
  );
}
