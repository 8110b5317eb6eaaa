/** The only door to TanStack's table: sortable rows, of which only those in sight are in the page. */
import {
  columnVisibilityFeature,
  createSortedRowModel,
  rowSortingFeature,
  tableFeatures,
  useTable,
} from '@tanstack/react-table';
import type { ColumnDef, Row } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import type { Virtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState } from 'react';
import type { KeyboardEvent, ReactElement, RefObject } from 'react';
import { compareCells, nextRow } from '../domain/table-order.ts';
import { useSettings } from '../store/settings.ts';
import { useColumns } from '../store/table-columns.ts';
import type { Columns } from '../store/table-columns.ts';
import { vars } from './bits.tsx';
import { useColumnWidths } from './column-widths.ts';
import { DataRow, HeadCell } from './data-cells.tsx';
import { ROW_PADDING_PX, layColumns, wantedColumns } from './data-columns.ts';
import type { Column } from './data-columns.ts';
import { AtPointer } from './menu.tsx';
import type { MenuEntry } from './menu.tsx';

/** As --row in the stylesheet: the virtualizer has to know it too. */
const ROW_PX = { comfortable: 24, compact: 20 } as const;
const OVERSCAN = 12;

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

const features = tableFeatures({
  rowSortingFeature,
  columnVisibilityFeature,
  sortedRowModel: createSortedRowModel(),
});
type SortedRow<T extends object> = Row<typeof features, T>;

/** The rows in the order that is remembered, and how a heading turns it around. */
function useSortedRows<T extends object>(
  { rows, columns, rowKey }: DataTableProps<T>,
  { sorting, hidden, setSorting }: Columns,
): { readonly sorted: readonly SortedRow<T>[]; readonly toggleSort: (columnId: string) => void } {
  const definitions = useMemo(
    () =>
      columns.map((column): ColumnDef<typeof features, T> => ({
        id: column.id,
        accessorFn: (row) => column.value(row) ?? undefined,
        sortUndefined: 'last',
        sortDescFirst: column.numeric === true,
        sortFn: (a, b, id) => compareCells(a.getValue(id), b.getValue(id)),
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
  return { sorted: table.getRowModel().rows, toggleSort: (id) => table.getColumn(id)?.toggleSorting() };
}

type Rows = Virtualizer<HTMLDivElement, Element>;

/** Which rows are in the page; anew when the density changes. */
function useRowsInSight(scroll: RefObject<HTMLDivElement | null>, sorted: readonly { id: string }[]): Rows {
  const rowPx = useSettings((s) => ROW_PX[s.density]);
  const virtual = useVirtualizer<HTMLDivElement, Element>({
    count: sorted.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => rowPx,
    getItemKey: (index) => sorted[index]?.id ?? index,
    overscan: OVERSCAN,
  });
  useEffect(() => virtual.measure(), [virtual, rowPx]);
  return virtual;
}

interface RowFocus {
  /** The row that Tab leads to: the one that had the focus last, else the first. */
  readonly current: string | null;
  readonly setFocused: (id: string) => void;
  readonly onKey: (event: KeyboardEvent, index: number) => void;
}

/** One row has the focus; arrows move it, Enter and Space pick, and the table's own keys come before those. */
function useRowFocus<T extends object>(
  { onRowKey, onPick }: DataTableProps<T>,
  scroll: RefObject<HTMLDivElement | null>,
  sorted: readonly SortedRow<T>[],
  virtual: Rows,
): RowFocus {
  const [focused, setFocused] = useState<string | null>(null);
  const moveTo = (target: number): void => {
    virtual.scrollToIndex(target);
    setFocused(sorted[target]?.id ?? null);
    const rowThere = (): HTMLElement | null | undefined =>
      scroll.current?.querySelector<HTMLElement>(`[aria-rowindex="${String(target + 2)}"]`);
    // At once where it can be: the next key may come before the next frame, and is meant for this row. Out of sight
    // a row is made first.
    const there = rowThere();
    if (there instanceof HTMLElement) there.focus();
    else requestAnimationFrame(() => rowThere()?.focus());
  };
  /** Whether the key was meant for the row. */
  const heard = (event: KeyboardEvent, index: number): boolean => {
    const target = nextRow(event.key, index, sorted.length);
    const row = sorted[index]?.original;
    if (target !== null) moveTo(target);
    else if (row === undefined) return false;
    else if (onRowKey?.(row, event) !== true) {
      if (event.key !== 'Enter' && event.key !== ' ') return false;
      onPick(row, event.ctrlKey || event.metaKey);
    }
    return true;
  };
  return {
    current: sorted.some((row) => row.id === focused) ? focused : (sorted[0]?.id ?? null),
    setFocused,
    onKey: (event, index) => {
      if (!heard(event, index)) return;
      event.preventDefault();
      event.stopPropagation();
    },
  };
}

export function DataTable<T extends object>(props: DataTableProps<T>): ReactElement {
  const { label, rows, columns, name, sortBy, empty, menu } = props;
  const scroll = useRef<HTMLDivElement>(null);
  const remembered = useColumns(name, sortBy, columns);
  const { sorted, toggleSort } = useSortedRows(props, remembered);
  const virtual = useRowsInSight(scroll, sorted);
  const { current, setFocused, onKey } = useRowFocus(props, scroll, sorted, virtual);
  const items = virtual.getVirtualItems();
  const inSight = `${String(items[0]?.key ?? '')} ${String(items.length)} ${String(sorted.length)}`;
  const wanted = wantedColumns(columns, remembered.hidden, rows);
  const widths = useColumnWidths(scroll, wanted, inSight, ROW_PADDING_PX);
  const { shown, tracks, leastPx } = layColumns(wanted, widths);
  const body = (
    <div
      className="data-table"
      role="grid"
      aria-label={label}
      aria-rowcount={sorted.length + 1}
      aria-colcount={shown.length}
      style={vars({ '--columns': tracks, '--least': `${String(leastPx)}px` })}
    >
      <div className="data-scroll" ref={scroll}>
        <div className="data-head" role="row" aria-rowindex={1}>
          {shown.map((column) => {
            const sort = remembered.sorting.find((one) => one.id === column.id);
            return (
              <HeadCell key={column.id} column={column} sort={sort} onSort={() => toggleSort(column.id)} />
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
            return (
              <DataRow
                key={row.id}
                id={row.id}
                row={row.original}
                index={index}
                topPx={start}
                columns={shown}
                isSelected={props.isSelected(row.original)}
                isCurrent={row.id === current}
                onFocus={() => setFocused(row.id)}
                onPick={props.onPick}
                onKey={onKey}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
  if (menu === undefined) return body;
  const menuOf = (hit: Element): readonly MenuEntry[] => {
    const id = hit.closest('[data-row]')?.getAttribute('data-row');
    const row = sorted.find((one) => one.id === id)?.original;
    return row === undefined ? [] : menu(row);
  };
  return (
    <AtPointer label={`Commands: ${label}`} entries={menuOf}>
      {body}
    </AtPointer>
  );
}
