/** One slice on the bar: what it may use, what it uses, and its edge to pull. */
import { useEffect, useReducer, useRef, useState } from 'react';
import type { CSSProperties, KeyboardEvent, PointerEvent, ReactElement } from 'react';
import type { Gpu, HostSnapshot, Slice, SliceSample } from '../../../model/model.ts';
import { GIB, gib, mibExact, parseBytes } from '../../../model/units.ts';
import type { BarLayout, BarSegment } from '../../domain/bar-layout.ts';
import { REST, dragLimit, dragReducer, keyLimit, minLimitBytes, refusalWords } from '../../domain/drag.ts';
import type { Drag, ResizeBounds } from '../../domain/drag.ts';
import { segmentText } from '../../domain/gpu-sentence.ts';
import { editRefusal } from '../../domain/host-figures.ts';
import { beyondQuota } from '../../domain/quota.ts';
import { asNew, preview } from '../../domain/slice-edits.ts';
import { neighbourOf, tradeFor } from '../../domain/trade.ts';
import type { Trade } from '../../domain/trade.ts';
import { untilText } from '../../domain/until.ts';
import { DRAG_TYPE, setDragged } from '../../store/dragged.ts';
import { idleText } from '../../store/idle-text.ts';
import { useOwnerClass } from '../../store/owners.ts';
import { openDialog, select, togglePicked, useUi } from '../../store/ui.ts';
import { Chip, cx, vars } from '../../components/bits.tsx';
import { changeSlice } from '../../acts/slices.ts';
import { tradeMemory } from '../../acts/trade.ts';
import { TypedLimit } from './typed-limit.tsx';

/** Arrow keys are one edit when they pause this long. */
const KEY_COMMIT_MS = 600;
/** After the agent's yes, how long the ghost waits for the new picture before it goes anyway. */
const SETTLE_MS = 1500;

/** A limit under the hand. */
export interface Trial {
  readonly id: string;
  readonly limitBytes: number;
}

export interface SegmentProps {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  readonly slice: Slice;
  readonly segment: BarSegment;
  readonly layout: BarLayout;
  readonly reading: SliceSample | null;
  readonly onTrial: (trial: readonly Trial[]) => void;
}

const at = (bytes: number, size = 0): CSSProperties => vars({ '--at': bytes / GIB, '--gib': size / GIB });

