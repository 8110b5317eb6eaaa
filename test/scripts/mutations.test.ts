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
  const file = name.endsWith('.ts') ? name : `${name}.c`;
  expect(readFileSync(new URL(`../agent/${file}`, import.meta.url), 'utf8')).toMatch(
    /int main|test(\.each)?\(/,
  );
});
