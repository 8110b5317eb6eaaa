/** The heading cells and the rows of a table: how they look and what they say to a screen reader. */
import type { KeyboardEvent, MouseEvent, ReactElement } from 'react';
import type { Sort } from '../store/table-columns.ts';
import { cx, vars } from './bits.tsx';
import type { Column } from './data-columns.ts';

const cellClass = ({ numeric, fixed, acts }: Pick<Column<never>, 'numeric' | 'fixed' | 'acts'>): string =>
  cx('data-cell', numeric && 'num', fixed && 'is-fixed', acts && 'is-acts');

export function HeadCell<T>(props: {
  readonly column: Column<T>;
  /** How the table is sorted by this column; undefined: by another one. */
  readonly sort: Sort | undefined;
  readonly onSort: () => void;
}): ReactElement {
  const { column, sort, onSort } = props;
  return (
    <div
      role="columnheader"
      className={cellClass(column)}
      aria-sort={sort === undefined ? 'none' : sort.desc ? 'descending' : 'ascending'}
      title={column.title}
    >
      {column.acts === true ? (
        <span className="unseen">{column.heading}</span>
      ) : (
        <button type="button" className="th" onClick={onSort}>
          {column.heading}
          {sort === undefined ? '' : sort.desc ? ' ↓' : ' ↑'}
        </button>
      )}
    </div>
  );
}

export function DataRow<T>(props: {
  readonly id: string;
  readonly row: T;
  readonly index: number;
  readonly topPx: number;
  readonly columns: readonly Column<T>[];
  readonly isSelected: boolean;
  /** The one row that Tab leads to. */
  readonly isCurrent: boolean;
  readonly onFocus: () => void;
  readonly onPick: (row: T, adds: boolean) => void;
  readonly onKey: (event: KeyboardEvent, index: number) => void;
}): ReactElement {
  const { id, row, index, columns } = props;
  return (
    <div
      role="row"
      className="data-row"
      data-row={id}
      aria-rowindex={index + 2}
      aria-selected={props.isSelected}
      tabIndex={props.isCurrent ? 0 : -1}
      style={vars({ '--top': `${String(props.topPx)}px` })}
      onFocus={props.onFocus}
      onClick={(event: MouseEvent) => props.onPick(row, event.ctrlKey || event.metaKey || event.shiftKey)}
      onKeyDown={(event) => event.target === event.currentTarget && props.onKey(event, index)}
    >
      {columns.map((column) => (
        <div key={column.id} role="gridcell" className={cellClass(column)}>
          {column.cell(row)}
        </div>
      ))}
    </div>
  );
}
