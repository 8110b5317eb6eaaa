/** Which items answer a query, best first; without a query those used last come first. Pure. */
import { Fzf } from 'fzf';

export interface Searchable {
  readonly id: string;
  readonly title: string;
  readonly group: string;
  /** Found by these words too. */
  readonly also: string;
}

export const SHOWN_MAX = 60;
const RECENT_SHOWN = 6;

export function searchItems<T extends Searchable>(items: readonly T[], query: string): readonly T[] {
  const finder = new Fzf<readonly Searchable[]>(items, {
    selector: (item) => `${item.title} ${item.also} ${item.group}`,
    limit: SHOWN_MAX,
    casing: 'case-insensitive',
    // A hit in the title is worth more than one in the words behind it.
    tiebreakers: [(a, b) => a.start - b.start, (a, b) => a.item.title.length - b.item.title.length],
  });
  return finder.find(query.trim()).map(({ item }) => item as T);
}

export interface Section<T> {
  readonly heading: string;
  readonly items: readonly T[];
}

/** Under headings, in the order of their best item. An item used lately stands under "Recent" only. */
export function sections<T extends Searchable>(
  items: readonly T[],
  query: string,
  recentIds: readonly string[],
): readonly Section<T>[] {
  if (query.trim() !== '') return grouped(searchItems(items, query));
  const recent = recentIds.flatMap((id) => items.filter((item) => item.id === id)).slice(0, RECENT_SHOWN);
  const rest = grouped(items.filter((item) => !recent.includes(item)));
  return recent.length > 0 ? [{ heading: 'Recent', items: recent }, ...rest] : rest;
}

function grouped<T extends Searchable>(items: readonly T[]): Section<T>[] {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(item.group, [...(groups.get(item.group) ?? []), item]);
  return [...groups].map(([heading, of]) => ({ heading, items: of }));
}
