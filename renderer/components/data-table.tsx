/** The only door to TanStack's table: sortable rows, of which only those in sight are in the page. */
import {
  columnVisibilityFeature,
  createSortedRowModel,
  rowSortingFeature,
  tableFeatures,
  useTable,
} from '@tanstack/react-table';
import type { ColumnDef } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState } from 'react';
import type { KeyboardEvent, MouseEvent, ReactElement, ReactNode } from 'react';
import { useSettings } from '../store/settings.ts';
import { useColumns } from '../store/table-columns.ts';
import { cx, vars } from './bits.tsx';
import { useColumnWidths } from './column-widths.ts';
import { AtPointer } from './menu.tsx';
import type { MenuEntry } from './menu.tsx';

/** As --row in the stylesheet: the virtualizer has to know it too. */
const ROW_PX = { comfortable: 24, compact: 20 } as const;
const OVERSCAN = 12;
/** Left and right of a row. */
const PADDING_PX = 24;

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
export const squeezed = <T,>(
  columns: readonly Column<T>[],
  widthsPx: Readonly<Record<string, number>>,
): readonly Column<T>[] =>
  columns.flatMap((column) => {
    const width = widthsPx[column.id];
    return width === undefined ? [] : [{ ...column, width }];
  });

export interface DataTableProps<T> {
  readonly label: string;
  readonly rows: readonly T[];
  readonly columns: readonly Column<T>[];
  readonly rowKey: (row: T) => string;
  /** What is remembered of this table, and under which name. */
  readonly name: string;
  readonly sortBy: string;
  readonly isSelected: (row: T) => boolean;
  readonly onPick: (row: T, adds: boolean) => void;
  readonly empty: string;
  /** Keys of one's own on a focused row; true: heard. */
  readonly onRowKey?: (row: T, event: KeyboardEvent) => boolean;
  /** The commands for a row; null where it has none. */
  readonly menu?: (row: T) => readonly MenuEntry[];
}

const cellClass = ({ numeric, fixed, acts }: Pick<Column<never>, 'numeric' | 'fixed' | 'acts'>): string =>
  cx('data-cell', numeric && 'num', fixed && 'is-fixed', acts && 'is-acts');

const features = tableFeatures({
  rowSortingFeature,
  columnVisibilityFeature,
  sortedRowModel: createSortedRowModel(),
});

