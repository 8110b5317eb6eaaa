/** The only door to csv-stringify: rows as text that a spreadsheet opens and does not run. */

/**
 * A cell that begins with = + - or @ is a formula to a spreadsheet; the library puts a quote before it. Numbers stay
 * numbers. Loaded when it is needed: most windows never export.
 */
export async function csvText(
  head: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): Promise<string> {
  const { stringify } = await import('csv-stringify/browser/esm/sync');
  return stringify([[...head], ...rows.map((row) => [...row])], {
    escape_formulas: true,
    record_delimiter: 'windows',
    quoted_string: true,
  });
}
