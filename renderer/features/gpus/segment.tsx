/** One slice on the bar: what it may use, what it uses, and its edge to pull. */
import { useRef, useState } from 'react';
import type { PointerEvent, ReactElement, RefObject } from 'react';
import type { Gpu } from '../../../model/gpu.ts';
import type { Slice, SliceSample } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { GIB, gib, parseBytes } from '../../../model/units.ts';
import type { BarLayout, BarSegment } from '../../domain/bar-layout.ts';
import { minLimitBytes } from '../../domain/drag.ts';
import type { ResizeBounds } from '../../domain/drag.ts';
import { segmentText } from '../../domain/gpu-sentence.ts';
import { editRefusal } from '../../domain/rights.ts';
import { beyondQuota } from '../../domain/quota.ts';
import { boundsOf, limitRefusal } from '../../domain/resize.ts';
import type { Trial } from '../../domain/resize.ts';
import { untilText } from '../../domain/when.ts';
import { DRAG_TYPE, setDragged } from '../../store/dragged.ts';
import { idleText } from '../../store/idle-text.ts';
import { useOwnerClass } from '../../store/owners.ts';
import { openDialog, select, togglePicked, useUi } from '../../store/ui.ts';
import { Chip, cx, vars } from '../../components/bits.tsx';
import { Icon } from '../../components/icons.tsx';
import { changeSlice } from '../../acts/slices.ts';
import { at } from './on-bar.ts';
import { Ghost, Reading } from './resize-reading.tsx';
import { onSegmentKey } from './segment-keys.ts';
import { TypedLimit } from './typed-limit.tsx';
import { useResize } from './use-resize.ts';
import type { Resize } from './use-resize.ts';

export interface SegmentProps {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  readonly slice: Slice;
  readonly segment: BarSegment;
  readonly layout: BarLayout;
  readonly reading: SliceSample | null;
  readonly onTrial: (trial: readonly Trial[]) => void;
}

/** What the parts of a segment share while it is drawn. */
interface PartProps extends SegmentProps {
  readonly root: RefObject<HTMLDivElement | null>;
  readonly refusal: string | null;
  readonly bounds: ResizeBounds;
  readonly resize: Resize;
}

export function Segment(props: SegmentProps): ReactElement {
  const { host, gpu, slice, segment, layout, reading, onTrial } = props;
  const [typing, setTyping] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const hue = useOwnerClass(slice.owner);
  const refusal = editRefusal(host);
  const bounds = boundsOf(gpu, slice, layout, reading);
  const resize = useResize({ host, gpu, slice, bounds, onTrial });
  const { drag, limitBytes, partner } = resize;
  const part: PartProps = { ...props, root, refusal, bounds, resize };
  const end = segment.atBytes + limitBytes;
  return (
    <>
      <Body {...part} hue={hue} onType={() => setTyping(true)} />
      {drag.kind !== 'rest' && <Ghost drag={drag} segment={segment} layout={layout} hue={hue} />}
      <Grip {...part} />
      <Reading
        drag={drag}
        limitBytes={limitBytes}
        end={end}
        layout={layout}
        bounds={bounds}
        refusal={refusal}
        beyond={
          partner === null && drag.kind === 'dragging'
            ? beyondQuota(host, slice.owner, drag.limitBytes, slice)
            : null
        }
        partner={partner}
      />
      {typing && (
        <TypedLimit
          name={slice.name}
          startBytes={slice.memoryLimitBytes}
          style={at(Math.min(end, layout.scale))}
          atEnd={end / layout.scale > 0.7}
          check={(bytes) => limitRefusal(host, gpu, slice, bytes)}
          parse={(typed) => parseBytes(typed, 'g')}
          onDone={(bytes) => {
            setTyping(false);
            root.current?.focus();
            if (bytes !== null && bytes !== slice.memoryLimitBytes) {
              void changeSlice(host, slice, { memoryLimitBytes: bytes });
            }
          }}
        />
      )}
    </>
  );
}

const useIsSelected = (host: HostSnapshot, slice: Slice): boolean =>
  useUi(
    (s) =>
      (s.selection.kind === 'slice' && s.selection.id === slice.id && s.hostId === host.id) ||
      s.picked.some((p) => p.sliceId === slice.id && p.hostId === host.id),
  );

