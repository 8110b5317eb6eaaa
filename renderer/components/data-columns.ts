/** What a column of a table is, and how the columns that are shown are laid side by side. */
import type { ReactNode } from 'react';

/** Left and right of a row. */
export const ROW_PADDING_PX = 24;

export interface Column<T> {
  readonly id: string;
  readonly heading: string;
  /** Said when the heading alone is not enough. */
  readonly title?: string;
  /** What it has at least, if it needs it; how wide it is comes from what is in it (column-widths.ts). */
  readonly width: number;
  /** Takes what the others leave. */
  readonly grows?: true;
  readonly numeric?: true;
  /** What is sorted by; null comes last either way. */
  readonly value: (row: T) => string | number | null;
  readonly cell: (row: T) => ReactNode;
  /** Stays in sight: the name of the row. */
  readonly fixed?: true;
  /** Holds what one can do, not a figure: its heading is for readers, it sorts nothing, and lies over the row’s end. */
  readonly acts?: true;
  /** Not shown until asked for. */
  readonly hidden?: true;
  /** Where there is not room for all columns, those with the lowest number go first: the inspector has what they say. */
  readonly goes?: number;
  /** Whether the row has anything to say here: where none has, the column is left out, and its room goes to the others. */
  readonly says?: (row: T) => boolean;
}

/** For a narrow window: the columns that have a width there, in that width. */
export const squeezed = <T>(
  columns: readonly Column<T>[],
  widthsPx: Readonly<Record<string, number>>,
): readonly Column<T>[] =>
  columns.flatMap((column) => {
    const width = widthsPx[column.id];
    return width === undefined ? [] : [{ ...column, width }];
  });

/** Those that were not hidden, and of which some row has something to say. */
export const wantedColumns = <T>(
  columns: readonly Column<T>[],
  hidden: readonly string[],
  rows: readonly T[],
): readonly Column<T>[] =>
  columns.filter(
    ({ id, says }) => !hidden.includes(id) && (says === undefined || rows.some((row) => says(row))),
  );

/**
 * The columns that there is room for, as the tracks of a grid, and the width below which the table is scrolled sideways.
 * `widths`: how wide each is that has a place; null: not measured yet, so all are shown as wide as they were made.
 */
export function layColumns<T>(
  wanted: readonly Column<T>[],
  widths: ReadonlyMap<string, number> | null,
): { readonly shown: readonly Column<T>[]; readonly tracks: string; readonly leastPx: number } {
  const shown = wanted.filter(({ id, acts }) => acts === true || widths === null || widths.has(id));
  const placed = shown
    .filter(({ acts }) => acts !== true)
    .map(({ id, width, grows }) => ({ px: widths?.get(id) ?? width, grows }));
  const tracks = placed
    .map(({ px, grows }) => (grows === true ? `minmax(${String(px)}px, 1fr)` : `${String(px)}px`))
    .join(' ');
  return { shown, tracks, leastPx: placed.reduce((sum, { px }) => sum + px, ROW_PADDING_PX) };
}
