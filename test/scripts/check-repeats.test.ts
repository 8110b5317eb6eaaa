import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readCode, repeats, RUN_LINES } from '../../scripts/check-repeats.mjs';

const run = Array.from({ length: RUN_LINES }, (_, i) => `  step${String(i)}();`).join('\n');
const found = (...texts: readonly string[]): readonly string[] =>
  repeats(new Map(texts.map((text, i) => [`model/${String(i)}.ts`, text])));

test('nothing in the tree stands twice', () => {
  const tree = readCode(fileURLToPath(new URL('../..', import.meta.url)));
  expect(tree.size).toBeGreaterThan(500);
  expect(repeats(tree)).toEqual([]);
});

test('what stands in two files is found, once, with both places', () => {
  expect(found(`a();\n${run}\nb();`, `c();\nd();\n${run}\n${run.slice(0, 8)}`)).toEqual([
    'model/0.ts:2 and model/1.ts:3: step0();',
  ]);
});

test('so is what stands twice in one file, however it is indented', () => {
  expect(found(`${run}\nif (x) {\n${run.replaceAll('  step', '      step')}\n}`)).toHaveLength(1);
});

test('comments, blank lines, brackets and imports are not counted, and do not hide a run', () => {
  const imports = `import {\n${'  one,\n'.repeat(RUN_LINES)}} from './a.ts';\n`;
  const comment = `/*\n${' * words\n'.repeat(RUN_LINES)} */\n`;
  expect(found(imports + comment, imports + comment)).toEqual([]);
  const spread = run.replaceAll('\n', '\n\n  // why\n  }\n');
  expect(found(run, spread)).toHaveLength(1);
});

test('a line less is no run', () => {
  const less = run.split('\n').slice(1).join('\n');
  expect(found(`a();\n${less}`, `b();\n${less}`)).toEqual([]);
});
