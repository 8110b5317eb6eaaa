/** What is shown while an edge is pulled: the ghost of the difference, and the figures on the ruler. */
import type { ReactElement } from 'react';
import { gib, mibExact } from '../../../model/units.ts';
import type { BarLayout, BarSegment } from '../../domain/bar-layout.ts';
import type { Drag, ResizeBounds } from '../../domain/drag.ts';
import type { Partner } from '../../domain/resize.ts';
import { cx } from '../../components/bits.tsx';
import { at } from './on-bar.ts';

/** The part of the bar that a slice would gain or lose. */
export function Ghost(props: {
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

export interface ReadingProps {
  readonly drag: Drag;
  readonly limitBytes: number;
  readonly end: number;
  readonly layout: BarLayout;
  readonly bounds: ResizeBounds;
  readonly refusal: string | null;
  /** What the owner would hold beyond their quota. */
  readonly beyond: string | null;
  readonly partner: Partner | null;
}

/** What there is to know of the limit under the hand, the gravest first. */
function noteOf({ drag, limitBytes, bounds, beyond, partner }: ReadingProps): string {
  if (drag.kind === 'committing') return 'setting…';
  if (partner !== null) {
    const { neighbour, neighbourBytes } = partner;
    return `${neighbour.name} ${gib(neighbour.memoryLimitBytes)} → ${gib(neighbourBytes)}`;
  }
  if (bounds.usedBytes !== null && limitBytes < bounds.usedBytes) {
    return `in use ${gib(bounds.usedBytes)}, waits until it drops`;
  }
  if (beyond !== null) return `over the quota: ${beyond}`;
  if (limitBytes > bounds.fitBytes) return `${gib(limitBytes - bounds.fitBytes)} over what is free`;
  return drag.kind === 'dragging' && drag.by === 'key'
    ? 'Enter or a pause sets it, Esc leaves it'
    : 'release sets it, Esc leaves it';
}

/** What the edge reads, on the ruler like a caliper, so that it hides no data. */
export function Reading(props: ReadingProps): ReactElement {
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
  const note = noteOf(props);
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
