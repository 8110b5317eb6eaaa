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
/** A larger group is not listed whole while nothing is typed: nobody reads two thousand slices. */
const LISTED_WHOLE_MAX = 40;
/** Of a larger one: enough to see what there is. */
export const GROUP_SHOWN_MAX = 12;
/** Only so many are looked at closely: closely is ten times as dear, and with a fleet there are thousands. */
const NEAR_MAX = 240;

export type Find<T> = (query: string) => readonly T[];

type Finder = Fzf<readonly Searchable[]>;

const finder = (items: readonly Searchable[], fuzzy: 'v1' | 'v2', limit: number): Finder =>
  new Fzf<readonly Searchable[]>(items, {
    selector: (item) => `${item.title} ${item.also} ${item.group}`,
    fuzzy,
    limit,
    casing: 'case-insensitive',
    // A hit in the title is worth more than one in the words behind it.
    tiebreakers: [(a, b) => a.start - b.start, (a, b) => a.item.title.length - b.item.title.length],
  });

/**
 * Both ways of fzf find the same items. The quick one takes the first place in a text where the letters stand, the
 * close one the best place; so the quick one chooses whom the close one puts in order.
 */
export function finderFor<T extends Searchable>(items: readonly T[]): Find<T> {
  // The words of all items are read once, at the first question.
  let quick: Finder | null = null;
  return (query) => {
    const wanted = query.trim();
    quick ??= finder(items, 'v1', NEAR_MAX);
    const near = quick.find(wanted).map(({ item }) => item);
    return finder(near, 'v2', SHOWN_MAX)
      .find(wanted)
      .map(({ item }) => item as T);
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
  const wanted = new Set(recentIds);
  const known = new Map(items.filter(({ id }) => wanted.has(id)).map((item) => [item.id, item]));
  const recent = recentIds.flatMap((id) => known.get(id) ?? []).slice(0, RECENT_SHOWN);
  const shown = new Set(recent);
  const rest = grouped(items.filter((item) => !shown.has(item))).map(cut);
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
