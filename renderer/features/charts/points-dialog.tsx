/** The points of a chart as a table: for those who do not see it, and for those who want the figure. */
import type { ReactElement } from 'react';
import { QUANTITIES } from '../../domain/chart-data.ts';
import type { PointRow, Quantity } from '../../domain/chart-data.ts';
import { dayTimeSeconds } from '../../domain/when.ts';
import { closeDialog } from '../../store/ui.ts';
import { Button } from '../../components/bits.tsx';
import type { Column } from '../../components/data-columns.ts';
import { DataTable } from '../../components/data-table.tsx';
import { Dialog } from '../../components/dialog.tsx';

const figure = (value: number | null, digits: number): string =>
  value === null ? '—' : value.toFixed(digits);

function columnsOf(quantity: Quantity): readonly Column<PointRow>[] {
  const { unit, digits, name } = QUANTITIES[quantity];
  return [
    {
      id: 'time',
      heading: 'Time',
      width: 170,
      numeric: true,
      value: (row) => row.atMs,
      cell: (row) => dayTimeSeconds(row.atMs),
    },
    {
      id: 'value',
      heading: `${name} ${unit}`,
      width: 120,
      grows: true,
      numeric: true,
      value: (row) => row.value,
      cell: (row) => figure(row.value, digits),
    },
    {
      id: 'limit',
      heading: `Limit ${unit}`,
      width: 100,
      numeric: true,
      value: (row) => row.limit,
      cell: (row) => figure(row.limit, digits),
    },
    {
      id: 'throttled',
      heading: 'Throttled %',
      width: 100,
      numeric: true,
      value: (row) => row.throttledPercent,
      cell: (row) => figure(row.throttledPercent, 0),
    },
  ];
}

const COLUMNS = {
  memory: columnsOf('memory').filter((column) => column.id !== 'throttled'),
  compute: columnsOf('compute'),
  temperature: columnsOf('temperature').slice(0, 2),
  power: columnsOf('power').slice(0, 2),
  clock: columnsOf('clock').slice(0, 2),
} as const satisfies Record<Quantity, readonly Column<PointRow>[]>;

export function PointsDialog(props: {
  readonly title: string;
  readonly quantity: Quantity;
  readonly rows: readonly PointRow[];
}): ReactElement {
  const { title, quantity, rows } = props;
  return (
    <Dialog
      title={title}
      wide
      onCancel={closeDialog}
      onSubmit={closeDialog}
      actions={
        <Button kind="primary" onClick={closeDialog} autoFocus>
          Close
        </Button>
      }
    >
      <div className="points">
        <DataTable
          label={title}
          name="points"
          rows={rows}
          columns={COLUMNS[quantity]}
          rowKey={(row) => String(row.atMs)}
          sortBy="time"
          isSelected={() => false}
          onPick={() => undefined}
          empty="There is no data in this range."
        />
      </div>
    </Dialog>
  );
}
