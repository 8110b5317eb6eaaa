/** The memory of one GPU as a piece of material. The bar is the control: its edges are the limits. */
import type { ReactElement } from 'react';
import { useState } from 'react';
import type { Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { GIB, gib, gibWithUnit, mibExact } from '../../../model/units.ts';
import { layoutBar, rulerMarks } from '../../domain/bar-layout.ts';
import type { BarLayout } from '../../domain/bar-layout.ts';
import { recentlyDenied } from '../../domain/gpu-sentence.ts';
import { cutRefusal, sliceSample } from '../../domain/host-figures.ts';
import type { GpuView } from '../../domain/host-figures.ts';
import type { Trial } from '../../domain/resize.ts';
import { presetBytes } from '../../domain/slice-edits.ts';
import { useOwnerClass } from '../../store/owners.ts';
import { hostNowMs } from '../../store/series.ts';
import { openDialog } from '../../store/ui.ts';
import { cx, vars } from '../../components/bits.tsx';
import { DeniedMark } from '../../components/icons.tsx';
import { Menu } from '../../components/menu.tsx';
import type { MenuEntry } from '../../components/menu.tsx';
import { createPreset } from '../../acts/slices.ts';
import { useDropTarget } from './drop-ghost.tsx';
import { EmptyOffers } from './empty-offers.tsx';
import { Segment } from './segment.tsx';

export interface BarProps {
  readonly host: HostSnapshot;
  readonly view: GpuView;
  readonly sample: Sample | null;
}

const place = (atBytes: number, sizeBytes: number) =>
  vars({ '--at': atBytes / GIB, '--gib': sizeBytes / GIB });

export function SliceBar({ host, view, sample }: BarProps): ReactElement {
  const { gpu, slices, layout } = view;
  /** The limit under the hand, so that free memory counts along; the rest of the bar stands still meanwhile. */
  const [trial, setTrial] = useState<readonly Trial[]>([]);
  const drop = useDropTarget(host, view, sample);
  const tried =
    trial.length === 0
      ? layout
      : layoutBar(
          gpu.capacityBytes,
          layout.unmanagedBytes,
          layout.segments.map((s) => trial.find((t) => t.id === s.id) ?? s),
        );
  // The rest of the bar stands still while an edge is pulled: room is what is left of the free ground beside it.
  const lastEnd = layout.unmanagedBytes + layout.segments.reduce((sum, s) => sum + s.limitBytes, 0);
  const roomAt = trial.some((t) => t.id === slices.at(-1)?.id) ? gpu.capacityBytes - tried.free : lastEnd;
  const roomBytes = gpu.capacityBytes - roomAt;
  const empty = slices.length === 0;
  return (
    <>
      <div className="bar" style={vars({ '--scale': layout.scale / GIB })} {...drop.handlers}>
        <div className="card-mem" style={place(0, gpu.capacityBytes)} />
        {layout.unmanagedBytes > 0 && (
          <div
            className="seg un"
            style={place(0, layout.unmanagedBytes)}
            title={`Unmanaged: ${gibWithUnit(layout.unmanagedBytes)} held by processes outside every slice, and by the driver`}
          />
        )}
        {empty && gpu.partitioned !== true && <EmptyOffers host={host} view={view} />}
        {layout.tail.map((tail) => {
          const slice = slices.find((s) => s.id === tail.id);
          return slice === undefined ? null : (
            <TailPart key={tail.id} tail={tail} layout={layout} slice={slice} sample={sample} />
          );
        })}
        {slices.map((slice, index) => {
          const segment = layout.segments[index];
          return segment === undefined ? null : (
            <Segment
              key={slice.id}
              host={host}
              gpu={gpu}
              slice={slice}
              segment={segment}
              layout={layout}
              reading={sliceSample(sample, slice.id)}
              onTrial={setTrial}
            />
          );
        })}
        {slices.map((slice, index) => {
          const segment = layout.segments[index];
          const denied = recentlyDenied(sliceSample(sample, slice.id), hostNowMs(host.id));
          return !denied || segment === undefined ? null : (
            <div
              key={`denied-${slice.id}`}
              className="mark-denied"
              style={place(segment.atBytes + segment.limitBytes, 0)}
              title={`${slice.name}: an allocation was denied at this limit`}
            >
              <DeniedMark />
            </div>
          );
        })}
        {!empty && tried.free > 0 && roomBytes > 0 && (
          <Room host={host} view={view} layout={tried} atBytes={roomAt} widthBytes={roomBytes} />
        )}
        {layout.over > 0 && (
          <>
            {!overOnRuler(layout) && (
              <div className="over" style={place(gpu.capacityBytes, layout.over)}>
                <b>+{gib(layout.over)}</b>
                <span className="wide">over</span>
              </div>
            )}
            <div className="capline" style={place(gpu.capacityBytes, 0)} />
          </>
        )}
        {drop.ghost}
      </div>
      <Ruler layout={layout} capacityBytes={gpu.capacityBytes} />
    </>
  );
}

function TailPart(props: {
  readonly tail: BarLayout['tail'][number];
  readonly layout: BarLayout;
  readonly slice: { readonly id: string; readonly name: string; readonly owner: string };
  readonly sample: Sample | null;
}): ReactElement {
  const { tail, layout, slice, sample } = props;
  const segment = layout.segments.find((s) => s.id === tail.id);
  const used = sliceSample(sample, slice.id)?.memoryUsedBytes ?? 0;
  const usedHere = Math.max(0, Math.min(tail.sizeBytes, used - (segment?.backedBytes ?? 0)));
  const hue = useOwnerClass(slice.owner);
  return (
    <div
      className={cx('tail', hue)}
      style={place(tail.atBytes, tail.sizeBytes)}
      title={`${slice.name} may grow by ${gibWithUnit(tail.sizeBytes)} if nobody else takes it`}
    >
      {usedHere > 0 && <div className="use" style={vars({ '--fill': usedHere / tail.sizeBytes })} />}
    </div>
  );
}

function Room(props: {
  readonly host: HostSnapshot;
  readonly view: GpuView;
  readonly layout: BarLayout;
  readonly atBytes: number;
  readonly widthBytes: number;
}): ReactElement {
  const { host, view, layout, atBytes, widthBytes } = props;
  const { gpu } = view;
  const refusal = cutRefusal(host, gpu);
  const fits = (bytes: number): string | null =>
    refusal ?? (bytes > layout.free ? `larger than the free ${gibWithUnit(layout.free)}` : null);
  const quarter = presetBytes(gpu.capacityBytes, 0.25);
  const half = presetBytes(gpu.capacityBytes, 0.5);
  const all = presetBytes(layout.free, 1);
  const allPercent = Math.max(1, Math.min(100, Math.round((all / gpu.capacityBytes) * 100)));
  const preset = (key: string, word: string, bytes: number, percent: number): MenuEntry => ({
    key,
    label: `${word}: ${gibWithUnit(bytes)}, ${String(percent)} % of time`,
    onPick: () => void createPreset(host, gpu, bytes, percent),
    refusal: fits(bytes),
  });
  const entries: MenuEntry[] = [
    preset('quarter', 'Quarter', quarter, 25),
    preset('half', 'Half', half, 50),
    ...(all > 0 && all !== quarter && all !== half
      ? [preset('all', 'All that is free', all, allPercent)]
      : []),
    {
      key: 'custom',
      label: 'Custom…',
      onPick: () => openDialog({ kind: 'create', hostId: host.id, gpuUuid: gpu.uuid }),
      refusal,
    },
  ];
  return (
    <Menu
      rootClassName="room-root"
      className="room"
      style={place(atBytes, widthBytes)}
      label={`${gibWithUnit(layout.free)} free on GPU ${String(gpu.index)}, create a slice here`}
      title={`${mibExact(layout.free)} free: click to create a slice`}
      entries={entries}
    >
      <b>{gib(layout.free)}</b>
      <span>free</span>
    </Menu>
  );
}

/** Of several slices the figure belongs to none, and in a narrow rest it has no room: then the ruler has it. */
const OVER_ROOM = 0.07;
const overOnRuler = ({ over, scale, tail }: BarLayout): boolean =>
  over > 0 && (tail.length > 1 || over / scale < OVER_ROOM);

function Ruler(props: { readonly layout: BarLayout; readonly capacityBytes: number }): ReactElement {
  const scale = props.layout.scale / GIB;
  const capacity = props.capacityBytes / GIB;
  const capacityAtEnd = capacity / scale > 0.93;
  const overMark = overOnRuler(props.layout) ? `+${gib(props.layout.over)} over` : null;
  return (
    <div className="ruler" style={vars({ '--scale': scale })} aria-hidden="true">
      {rulerMarks(scale, capacity, capacityAtEnd && overMark !== null ? 0.3 : undefined).map((mark) => (
        <span key={mark} style={vars({ '--at': mark })}>
          {mark}
        </span>
      ))}
      <span className={capacityAtEnd ? 'cap end' : 'cap'} style={vars({ '--at': capacity })}>
        {capacity.toFixed(1)} GiB{capacityAtEnd && overMark !== null && ` ${overMark}`}
      </span>
      {overMark !== null && !capacityAtEnd && (
        <span className="end over-mark" style={vars({ '--at': scale })}>
          {overMark}
        </span>
      )}
    </div>
  );
}
