/** The edge between two panes: pulled with the pointer or moved with the arrows; sizes are kept for the next start. */
import { useEffect, useRef, useState } from 'react';
import type { KeyboardEvent, PointerEvent, ReactElement } from 'react';
import { create } from 'zustand';

export type Pane = 'hosts' | 'inspector' | 'dock';
type Sizes = Readonly<Partial<Record<Pane, number>>>;

const STORE_KEY = 'tranche.panes';
const STEP_PX = 16;
const RANGE_PX: Readonly<Record<Pane, readonly [number, number]>> = {
  hosts: [160, 420],
  inspector: [260, 620],
  dock: [96, 560],
};

function restore(): Sizes {
  try {
    const read: unknown = JSON.parse(localStorage.getItem(STORE_KEY) ?? '{}');
    if (typeof read !== 'object' || read === null) return {};
    const entries = Object.entries(read).filter(
      ([pane, px]) => pane in RANGE_PX && typeof px === 'number' && Number.isFinite(px),
    );
    return Object.fromEntries(entries.map(([pane, px]) => [pane, clamp(pane as Pane, px as number)]));
  } catch {
    return {};
  }
}

function clamp(pane: Pane, px: number): number {
  const [min, max] = RANGE_PX[pane];
  return Math.round(Math.max(min, Math.min(max, px)));
}

/** Empty until a pane was moved: the stylesheet's sizes, which know compact windows, stay in force. */
export const usePanes = create<{ readonly sizes: Sizes }>(() => ({ sizes: restore() }));

function put(pane: Pane, px: number | null): void {
  const { [pane]: _before, ...others } = usePanes.getState().sizes;
  const sizes: Sizes = px === null ? others : { ...others, [pane]: clamp(pane, px) };
  usePanes.setState({ sizes });
  try {
    localStorage.setItem(STORE_KEY, JSON.stringify(sizes));
  } catch {
    // Storage is full or forbidden: the size lasts for this window only.
  }
}

/** Which way a pane grows: the host list to the right, the inspector to the left, the dock upwards. */
const GROWS: Readonly<Record<Pane, { readonly axis: 'x' | 'y'; readonly sign: 1 | -1 }>> = {
  hosts: { axis: 'x', sign: 1 },
  inspector: { axis: 'x', sign: -1 },
  dock: { axis: 'y', sign: -1 },
};

export function PaneEdge({ pane, label }: { readonly pane: Pane; readonly label: string }): ReactElement {
  const hold = useRef<{ readonly from: number; readonly size: number } | null>(null);
  const set = usePanes((s) => s.sizes[pane]);
  const edge = useRef<HTMLDivElement>(null);
  const [shown, setShown] = useState(0);
  const { axis, sign } = GROWS[pane];
  const along = (event: PointerEvent): number => (axis === 'x' ? event.clientX : event.clientY);
  const measure = (element: HTMLElement): number => {
    const box = element.parentElement?.getBoundingClientRect();
    return (axis === 'x' ? box?.width : box?.height) ?? 0;
  };
  // What the stylesheet made of it, while nobody has moved it.
  useEffect(() => {
    if (edge.current !== null) setShown(Math.round(measure(edge.current)));
  }, [set]);
  const onKeyDown = (event: KeyboardEvent<HTMLElement>): void => {
    const forward = axis === 'x' ? 'ArrowRight' : 'ArrowDown';
    const backward = axis === 'x' ? 'ArrowLeft' : 'ArrowUp';
    if (event.key !== forward && event.key !== backward) return;
    event.preventDefault();
    event.stopPropagation();
    put(pane, measure(event.currentTarget) + STEP_PX * sign * (event.key === forward ? 1 : -1));
  };
  return (
    <div
      ref={edge}
      className={`pane-edge ${pane}-edge`}
      role="separator"
      tabIndex={0}
      aria-label={label}
      aria-orientation={axis === 'x' ? 'vertical' : 'horizontal'}
      aria-valuemin={RANGE_PX[pane][0]}
      aria-valuemax={RANGE_PX[pane][1]}
      aria-valuenow={set ?? shown}
      onKeyDown={onKeyDown}
      onDoubleClick={() => put(pane, null)}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        hold.current = { from: along(event), size: measure(event.currentTarget) };
      }}
      onPointerMove={(event) => {
        if (hold.current !== null) put(pane, hold.current.size + sign * (along(event) - hold.current.from));
      }}
      onPointerUp={() => {
        hold.current = null;
      }}
      onPointerCancel={() => {
        hold.current = null;
      }}
    />
  );
}
