import { describe, expect, it } from 'vitest';
import { layColumns, squeezed, wantedColumns } from '../../renderer/components/data-columns.ts';
import type { Column } from '../../renderer/components/data-columns.ts';
import { compareCells, nextRow } from '../../renderer/domain/table-order.ts';

interface Row {
  readonly name: string;
  readonly note: string | null;
}
const text = (id: keyof Row, more: Partial<Column<Row>> = {}): Column<Row> => ({
  id,
  heading: id,
  width: 80,
  value: (row) => row[id],
  cell: (row) => row[id],
  ...more,
});
const NAME = text('name', { grows: true, width: 120 });
const NOTE = text('note', { says: (row) => row.note !== null });
const STOP: Column<Row> = {
  id: 'stop',
  heading: 'Stop',
  width: 50,
  acts: true,
  value: () => null,
  cell: () => '',
};
const ids = (columns: readonly Column<Row>[]): readonly string[] => columns.map(({ id }) => id);

describe('the order of a table', () => {
  it('sorts numbers by size and names as a person would', () => {
    expect([10, 9, -1].sort(compareCells)).toEqual([-1, 9, 10]);
    expect(['run-10', 'Run-9', 'alpha'].sort(compareCells)).toEqual(['alpha', 'Run-9', 'run-10']);
  });
  it('is walked by keys, and ends at its ends', () => {
    expect(nextRow('ArrowDown', 3, 40)).toBe(4);
    expect(nextRow('ArrowUp', 0, 40)).toBe(0);
    expect(nextRow('PageDown', 35, 40)).toBe(39);
    expect(nextRow('PageUp', 35, 40)).toBe(23);
    expect(nextRow('Home', 35, 40)).toBe(0);
    expect(nextRow('End', 0, 40)).toBe(39);
    expect(nextRow('Enter', 3, 40)).toBeNull();
  });
});

describe('the columns of a table', () => {
  it('are those that nobody hid and of which a row has something to say', () => {
    const quiet: readonly Row[] = [{ name: 'a', note: null }];
    expect(ids(wantedColumns([NAME, NOTE, STOP], [], quiet))).toEqual(['name', 'stop']);
    expect(ids(wantedColumns([NAME, NOTE, STOP], ['name'], [...quiet, { name: 'b', note: 'x' }]))).toEqual([
      'note',
      'stop',
    ]);
  });
  it('are as wide as they were made until they are measured', () => {
    expect(layColumns([NAME, NOTE, STOP], null)).toMatchObject({
      tracks: 'minmax(120px, 1fr) 80px',
      leastPx: 120 + 80 + 24,
    });
  });
  it('stay where they have a measured place, and what one can do takes none', () => {
    const laid = layColumns([NAME, NOTE, STOP], new Map([['name', 200]]));
    expect(ids(laid.shown)).toEqual(['name', 'stop']);
    expect(laid).toMatchObject({ tracks: 'minmax(200px, 1fr)', leastPx: 200 + 24 });
  });
  it('are in a narrow window those that have a width there', () => {
    expect(squeezed([NAME, NOTE], { note: 40 })).toEqual([{ ...NOTE, width: 40 }]);
  });
});
