/** An edge under the hand or under keys: between the arithmetic of a resize (domain/) and what is drawn of it. */
import { useEffect, useReducer, useRef, useState } from 'react';
import type { Gpu } from '../../../model/gpu.ts';
import type { Slice } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { REST, dragLimit, dragReducer } from '../../domain/drag.ts';
import type { Drag, ResizeBounds } from '../../domain/drag.ts';
import { attempt } from '../../domain/resize.ts';
import type { Partner, Trial } from '../../domain/resize.ts';
import { changeSlice } from '../../acts/slices.ts';
import { tradeMemory } from '../../acts/trade.ts';

/** Arrow keys are one edit when they pause this long. */
const KEY_COMMIT_MS = 600;
/** After the agent's yes, how long the ghost waits for the new picture before it goes anyway. */
const SETTLE_MS = 1500;

export interface ResizeOf {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  readonly slice: Slice;
  readonly bounds: ResizeBounds;
  /** Told what limits would be while it lasts; nothing when it is over. */
  readonly onTrial: (trial: readonly Trial[]) => void;
}

/** Where the pointer took the edge, and how far a pixel goes. */
interface Hold {
  readonly startX: number;
  readonly bytesPerPx: number;
}

export interface Resize {
  readonly drag: Drag;
  /** As it is, or as it would be. */
  readonly limitBytes: number;
  /** With Alt held, the neighbour gives or takes what this one gains or loses. */
  readonly partner: Partner | null;
  readonly isHeld: () => boolean;
  readonly begin: (by: Hold | 'key') => void;
  /** The pointer that holds the edge is here now. */
  readonly pull: (clientX: number, trades: boolean) => void;
  readonly moveTo: (wantedBytes: number, trades: boolean) => void;
  /** What was tried is asked for, unless it is refused or nothing. */
  readonly release: () => void;
  /** What was tried is forgotten. */
  readonly leave: () => void;
}

export function useResize({ host, gpu, slice, bounds, onTrial }: ResizeOf): Resize {
  const [drag, send] = useReducer(dragReducer, REST);
  const [partner, setPartner] = useState<Partner | null>(null);
  const hold = useRef<Hold | null>(null);

  const forget = (): void => {
    setPartner(null);
    onTrial([]);
  };
  const begin = (by: Hold | 'key'): void => {
    if (by !== 'key') hold.current = by;
    send({ type: 'start', by: by === 'key' ? 'key' : 'pointer', limitBytes: slice.memoryLimitBytes });
  };
  const moveTo = (wantedBytes: number, trades: boolean): void => {
    const { limitBytes, refusal, ...next } = attempt(host, gpu, slice, wantedBytes, trades);
    setPartner(next.partner);
    send({ type: 'to', limitBytes, refusal });
    onTrial(next.trial);
  };
  const pull = (clientX: number, trades: boolean): void => {
    if (hold.current === null) return;
    const { startX, bytesPerPx } = hold.current;
    moveTo(dragLimit(slice.memoryLimitBytes, clientX - startX, bytesPerPx, bounds), trades);
  };
  const leave = (): void => {
    hold.current = null;
    send({ type: 'leave' });
    forget();
  };
  const commit = (memoryLimitBytes: number): void => {
    send({ type: 'release' });
    forget();
    const done =
      partner === null
        ? changeSlice(host, slice, { memoryLimitBytes })
        : tradeMemory(host, slice, partner.neighbour, partner);
    void done.then((accepted) => {
      if (!accepted) send({ type: 'settled' });
    });
  };
  const release = (): void => {
    hold.current = null;
    if (drag.kind !== 'dragging') return;
    if (drag.refusal !== null || drag.limitBytes === drag.startBytes) leave();
    else commit(drag.limitBytes);
  };

  useKeyPause(drag, release);
  useSettling(drag, slice.revision, () => send({ type: 'settled' }), forget);
  return {
    drag,
    limitBytes: drag.kind === 'rest' ? slice.memoryLimitBytes : drag.limitBytes,
    partner,
    isHeld: () => hold.current !== null,
    begin,
    pull,
    moveTo,
    release,
    leave,
  };
}

/** Keys: one edit for a run of presses. */
function useKeyPause(drag: Drag, release: () => void): void {
  const limitBytes = drag.kind === 'dragging' && drag.by === 'key' ? drag.limitBytes : null;
  useEffect(() => {
    if (limitBytes === null) return undefined;
    const timer = setTimeout(release, KEY_COMMIT_MS);
    return () => clearTimeout(timer);
  }, [limitBytes]);
}

/** The new limit has arrived, or the agent kept the old one pending. */
function useSettling(drag: Drag, revision: number, settle: () => void, forget: () => void): void {
  const committing = drag.kind === 'committing';
  useEffect(() => {
    if (!committing) return undefined;
    const timer = setTimeout(settle, SETTLE_MS);
    return () => clearTimeout(timer);
  }, [committing]);
  useEffect(() => {
    settle();
    forget();
  }, [revision]);
}
