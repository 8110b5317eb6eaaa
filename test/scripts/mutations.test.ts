import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mutate, readMutations } from '../../scripts/mutations.mjs';

interface Mutation {
  readonly id: string;
  readonly file: string;
  readonly test: string;
}
const mutations = readMutations() as Mutation[];

test.each(mutations)('$id still has its place in $file', (mutation) => {
  const text = readFileSync(new URL(`../../${mutation.file}`, import.meta.url), 'utf8');
  expect(mutate(text, mutation)).not.toBe(text);
});

test.each(mutations)('$id names a test that is there', ({ test: name }) => {
  expect(readFileSync(new URL(`../agent/${name}.c`, import.meta.url), 'utf8')).toContain('int main');
});
