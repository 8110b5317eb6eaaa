import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { brokenRules, readOurs } from '../../scripts/check-dialect.mjs';

const planted = (path: string, text: string): readonly string[] => brokenRules(new Map([[path, text]]));

test('nothing in the tree is written in another way', () => {
  const tree = readOurs(fileURLToPath(new URL('../..', import.meta.url)));
  expect(tree.size).toBeGreaterThan(900);
  expect(brokenRules(tree)).toEqual([]);
});

test.each([
  ['agent/shim/a.c', 'if (entry == NULL) return;'],
  ['agent/src/a.h', 'return entry != NULL;'],
  ['agent/sim/a.c', 'goto out;'],
  ['docs/a.md', 'It can not be.'],
  ['agent/src/a.c', 'say("Can not be run");'],
  ['test/a.test.ts', '// can not'],
])('in %s it is found: %s', (path, text) => {
  expect(planted(path, text)).toEqual([expect.stringContaining(`${path}:1: `)]);
});

test.each([
  ['agent/src/a.c', 'return NULL;'],
  ['test/agent/a_test.c', 'CHECK(found != NULL);'],
  ['docs/a.md', 'It can not only be read. It cannot be cut.'],
])('in %s it is fine: %s', (path, text) => {
  expect(planted(path, text)).toEqual([]);
});