function Body(props: PartProps & { readonly hue: string; readonly onType: () => void }): ReactElement {
  const { host, gpu, slice, segment, reading, root, refusal, bounds, resize, hue, onType } = props;
  const selected = useIsSelected(host, slice);
  const { drag, limitBytes } = resize;
  const unbacked = segment.backedBytes <= 0;
  const shownBytes = unbacked ? segment.limitBytes : segment.backedBytes;
  const used = reading?.memoryUsedBytes ?? null;
  const text = segmentText(slice, reading, segment.backedBytes, idleText(host.id, slice));
  const pending = slice.pendingMemoryLimitBytes;
  return (
    <div
      ref={root}
      data-slice={slice.id}
      className={cx(
        'seg',
        hue,
        selected && 'is-sel',
        unbacked && 'is-unbacked',
        slice.suspendedReason !== null && 'is-suspended',
      )}
      style={at(segment.atBytes, shownBytes)}
      role="slider"
      tabIndex={0}
      aria-label={`${slice.name}, ${slice.owner}, memory limit on GPU ${String(gpu.index)}`}
      aria-valuemin={minLimitBytes(gpu.capacityBytes) / GIB}
      aria-valuemax={Number((gpu.capacityBytes / GIB).toFixed(2))}
      aria-valuenow={Number((limitBytes / GIB).toFixed(2))}
      aria-valuetext={drag.kind === 'rest' ? text : `${gib(limitBytes)} GiB`}
      aria-readonly={refusal !== null || undefined}
      title={`${slice.name}, ${slice.owner}: ${text}${refusal === null ? '' : `. ${refusal}`}`}
      draggable={refusal === null && drag.kind === 'rest'}
      onDragStart={(event) => {
        event.dataTransfer.setData(DRAG_TYPE, slice.id);
        event.dataTransfer.effectAllowed = 'move';
        setDragged({ hostId: host.id, sliceId: slice.id });
      }}
      onDragEnd={() => setDragged(null)}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) togglePicked(host.id, slice.id);
        else select(host.id, { kind: 'slice', id: slice.id });
      }}
      onKeyDown={(event) => onSegmentKey(event, { host, slice, bounds, refusal, resize, onType })}
      onBlur={() => {
        if (drag.kind === 'dragging' && drag.by === 'key') resize.release();
      }}
      onDoubleClick={() =>
        refusal === null && openDialog({ kind: 'rename-slice', hostId: host.id, sliceId: slice.id })
      }
    >
      {!unbacked && used !== null && used > 0 && (
        <div className="use" style={vars({ '--fill': Math.min(1, used / shownBytes) })} />
      )}
      {pending !== null && <div className="pending" style={vars({ '--pending': pending / GIB })} />}
      <Label slice={slice} used={used} />
    </div>
  );
}

function Label({ slice, used }: { readonly slice: Slice; readonly used: number | null }): ReactElement {
  return (
    <div className="txt">
      <p>
        <Chip owner={slice.owner} />
        {slice.suspendedReason !== null && (
          <span className="lg mark">
            <Icon name="warn" tone="warn" />
          </span>
        )}
        <span className="nm md">{slice.name}</span>
      </p>
      <p className="fig">
        <span className="lg">{slice.owner}&ensp;</span>
        <b>{gib(used)}</b>
        <span className="md">&thinsp;/&thinsp;{gib(slice.memoryLimitBytes)}</span>
        <span className="lg">&nbsp;GiB</span>
        {slice.suspendedReason !== null && <span className="xl warn">&ensp;suspended</span>}
        {slice.expiresAtMs !== null && (
          <span className="xl two">&ensp;until {untilText(slice.expiresAtMs)}</span>
        )}
      </p>
    </div>
  );
}

/** The edge: the pointer takes it here, and it goes where the pointer goes. */
function Grip({ host, slice, segment, layout, root, refusal, resize }: PartProps): ReactElement {
  const onPointerDown = (event: PointerEvent<HTMLDivElement>): void => {
    if (refusal !== null || event.button !== 0) return;
    event.preventDefault();
    event.currentTarget.setPointerCapture(event.pointerId);
    const bar = event.currentTarget.parentElement;
    if (bar === null || bar.clientWidth === 0) return;
    root.current?.focus({ preventScroll: true });
    // Who takes an edge means this slice: the inspector shows it, with the keys.
    select(host.id, { kind: 'slice', id: slice.id });
    resize.begin({ startX: event.clientX, bytesPerPx: layout.scale / bar.clientWidth });
  };
  return (
    <div
      className={cx('grip', resize.drag.kind !== 'rest' && 'is-drag', refusal !== null && 'is-off')}
      style={at(Math.min(segment.atBytes + resize.limitBytes, layout.scale))}
      onPointerDown={onPointerDown}
      onPointerMove={(event) => resize.pull(event.clientX, event.altKey)}
      onPointerUp={resize.release}
      onPointerCancel={resize.leave}
      onLostPointerCapture={() => resize.isHeld() && resize.leave()}
      aria-hidden="true"
    />
  );
}
