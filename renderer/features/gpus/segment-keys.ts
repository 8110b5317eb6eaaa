/** The keys of a slice on the bar: its edge, typing its limit, picking it. */
import type { KeyboardEvent } from 'react';
import type { Slice } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { keyLimit } from '../../domain/drag.ts';
import type { ResizeBounds } from '../../domain/drag.ts';
import { select, togglePicked } from '../../store/ui.ts';
import type { Resize } from './use-resize.ts';

export interface KeyedSegment {
  readonly host: HostSnapshot;
  readonly slice: Slice;
  readonly bounds: ResizeBounds;
  /** Why nothing here can be changed. */
  readonly refusal: string | null;
  readonly resize: Resize;
  readonly onType: () => void;
}

export function onSegmentKey(event: KeyboardEvent, on: KeyedSegment): void {
  const { host, slice, refusal, resize } = on;
  if (event.target !== event.currentTarget) return;
  if (event.key === 'Escape' && resize.drag.kind === 'dragging') {
    event.stopPropagation();
    resize.leave();
  } else if (event.key === 'Enter') {
    event.preventDefault();
    if (resize.drag.kind === 'dragging') resize.release();
    else if (refusal === null) on.onType();
  } else if (event.key === ' ') {
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) togglePicked(host.id, slice.id);
    else select(host.id, { kind: 'slice', id: slice.id });
  } else if (refusal === null && resize.drag.kind !== 'committing') step(event, on);
}

function step(event: KeyboardEvent, { bounds, resize }: KeyedSegment): void {
  const next = keyLimit(event.key, event.shiftKey, resize.limitBytes, bounds);
  if (next === null) return;
  event.preventDefault();
  event.stopPropagation();
  if (resize.drag.kind === 'rest') resize.begin('key');
  resize.moveTo(next, event.altKey);
}
