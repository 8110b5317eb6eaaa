/** The table of docs/security.md is the data of test/agent/layers.ts, and each of its cells is a test that is there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readMutations } from '../../scripts/mutations.mjs';
import { LAYERS, WAYS_AROUND, type Cell } from '../agent/layers.ts';

const root = join(import.meta.dirname, '../..');
const agentTests = join(root, 'test/agent');
const mutations = new Map(readMutations().map((mutation) => [mutation.id, mutation]));

const WORDS = {
  contained: 'contained',
  seen: 'seen',
  missed: 'missed',
  open: '–',
  untried: 'not tried',
} as const;
const cells = WAYS_AROUND.flatMap(({ way, cells: all }) =>
  all.map((cell, at) => [`${way}, ${LAYERS[at] ?? ''}`, cell] as const),
);
const row = (words: readonly string[]): string => `| ${words.join(' | ')} |`;

/** As the page has it, but for the blanks that lay it out. */
function table(): string[] {
  return [
    row(['way', ...LAYERS]),
    row(['way', ...LAYERS].map(() => '---')),
    ...WAYS_AROUND.map(({ way, cells: all }) => row([way, ...all.map(({ verdict }) => WORDS[verdict])])),
  ];
}
const withoutLayout = (line: string): string => line.replaceAll(/ +/g, ' ').replaceAll(/-{3,}/g, '---');

test('the page has the table', () => {
  const page = readFileSync(join(root, 'docs/security.md'), 'utf8').split('\n').map(withoutLayout);
  const at = page.indexOf(row(['way', ...LAYERS]));
  expect(page.slice(at, at + table().length)).toEqual(table());
});

describe.each(cells)('%s', (_name, { verdict, test: where, mutation }: Cell) => {
  test('has its test, unless there is nothing to test', () => {
    if (where === undefined) {
      expect(['open', 'untried']).toContain(verdict);
      return;
    }
    const [file = '', title = ''] = where.split(' › ');
    expect(existsSync(join(agentTests, file)), file).toBe(true);
    expect(readFileSync(join(agentTests, file), 'utf8').includes(title), where).toBe(true);
  });
  test('says by what it was seen to fail, where it is contained by more than the shim', () => {
    const file = (where ?? '').split(' › ')[0];
    if (mutation === undefined) {
      expect(verdict === 'contained' && file !== 'paths_test.c').toBe(false);
      return;
    }
    const found = mutations.get(mutation);
    expect(found, mutation).toBeDefined();
    expect(found?.test).toBe(file?.replace(/\.c$/, ''));
  });
});
