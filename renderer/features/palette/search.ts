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
/** Of one group, while nothing is typed. Two thousand slices are no list, and took a second to be drawn. */
export const GROUP_SHOWN_MAX = 24;

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
  if (query.trim() !== '') return grouped(find(query), SHOWN_MAX);
  const recent = recentIds.flatMap((id) => items.filter((item) => item.id === id)).slice(0, RECENT_SHOWN);
  const rest = grouped(
    items.filter((item) => !recent.includes(item)),
    GROUP_SHOWN_MAX,
  );
  return recent.length > 0 ? [{ heading: 'Recent', items: recent, more: 0 }, ...rest] : rest;
}

function grouped<T extends Searchable>(items: readonly T[], most: number): Section<T>[] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.group);
    if (group === undefined) groups.set(item.group, [item]);
    else group.push(item);
  }
  return [...groups].map(([heading, of]) => ({
    heading,
    items: of.slice(0, most),
    more: Math.max(0, of.length - most),
  }));
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
