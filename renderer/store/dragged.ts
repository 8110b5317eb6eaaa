/** The slice that is being carried by the pointer, so that bars and people can say what dropping it would do. */
import { create } from 'zustand';
import type { HostId, SliceId } from '../../model/model.ts';

export const DRAG_TYPE = 'text/x-tranche-slice';

export interface Dragged {
  readonly hostId: HostId;
  readonly sliceId: SliceId;
}

export const useDragged = create<{ readonly dragged: Dragged | null }>(() => ({ dragged: null }));
export const setDragged = (dragged: Dragged | null): void => useDragged.setState({ dragged });