export function DataTable<T extends object>(props: DataTableProps<T>): ReactElement {
  const { label, rows, columns, rowKey, name, sortBy, empty } = props;
  const scroll = useRef<HTMLDivElement>(null);
  const rowPx = useSettings((s) => ROW_PX[s.density]);
  const [focused, setFocused] = useState<string | null>(null);
  const { sorting, hidden, setSorting } = useColumns(name, sortBy, columns);
  const definitions = useMemo(
    () =>
      columns.map((column): ColumnDef<typeof features, T> => ({
        id: column.id,
        accessorFn: (row) => column.value(row) ?? undefined,
        sortUndefined: 'last',
        sortDescFirst: column.numeric === true,
        sortFn: (a, b, id) => compare(a.getValue(id), b.getValue(id)),
      })),
    [columns],
  );
  const data = useMemo(() => [...rows], [rows]);
  const table = useTable({
    features,
    columns: definitions,
    data,
    getRowId: rowKey,
    enableSortingRemoval: false,
    state: {
      sorting: [...sorting],
      columnVisibility: Object.fromEntries(hidden.map((id) => [id, false])),
    },
    onSortingChange: (update) => setSorting(typeof update === 'function' ? update([...sorting]) : update),
  });
  const wanted = columns.filter(
    ({ id, says }) => !hidden.includes(id) && (says === undefined || rows.some((row) => says(row))),
  );
  const sorted = table.getRowModel().rows;
  const virtual = useVirtualizer({
    count: sorted.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => rowPx,
    getItemKey: (index) => sorted[index]?.id ?? index,
    overscan: OVERSCAN,
  });
  useEffect(() => virtual.measure(), [virtual, rowPx]);
  const items = virtual.getVirtualItems();
  const inSight = `${String(items[0]?.key ?? '')} ${String(items.length)} ${String(sorted.length)}`;
  const widths = useColumnWidths(scroll, wanted, inSight, PADDING_PX);
  const shown = wanted.filter(({ id, acts }) => acts === true || widths === null || widths.has(id));
  const placed = shown
    .filter(({ acts }) => acts !== true)
    .map(({ id, width, grows }) => ({ px: widths?.get(id) ?? width, grows }));
  const template = placed
    .map(({ px, grows }) => (grows === true ? `minmax(${String(px)}px, 1fr)` : `${String(px)}px`))
    .join(' ');
  const least = placed.reduce((sum, { px }) => sum + px, PADDING_PX);
  const current = sorted.some((row) => row.id === focused) ? focused : (sorted[0]?.id ?? null);

  const onKey = (event: KeyboardEvent, index: number): void => {
    const row = sorted[index]?.original;
    const target = nextIndex(event.key, index, sorted.length);
    if (target !== null) {
      event.preventDefault();
      event.stopPropagation();
      virtual.scrollToIndex(target);
      setFocused(sorted[target]?.id ?? null);
      const rowThere = (): HTMLElement | null | undefined =>
        scroll.current?.querySelector<HTMLElement>(`[aria-rowindex="${String(target + 2)}"]`);
      // At once where it can be: the next key may come before the next frame, and is meant for this row. Out of sight
      // a row is made first.
      const there = rowThere();
      if (there instanceof HTMLElement) there.focus();
      else requestAnimationFrame(() => rowThere()?.focus());
    } else if (row !== undefined && props.onRowKey?.(row, event) === true) {
      event.preventDefault();
      event.stopPropagation();
    } else if ((event.key === 'Enter' || event.key === ' ') && row !== undefined) {
      event.preventDefault();
      event.stopPropagation();
      props.onPick(row, event.ctrlKey || event.metaKey);
    }
  };

  const menuOf = (hit: Element): readonly MenuEntry[] => {
    const id = hit.closest('[data-row]')?.getAttribute('data-row');
    const row = sorted.find((one) => one.id === id)?.original;
    return row === undefined ? [] : (props.menu?.(row) ?? []);
  };
  const body = (
    <div
      className="data-table"
      role="grid"
      aria-label={label}
      aria-rowcount={sorted.length + 1}
      aria-colcount={shown.length}
      style={vars({ '--columns': template, '--least': `${String(least)}px` })}
    >
      <div className="data-scroll" ref={scroll}>
        <div className="data-head" role="row" aria-rowindex={1}>
          {shown.map((column) => {
            const sort = sorting.find((one) => one.id === column.id);
            return (
              <div
                key={column.id}
                role="columnheader"
                className={cellClass(column)}
                aria-sort={sort === undefined ? 'none' : sort.desc ? 'descending' : 'ascending'}
                title={column.title}
              >
                {column.acts === true ? (
                  <span className="unseen">{column.heading}</span>
                ) : (
                  <button
                    type="button"
                    className="th"
                    onClick={() => table.getColumn(column.id)?.toggleSorting()}
                  >
                    {column.heading}
                    {sort === undefined ? '' : sort.desc ? ' ↓' : ' ↑'}
                  </button>
                )}
              </div>
            );
          })}
        </div>
        {sorted.length === 0 && <p className="data-empty small three">{empty}</p>}
        <div
          className="data-body"
          role="rowgroup"
          style={vars({ '--height': `${String(virtual.getTotalSize())}px` })}
        >
          {items.map(({ index, start }) => {
            const row = sorted[index];
            if (row === undefined) return null;
            const { original, id } = row;
            return (
              <div
                key={id}
                role="row"
                className="data-row"
                data-row={id}
                aria-rowindex={index + 2}
                aria-selected={props.isSelected(original)}
                tabIndex={id === current ? 0 : -1}
                style={vars({ '--top': `${String(start)}px` })}
                onFocus={() => setFocused(id)}
                onClick={(event: MouseEvent) =>
                  props.onPick(original, event.ctrlKey || event.metaKey || event.shiftKey)
                }
                onKeyDown={(event) => event.target === event.currentTarget && onKey(event, index)}
              >
                {shown.map((column) => (
                  <div key={column.id} role="gridcell" className={cellClass(column)}>
                    {column.cell(original)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
  return props.menu === undefined ? (
    body
  ) : (
    <AtPointer label={`Commands: ${label}`} entries={menuOf}>
      {body}
    </AtPointer>
  );
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b), 'en', { numeric: true, sensitivity: 'base' });
}

function nextIndex(key: string, index: number, count: number): number | null {
  const moves: Readonly<Record<string, number>> = {
    ArrowDown: index + 1,
    ArrowUp: index - 1,
    PageDown: index + 12,
    PageUp: index - 12,
    Home: 0,
    End: count - 1,
  };
  const to = moves[key];
  return to === undefined ? null : Math.max(0, Math.min(count - 1, to));
}
