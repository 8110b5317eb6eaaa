/** In which order a table's rows stand, and which row a key leads to. Pure. */

/** How many rows Page Up and Page Down go. */
const PAGE_ROWS = 12;

/** Numbers by size, anything else as a person would sort it: `run-9` before `run-10`, whatever the case. */
export function compareCells(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b), 'en', { numeric: true, sensitivity: 'base' });
}

/** The row that `key` leads to from the row at `index` of `count`; null: the key moves nowhere. */
export function nextRow(key: string, index: number, count: number): number | null {
  const moves: Readonly<Record<string, number>> = {
    ArrowDown: index + 1,
    ArrowUp: index - 1,
    PageDown: index + PAGE_ROWS,
    PageUp: index - PAGE_ROWS,
    Home: 0,
    End: count - 1,
  };
  const to = moves[key];
  return to === undefined ? null : Math.max(0, Math.min(count - 1, to));
}
