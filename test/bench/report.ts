/** A figure, its target, and how it is shown. */
import { readFileSync, writeFileSync } from 'node:fs';

export interface Figure {
  readonly id: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly target: number;
  readonly date: string;
}

const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);

/** `fraction` 0…1, nearest rank. */
export function percentile(values: readonly number[], fraction: number): number {
  const all = sorted(values);
  return all[Math.min(all.length - 1, Math.max(0, Math.ceil(fraction * all.length) - 1))] ?? Number.NaN;
}
export const median = (values: readonly number[]): number => percentile(values, 0.5);

export function makeFigure(id: string, what: string, value: number, unit: string, target: number): Figure {
  const figure = {
    id,
    what,
    value: Number(value.toPrecision(4)),
    unit,
    target,
    date: new Date().toISOString().slice(0, 10),
  };
  console.log(
    `${figure.value <= target ? 'met   ' : 'MISSED'} ${id}: ${String(figure.value)} ${unit} (target ≤ ${String(target)}) — ${what}`,
  );
  return figure;
}

export function printTable(figures: readonly Figure[]): string {
  const rows = figures.map(
    (f) => `| ${f.id} | ${f.what} | ${String(f.value)} ${f.unit} | ≤ ${String(f.target)} ${f.unit} |`,
  );
  return ['| id | figure | measured | target |', '|---|---|---|---|', ...rows].join('\n');
}

export function save(path: string, figures: readonly Figure[]): void {
  writeFileSync(path, `${JSON.stringify(figures, null, 2)}\n`);
}

/** Puts figures into a file of them: those of the same name are replaced, the others stay. Gives all of them. */
export function merge(path: string, figures: readonly Figure[]): readonly Figure[] {
  const known = JSON.parse(readFileSync(path, 'utf8')) as readonly Figure[];
  const kept = known.map((old) => figures.find(({ id }) => id === old.id) ?? old);
  const added = figures.filter(({ id }) => !known.some((old) => old.id === id));
  const all = [...kept, ...added];
  save(path, all);
  return all;
}

/** Puts the table between the README's markers: what it promises is what somebody meant to keep. */
export function intoReadme(path: string, table: string): void {
  const text = readFileSync(path, 'utf8');
  const updated = text.replace(
    /<!-- bench -->[\s\S]*?<!-- \/bench -->/,
    `<!-- bench -->\n\n${table}\n\n<!-- /bench -->`,
  );
  if (updated === text && !text.includes(table)) throw new Error(`${path} has no place for the table`);
  writeFileSync(path, updated);
}
