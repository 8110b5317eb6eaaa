/**
 * How wide the columns of a table are: as wide as what is in them, within bounds, and one of them takes the rest. What
 * is in sight is measured when rows or columns change, and now and then while figures do; a column only grows while the
 * rows are the same ones, so that nothing dances.
 */
import { useLayoutEffect, useRef, useState } from 'react';
import type { RefObject } from 'react';

export interface Sizing {
  readonly id: string;
  /** What it has before it was measured, and what it keeps when there is not room for all. */
  readonly width: number;
  /** Takes what the others leave. */
  readonly grows?: true;
  /** Goes where there is not room for all, the lowest first: what it says is told elsewhere too. */
  readonly goes?: number;
  /** Lies over the end of its row, and takes no room. */
  readonly acts?: true;
}

/** A column that does not grow takes no more than this: a name has at most 40 letters. */
const MOST_PX = 360;
/** Figures that change are looked at this often. */
const LOOK_AGAIN_MS = 2000;
/** Of the column that grows so much is to be read before others stay beside it. */
const READABLE_PX = 180;
/** For the arrow of the column that is sorted by. */
const ARROW_PX = 14;

/**
 * Pure. `needs`: the width of what is in each. Each has what it needs; where that is more than there is, those that
 * grow give first, down to what can still be read; then the others, down to their own width and in equal parts of what
 * they have beyond it; and the last comes from those that grow again.
 */
export function fitted(
  columns: readonly Sizing[],
  needs: Readonly<Record<string, number>>,
  roomPx: number,
): readonly number[] {
  const wanted = columns.map(({ id, width, grows }) => {
    const need = needs[id] ?? width;
    return grows === true ? Math.max(width, need) : Math.min(Math.max(need, Math.min(width, 40)), MOST_PX);
  });
  const give = (grows: boolean, keptPx: number, over: number): number => {
    const spare = columns.map((column, at) => {
      const now = wanted[at] ?? 0;
      const kept = Math.min(now, Math.max(column.width, keptPx));
      return (column.grows === true) === grows ? now - kept : 0;
    });
    const all = spare.reduce((sum, px) => sum + px, 0);
    if (over <= 0 || all === 0) return over;
    const share = Math.min(1, over / all);
    spare.forEach((px, at) => {
      wanted[at] = (wanted[at] ?? 0) - px * share;
    });
    return over - all * share;
  };
  const over = wanted.reduce((sum, px) => sum + px, 0) - roomPx;
  give(true, 0, give(false, 0, give(true, READABLE_PX, over)));
  return wanted.map((px) => Math.ceil(px));
}

/** Pure. Those that stay: the others go in their order, until what is left has room. */
export function staying<C extends Sizing>(
  columns: readonly C[],
  needs: Readonly<Record<string, number>>,
  roomPx: number,
): readonly C[] {
  const needOf = ({ id, width, grows }: C): number =>
    grows === true
      ? Math.max(width, Math.min(needs[id] ?? width, READABLE_PX))
      : Math.min(needs[id] ?? width, MOST_PX);
  const order = columns
    .filter(({ goes }) => goes !== undefined)
    .sort((a, b) => (a.goes ?? 0) - (b.goes ?? 0));
  let left: readonly C[] = columns;
  for (const next of order) {
    if (left.reduce((sum, column) => sum + needOf(column), 0) <= roomPx) break;
    left = left.filter((column) => column !== next);
  }
  return left;
}

/** The width of what a cell holds, with what is cut off in it, and the cell's own padding. */
function needOf(cell: Element): number {
  const range = document.createRange();
  range.selectNodeContents(cell);
  const inner = [...cell.querySelectorAll('*')].reduce(
    (most, part) => Math.max(most, part.clientWidth > 0 ? part.scrollWidth - part.clientWidth : 0),
    0,
  );
  const { paddingLeft, paddingRight } = getComputedStyle(cell);
  const padding = Number.parseFloat(paddingLeft) + Number.parseFloat(paddingRight);
  return range.getBoundingClientRect().width + inner + padding + 1;
}

function measure(table: Element, columns: readonly Sizing[]): Record<string, number> {
  const needs: Record<string, number> = {};
  const rows = [...table.querySelectorAll('[role=row]')];
  rows.forEach((row, line) => {
    columns.forEach(({ id }, at) => {
      const cell = row.children[at];
      if (cell === undefined) return;
      const extra = line === 0 && cell.getAttribute('aria-sort') === 'none' ? ARROW_PX : 0;
      needs[id] = Math.max(needs[id] ?? 0, Math.ceil(needOf(cell) + extra));
    });
  });
  return needs;
}

/**
 * Widths in px of the columns that have room; null until the first measure. `rowsKey`: changes with which rows.
 */
export function useColumnWidths(
  scroll: RefObject<HTMLElement | null>,
  columns: readonly Sizing[],
  rowsKey: string,
  paddingPx: number,
): ReadonlyMap<string, number> | null {
  const [widths, setWidths] = useState<ReadonlyMap<string, number> | null>(null);
  const kept = useRef<{ key: string; needs: Record<string, number>; atMs: number; room: number } | null>(
    null,
  );
  const key = `${columns.map(({ id, width }) => `${id} ${String(width)}`).join(' ')}\n${rowsKey}`;
  const inPage = columns.filter(({ id, acts }) => acts === true || widths === null || widths.has(id));
  const look = (): void => {
    const element = scroll.current;
    const room = (element?.clientWidth ?? 0) - paddingPx;
    if (element === null || room <= 0) return;
    const before = kept.current;
    const isSame = before?.key === key;
    if (isSame && before.room === room && performance.now() - before.atMs < LOOK_AGAIN_MS) return;
    const found = measure(element, inPage);
    // Of a column that is left out, what it needed when it was there.
    const needs = { ...before?.needs, ...found };
    if (isSame)
      for (const id of Object.keys(found)) needs[id] = Math.max(found[id] ?? 0, before.needs[id] ?? 0);
    kept.current = { key, needs, atMs: performance.now(), room };
    const left = staying(
      columns.filter(({ acts }) => acts !== true),
      needs,
      room,
    );
    const px = fitted(left, needs, room);
    const next = new Map(left.map(({ id }, at) => [id, px[at] ?? 0] as const));
    const isNew =
      widths === null || next.size !== widths.size || [...next].some(([id, wide]) => widths.get(id) !== wide);
    if (isNew) setWidths(next);
  };
  useLayoutEffect(look);
  useLayoutEffect(() => {
    const element = scroll.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setWidths((now) => (now === null ? null : new Map(now))));
    observer.observe(element);
    return () => observer.disconnect();
  }, [scroll]);
  return widths;
}
