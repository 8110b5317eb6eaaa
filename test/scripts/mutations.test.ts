import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mutate, readMutations } from '../../scripts/mutations.mjs';

const mutations = readMutations();

test.each(mutations)('$id still has its place in $file', (mutation) => {
  for (const edit of [mutation, ...(mutation.also ? [{ ...mutation.also, id: mutation.id }] : [])]) {
    const text = readFileSync(new URL(`../../${edit.file}`, import.meta.url), 'utf8');
    expect(mutate(text, edit)).not.toBe(text);
  }
});

test.each(mutations)('$id names a test that is there', ({ test: name }) => {
  expect(readFileSync(new URL(`../agent/${name}.c`, import.meta.url), 'utf8')).toContain('int main');
});
