/** The palette's list as rows, and where the keys go in it. Pure. */
import type { Section } from './search.ts';

export type Row<T> =
  | { readonly kind: 'heading'; readonly text: string }
  /** `position` counts items alone, from 1: headings are no part of what a reader counts. */
  | { readonly kind: 'item'; readonly item: T; readonly group: string; readonly position: number };

export function rowsOf<T>(sections: readonly Section<T>[]): readonly Row<T>[] {
  let position = 0;
  return sections.flatMap(({ heading, items, more }): Row<T>[] => [
    {
      kind: 'heading',
      text: more === 0 ? heading : `${heading} · ${String(more)} more, found by typing`,
    },
    ...items.map((item): Row<T> => ({ kind: 'item', item, group: heading, position: (position += 1) })),
  ]);
}

/** The rows of an answer start with a heading. -1: there is none. */
export const firstItem = (rows: readonly Row<unknown>[]): number =>
  rows.findIndex((row) => row.kind === 'item');
export const lastItem = (rows: readonly Row<unknown>[]): number =>
  rows.findLastIndex((row) => row.kind === 'item');

/** As many as are in sight, roughly. */
const PAGE = 10;

/** Where a key leads from row `at`; null: it is no key of the list, or there is nothing to go to. */
export function rowAfterKey(rows: readonly Row<unknown>[], at: number, key: string): number | null {
  const [first, last] = [firstItem(rows), lastItem(rows)];
  if (first === -1) return null;
  /** The next item that way; past an end it is the other one. */
  const beside = (from: number, step: 1 | -1): number => {
    for (let row = from + step; row >= first && row <= last; row += step)
      if (rows[row]?.kind === 'item') return row;
    return step === 1 ? first : last;
  };
  /** The item at this place, or the one nearest to it on the way. */
  const near = (row: number, step: 1 | -1): number => {
    const kept = Math.max(first, Math.min(last, row));
    return rows[kept]?.kind === 'item' ? kept : beside(kept, step);
  };
  switch (key) {
    case 'ArrowDown':
      return beside(at, 1);
    case 'ArrowUp':
      return beside(at, -1);
    case 'PageDown':
      return near(at + PAGE, 1);
    case 'PageUp':
      return near(at - PAGE, -1);
    case 'Home':
      return first;
    case 'End':
      return last;
    default:
      return null;
  }
}
