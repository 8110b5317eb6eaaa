/** Views of all hosts that were saved under a name: filter, grouping, kind of view, columns. */
import { z } from 'zod';
import { create } from 'zustand';
import { setTable, tableState } from '../components/table-columns.ts';
import { readStored, writeStored } from './stored.ts';
import { GROUPINGS, VIEWS, useUi } from './ui.ts';

const STORE_KEY = 'tranche.views';
export const VIEWS_MAX = 20;
const FLEET_TABLE = 'fleet-slices';

const view = z.object({
  name: z.string().min(1).max(60),
  filter: z.string().max(200),
  grouping: z.enum(GROUPINGS),
  view: z.enum(VIEWS),
  table: z
    .object({
      hidden: z.array(z.string().max(40)).max(40),
      sorting: z.array(z.object({ id: z.string().max(40), desc: z.boolean() })).max(4),
    })
    .nullable(),
});
export type SavedView = z.infer<typeof view>;

export const useViews = create<{ readonly views: readonly SavedView[] }>(() => ({
  views: readStored(STORE_KEY, z.array(view).max(VIEWS_MAX), []),
}));

function put(views: readonly SavedView[]): void {
  useViews.setState({ views });
  writeStored(STORE_KEY, views);
}

/** What is shown now, under this name; one of the same name is replaced. */
export function saveView(name: string): void {
  const { fleetFilter, grouping, view: kind } = useUi.getState();
  const saved: SavedView = {
    name,
    filter: fleetFilter.slice(0, 200),
    grouping,
    view: kind,
    table: tableState(FLEET_TABLE),
  };
  const others = useViews.getState().views.filter((one) => one.name !== name);
  put([...others, saved].slice(-VIEWS_MAX));
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

export const forgetView = (name: string): void =>
  put(useViews.getState().views.filter((one) => one.name !== name));
