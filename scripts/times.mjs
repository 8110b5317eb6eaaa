// What took how long, for the end of `npm test` and of .ci/run.

/** What .ci/run did before, as `name=seconds name=seconds`. */
export function readTimes(text) {
  return text
    .split(' ')
    .map((pair) => /^([a-z]+)=(\d+)$/.exec(pair))
    .filter((match) => match !== null)
    .map(([, name, seconds]) => ({ name, ms: Number(seconds) * 1000 }));
}

/** Pure. One line each, and the sum. */
export function timesTable(times) {
  const rows = [...times, { name: 'all', ms: times.reduce((sum, { ms }) => sum + ms, 0) }].map(
    ({ name, ms }) => [name, (ms / 1000).toFixed(1)],
  );
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map(([name, s]) => `${name.padEnd(widths[0])}  ${s.padStart(widths[1])} s`).join('\n');
}
