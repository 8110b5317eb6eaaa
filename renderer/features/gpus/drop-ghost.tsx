/** A slice carried over another GPU's bar: the outcome drawn to scale where it would stand, or the reason why not. */
import { useState } from 'react';
import type { DragEvent, ReactElement } from 'react';
import type { Sample } from '../../../model/sample.ts';
import type { Slice } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { GIB } from '../../../model/units.ts';
import type { GpuView } from '../../domain/host-figures.ts';
import { moveOutcome } from '../../domain/move.ts';
import type { MoveOutcome } from '../../domain/move.ts';
import { setDragged, useDragged } from '../../store/dragged.ts';
import { hostById } from '../../store/fleet.ts';
import { useOwnerClass } from '../../store/owners.ts';
import { cx, vars } from '../../components/bits.tsx';
import { moveSlice } from '../../acts/move.ts';

interface Carried extends MoveOutcome {
  readonly slice: Slice;
}

/** What would happen if what is carried were dropped on this GPU; null when nothing foreign is carried. */
function useCarried(host: HostSnapshot, view: GpuView, sample: Sample | null): Carried | null {
  const dragged = useDragged((s) => s.dragged);
  if (dragged === null) return null;
  const from = hostById(dragged.hostId);
  const slice = from?.slices.find((s) => s.id === dragged.sliceId);
  if (from === null || slice === undefined || slice.gpuUuid === view.gpu.uuid) return null;
  if (from.id !== host.id) {
    return { slice, refusal: `${slice.name} belongs to ${from.name}: a slice stays on its host.`, text: '' };
  }
  return { slice, ...moveOutcome(host, slice, view.gpu, sample) };
}

export interface DropTarget {
  readonly ghost: ReactElement | null;
  readonly handlers: {
    readonly onDragOver?: (event: DragEvent) => void;
    readonly onDragLeave?: (event: DragEvent) => void;
    readonly onDrop?: (event: DragEvent) => void;
  };
}

export function useDropTarget(host: HostSnapshot, view: GpuView, sample: Sample | null): DropTarget {
  const carried = useCarried(host, view, sample);
  const [over, setOver] = useState(false);
  const hue = useOwnerClass(carried?.slice.owner ?? null);
  if (carried === null) return { ghost: null, handlers: {} };
  const { slice, refusal, text } = carried;
  return {
    handlers: {
      onDragOver: (event) => {
        // Refused: the pointer itself says no, because the drop is not allowed.
        if (refusal === null) event.preventDefault();
        event.dataTransfer.dropEffect = refusal === null ? 'move' : 'none';
        setOver(true);
      },
      onDragLeave: (event) => {
        const { currentTarget, relatedTarget } = event;
        if (!(relatedTarget instanceof Node) || !currentTarget.contains(relatedTarget)) setOver(false);
      },
      onDrop: (event) => {
        event.preventDefault();
        setOver(false);
        setDragged(null);
        if (refusal === null) void moveSlice(host, slice, view.gpu);
      },
    },
    ghost: over ? (
      <Ghost view={view} slice={slice} hue={hue} words={refusal ?? text} refused={refusal !== null} />
    ) : null,
  };
}

function Ghost(props: {
  readonly view: GpuView;
  readonly slice: Slice;
  readonly hue: string;
  readonly words: string;
  readonly refused: boolean;
}): ReactElement {
  const { view, slice, hue, words, refused } = props;
  const { layout } = view;
  const used = layout.unmanagedBytes + layout.segments.reduce((sum, s) => sum + s.limitBytes, 0);
  const width = Math.min(slice.memoryLimitBytes, layout.scale);
  // Behind the last slice; where there is no room, against the right end.
  const atBytes = Math.min(used, layout.scale - width);
  const middle = (atBytes + width / 2) / layout.scale;
  return (
    <>
      <div
        className={cx('ghost drop-ghost', hue, refused && 'is-refused')}
        style={vars({ '--at': atBytes / GIB, '--gib': width / GIB })}
      >
        <span className="cut">{slice.name}</span>
      </div>
      <div
        className={cx('tip is-on', middle > 0.66 ? 'end' : middle < 0.34 && 'start', refused && 'is-refused')}
        style={vars({
          '--at': (middle > 0.66 ? atBytes + width : middle < 0.34 ? atBytes : atBytes + width / 2) / GIB,
        })}
        role="status"
      >
        {words}
      </div>
    </>
  );
}
