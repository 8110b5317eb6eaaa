/** Which items answer a query, best first; without a query those used last come first. Pure. */
import { Fzf } from 'fzf';

export interface Searchable {
  readonly id: string;
  readonly title: string;
  readonly group: string;
  /** Found by these words too. */
  readonly also: string;
}

export const SHOWN_MAX = 40;
const RECENT_SHOWN = 6;
/** A larger group is not listed whole while nothing is typed: two thousand slices took a second to be drawn. */
const LISTED_WHOLE_MAX = 40;
/** Of a larger one: enough to see what there is. */
export const GROUP_SHOWN_MAX = 12;

export type Find<T> = (query: string) => readonly T[];

/** The words of all items are read once, at the first question. */
export function finderFor<T extends Searchable>(items: readonly T[]): Find<T> {
  let finder: Fzf<readonly Searchable[]> | null = null;
  return (query) => {
    finder ??= new Fzf<readonly Searchable[]>(items, {
      selector: (item) => `${item.title} ${item.also} ${item.group}`,
      limit: SHOWN_MAX,
      casing: 'case-insensitive',
      // A hit in the title is worth more than one in the words behind it.
      tiebreakers: [(a, b) => a.start - b.start, (a, b) => a.item.title.length - b.item.title.length],
    });
    return finder.find(query.trim()).map(({ item }) => item as T);
  };
}

export interface Section<T> {
  readonly heading: string;
  readonly items: readonly T[];
  /** How many of the group are not listed. */
  readonly more: number;
}

/** Under headings, in the order of their best item. An item used lately stands under "Recent" only. */
export function sections<T extends Searchable>(
  items: readonly T[],
  find: Find<T>,
  query: string,
  recentIds: readonly string[],
): readonly Section<T>[] {
  if (query.trim() !== '') return grouped(find(query));
  const recent = recentIds.flatMap((id) => items.filter((item) => item.id === id)).slice(0, RECENT_SHOWN);
  const rest = grouped(items.filter((item) => !recent.includes(item))).map(cut);
  return recent.length > 0 ? [{ heading: 'Recent', items: recent, more: 0 }, ...rest] : rest;
}

function grouped<T extends Searchable>(items: readonly T[]): Section<T>[] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.group);
    if (group === undefined) groups.set(item.group, [item]);
    else group.push(item);
  }
  return [...groups].map(([heading, of]) => ({ heading, items: of, more: 0 }));
}

function cut<T>(section: Section<T>): Section<T> {
  const { items } = section;
  if (items.length <= LISTED_WHOLE_MAX) return section;
  return { ...section, items: items.slice(0, GROUP_SHOWN_MAX), more: items.length - GROUP_SHOWN_MAX };
}

/** The first so many items, under their headings. */
export function firstOf<T>(of: readonly Section<T>[], most: number): readonly Section<T>[] {
  let left = most;
  return of.flatMap((section) => {
    if (left <= 0) return [];
    const items = section.items.slice(0, left);
    left -= items.length;
    return [{ ...section, items }];
  });
}