export function Segment(props: SegmentProps): ReactElement {
  const { host, gpu, slice, segment, layout, reading, onTrial } = props;
  const [drag, send] = useReducer(dragReducer, REST);
  const [typing, setTyping] = useState(false);
  /** With Alt held, the neighbour gives or takes what this one gains or loses. */
  const [partner, setPartner] = useState<(Trade & { readonly neighbour: Slice }) | null>(null);
  const selected = useUi(
    (s) =>
      (s.selection.kind === 'slice' && s.selection.id === slice.id && s.hostId === host.id) ||
      s.picked.some((p) => p.sliceId === slice.id && p.hostId === host.id),
  );
  const hue = useOwnerClass(slice.owner);
  const root = useRef<HTMLDivElement>(null);
  const pointer = useRef<{ readonly startX: number; readonly bytesPerPx: number } | null>(null);
  const refusal = editRefusal(host);
  const bounds: ResizeBounds = {
    capacityBytes: gpu.capacityBytes,
    fitBytes: slice.memoryLimitBytes + layout.free,
    usedBytes: reading?.memoryUsedBytes ?? null,
  };

  const moveTo = (wantedBytes: number, trades: boolean): void => {
    const neighbour = trades ? neighbourOf(host, slice) : null;
    const trade = neighbour === null ? null : tradeFor(wantedBytes, slice, neighbour);
    const limitBytes = trade?.limitBytes ?? wantedBytes;
    setPartner(neighbour === null || trade === null ? null : { neighbour, ...trade });
    const admission = preview(host, gpu, slice, asNew(slice, { memoryLimitBytes: limitBytes }));
    send({ type: 'to', limitBytes, refusal: refusalWords(admission, gpu.capacityBytes) });
    onTrial([
      { id: slice.id, limitBytes },
      ...(neighbour === null || trade === null
        ? []
        : [{ id: neighbour.id, limitBytes: trade.neighbourBytes }]),
    ]);
  };
  const leave = (): void => {
    pointer.current = null;
    send({ type: 'leave' });
    setPartner(null);
    onTrial([]);
  };
  const commit = (limitBytes: number): void => {
    send({ type: 'release' });
    onTrial([]);
    const done =
      partner === null
        ? changeSlice(host, slice, { memoryLimitBytes: limitBytes })
        : tradeMemory(host, slice, partner.neighbour, partner);
    setPartner(null);
    void done.then((accepted) => {
      if (!accepted) send({ type: 'settled' });
    });
  };
  const release = (): void => {
    pointer.current = null;
    if (drag.kind !== 'dragging') return;
    if (drag.refusal !== null || drag.limitBytes === drag.startBytes) leave();
    else commit(drag.limitBytes);
  };

  // Keys: one edit for a run of presses.
  const keyLimitNow = drag.kind === 'dragging' && drag.by === 'key' ? drag.limitBytes : null;
  useEffect(() => {
    if (keyLimitNow === null) return undefined;
    const timer = setTimeout(release, KEY_COMMIT_MS);
    return () => clearTimeout(timer);
  }, [keyLimitNow]);

  // The new limit has arrived, or the agent kept the old one pending.
  const committing = drag.kind === 'committing';
  useEffect(() => {
    if (!committing) return undefined;
    const timer = setTimeout(() => send({ type: 'settled' }), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [committing]);
  useEffect(() => {
    send({ type: 'settled' });
    setPartner(null);
    onTrial([]);
  }, [slice.revision]);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.target !== event.currentTarget) return;
    if (event.key === 'Escape' && drag.kind === 'dragging') {
      event.stopPropagation();
      leave();
      return;
    }
    if (event.key === 'Enter') {
      event.preventDefault();
      if (drag.kind === 'dragging') release();
      else if (refusal === null) setTyping(true);
      return;
    }
    if (event.key === ' ') {
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) togglePicked(host.id, slice.id);
      else select(host.id, { kind: 'slice', id: slice.id });
      return;
    }
    if (refusal !== null || drag.kind === 'committing') return;
    const from = drag.kind === 'dragging' ? drag.limitBytes : slice.memoryLimitBytes;
    const next = keyLimit(event.key, event.shiftKey, from, bounds);
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    if (drag.kind === 'rest') send({ type: 'start', by: 'key', limitBytes: slice.memoryLimitBytes });
    moveTo(next, event.altKey);
  };

  const onGripDown = (event: PointerEvent<HTMLDivElement>): void => {
    if (refusal !== null || event.button !== 0) return;
    event.preventDefault();
    event.currentTarget.setPointerCapture(event.pointerId);
    const bar = event.currentTarget.parentElement;
    if (bar === null || bar.clientWidth === 0) return;
    pointer.current = { startX: event.clientX, bytesPerPx: layout.scale / bar.clientWidth };
    root.current?.focus({ preventScroll: true });
    // Who takes an edge means this slice: the inspector shows it, with the keys.
    select(host.id, { kind: 'slice', id: slice.id });
    send({ type: 'start', by: 'pointer', limitBytes: slice.memoryLimitBytes });
  };
  const onGripMove = (event: PointerEvent): void => {
    const hold = pointer.current;
    if (hold === null) return;
    moveTo(
      dragLimit(slice.memoryLimitBytes, event.clientX - hold.startX, hold.bytesPerPx, bounds),
      event.altKey,
    );
  };

  const limitBytes = drag.kind === 'rest' ? slice.memoryLimitBytes : drag.limitBytes;
  const end = segment.atBytes + limitBytes;
  const unbacked = segment.backedBytes <= 0;
  const shownBytes = unbacked ? segment.limitBytes : segment.backedBytes;
  const used = reading?.memoryUsedBytes ?? null;
  const text = segmentText(slice, reading, segment.backedBytes, idleText(host.id, slice));
  const pending = slice.pendingMemoryLimitBytes;
  return (
    <>
      <div
        ref={root}
        data-slice={slice.id}
        className={cx('seg', hue, selected && 'is-sel', unbacked && 'is-unbacked')}
        style={vars({
          '--at': segment.atBytes / GIB,
          '--gib': shownBytes / GIB,
        })}
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
        onKeyDown={onKeyDown}
        onBlur={() => {
          if (drag.kind === 'dragging' && drag.by === 'key') release();
        }}
        onDoubleClick={() =>
          refusal === null && openDialog({ kind: 'rename-slice', hostId: host.id, sliceId: slice.id })
        }
      >
        {!unbacked && used !== null && used > 0 && (
          <div className="use" style={vars({ '--fill': Math.min(1, used / shownBytes) })} />
        )}
        {pending !== null && <div className="pending" style={vars({ '--pending': pending / GIB })} />}
        <div className="txt">
          <p>
            <Chip owner={slice.owner} />
            <span className="nm md">{slice.name}</span>
          </p>
          <p className="fig">
            <span className="lg">{slice.owner}&ensp;</span>
            <b>{gib(used)}</b>
            <span className="md">&thinsp;/&thinsp;{gib(slice.memoryLimitBytes)}</span>
            <span className="lg">&nbsp;GiB</span>
            {slice.expiresAtMs !== null && (
              <span className="xl two">&ensp;until {untilText(slice.expiresAtMs, Date.now())}</span>
            )}
          </p>
        </div>
      </div>
      {drag.kind !== 'rest' && <Ghost drag={drag} segment={segment} layout={layout} hue={hue} />}
      <div
        className={cx('grip', drag.kind !== 'rest' && 'is-drag', refusal !== null && 'is-off')}
        style={at(Math.min(end, layout.scale))}
        onPointerDown={onGripDown}
        onPointerMove={onGripMove}
        onPointerUp={release}
        onPointerCancel={leave}
        onLostPointerCapture={() => pointer.current !== null && leave()}
        aria-hidden="true"
      />
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
          check={(bytes) =>
            refusalWords(
              preview(host, gpu, slice, asNew(slice, { memoryLimitBytes: bytes })),
              gpu.capacityBytes,
            )
          }
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

function Ghost(props: {
  readonly drag: Exclude<Drag, { kind: 'rest' }>;
  readonly segment: BarSegment;
  readonly layout: BarLayout;
  readonly hue: string;
}): ReactElement {
  const { drag, segment, layout, hue } = props;
  const start = Math.min(segment.atBytes + drag.startBytes, layout.scale);
  const end = Math.min(segment.atBytes + drag.limitBytes, layout.scale);
  const left = Math.min(start, end);
  const difference = drag.limitBytes - drag.startBytes;
  return (
    <div
      className={cx('ghost', hue, drag.refusal !== null && 'is-refused', difference < 0 && 'is-shrink')}
      style={at(left, Math.abs(end - start))}
    >
      {difference !== 0 && <span>{`${difference > 0 ? '+' : '−'}${gib(Math.abs(difference))}`}</span>}
    </div>
  );
}

/** What the edge reads, on the ruler like a caliper, so that it hides no data. */
function Reading(props: {
  readonly drag: Drag;
  readonly limitBytes: number;
  readonly end: number;
  readonly layout: BarLayout;
  readonly bounds: ResizeBounds;
  readonly refusal: string | null;
  /** What the owner would hold beyond their quota. */
  readonly beyond: string | null;
  readonly partner: (Trade & { readonly neighbour: Slice }) | null;
}): ReactElement {
  const { drag, limitBytes, end, layout, bounds, refusal, beyond, partner } = props;
  const share = Math.min(end, layout.scale) / layout.scale;
  const side = share > 0.72 ? 'end' : share < 0.14 ? 'start' : null;
  if (drag.kind === 'rest') {
    return (
      <div className={cx('tip', side)} style={at(Math.min(end, layout.scale))} title={mibExact(limitBytes)}>
        {gib(limitBytes)} GiB <span className="long">{refusal === null ? 'drag, or ← →' : 'read-only'}</span>
      </div>
    );
  }
  const below = bounds.usedBytes !== null && limitBytes < bounds.usedBytes;
  const over = limitBytes - bounds.fitBytes;
  const note =
    drag.kind === 'committing'
      ? 'setting…'
      : partner !== null
        ? `${partner.neighbour.name} ${gib(partner.neighbour.memoryLimitBytes)} → ${gib(partner.neighbourBytes)}`
        : below
          ? `in use ${gib(bounds.usedBytes)}, waits until it drops`
          : beyond !== null
            ? `over the quota: ${beyond}`
            : over > 0
              ? `${gib(over)} over what is free`
              : drag.by === 'key'
                ? 'Enter or a pause sets it, Esc leaves it'
                : 'release sets it, Esc leaves it';
  return (
    <div
      className={cx('tip is-on', side, drag.refusal !== null && 'is-refused')}
      style={at(Math.min(end, layout.scale))}
      role="status"
    >
      {gib(drag.startBytes)} → {gib(limitBytes)} GiB{' '}
      <span
        className={
          drag.refusal === null && !below && over <= 0 && beyond === null && partner === null ? 'long' : ''
        }
      >
        {drag.refusal ?? note}
      </span>
    </div>
  );
}
