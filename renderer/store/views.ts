/** Views of all hosts that were saved under a name: filter, grouping, kind of view, columns. */
import { z } from 'zod';
import { namedList } from './named-list.ts';
import { setTable, tableSchema, tableState } from './table-columns.ts';
import { GROUPINGS, VIEWS, useUi } from './ui.ts';

const STORE_KEY = 'tranche.views';
const VIEWS_MAX = 20;
const FLEET_TABLE = 'fleet-slices';

const view = z.object({
  name: z.string().min(1).max(60),
  filter: z.string().max(200),
  grouping: z.enum(GROUPINGS),
  view: z.enum(VIEWS),
  table: tableSchema.nullable(),
});
export type SavedView = z.infer<typeof view>;

const kept = namedList(STORE_KEY, view, VIEWS_MAX);
export const useViews = kept.use;
export const forgetView: (name: string) => void = kept.forget;

/** What is shown now, under this name; one of the same name is replaced. */
export function saveView(name: string): void {
  const { fleetFilter, grouping, view: kind } = useUi.getState();
  kept.keep({
    name,
    filter: fleetFilter.slice(0, 200),
    grouping,
    view: kind,
    table: tableState(FLEET_TABLE),
  });
}

export function openView(saved: SavedView): void {
  useUi.setState({
    scope: 'fleet',
    fleetFilter: saved.filter,
    grouping: saved.grouping,
    view: saved.view,
  });
  if (saved.table !== null) setTable(FLEET_TABLE, saved.table);
}
