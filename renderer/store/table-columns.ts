/** Which columns a table hides and what it is sorted by, kept between starts. */
import { z } from 'zod';
import { create } from 'zustand';
import { readStored, writeStored } from './stored.ts';

const STORE_KEY = 'tranche.columns';
export const tableSchema = z.object({
  hidden: z.array(z.string().max(40)).max(40),
  sorting: z.array(z.object({ id: z.string().max(40), desc: z.boolean() })).max(4),
});
const schema = z.record(z.string().max(40), tableSchema);
type TableState = z.infer<typeof tableSchema>;
type Tables = Readonly<Record<string, TableState>>;

const useTables = create<{ readonly tables: Tables }>(() => ({ tables: readStored(STORE_KEY, schema, {}) }));

export interface Sort {
  readonly id: string;
  readonly desc: boolean;
}
export interface Columns {
  readonly sorting: readonly Sort[];
  readonly hidden: readonly string[];
  readonly setSorting: (sorting: readonly Sort[]) => void;
  readonly toggle: (id: string) => void;
}

/** Saved views put a table's state back whole. */
export function setTable(name: string, state: { hidden: readonly string[]; sorting: readonly Sort[] }): void {
  const tables: Tables = {
    ...useTables.getState().tables,
    [name]: { hidden: [...state.hidden], sorting: state.sorting.map((sort) => ({ ...sort })) },
  };
  useTables.setState({ tables });
  writeStored(STORE_KEY, tables);
}

export const tableState = (name: string): TableState | null => useTables.getState().tables[name] ?? null;

type Hideable = readonly { readonly id: string; readonly hidden?: true }[];

export function useColumns(name: string, sortBy: string, columns: Hideable): Columns {
  const known = useTables((s) => s.tables[name]);
  const sorting: readonly Sort[] = known?.sorting ?? [{ id: sortBy, desc: true }];
  const hidden = known?.hidden ?? columns.filter((column) => column.hidden === true).map((c) => c.id);
  return {
    sorting,
    hidden,
    setSorting: (next) => setTable(name, { hidden, sorting: next }),
    toggle: (id) =>
      setTable(name, {
        sorting,
        hidden: hidden.includes(id) ? hidden.filter((one) => one !== id) : [...hidden, id],
      }),
  };
}
