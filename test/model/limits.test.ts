/** What both sides must know is said once in each language, and is the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { GPU_ABILITIES } from '../../model/backends.ts';
import { CONCURRENT } from '../../model/gpu.ts';
import { JOB_PRIORITIES, JOB_STATES, JOB_WAITS } from '../../model/job.ts';
import * as limits from '../../model/limits.ts';
import { HELD_BY } from '../../model/slice.ts';

const agent = fileURLToPath(new URL('../../agent/src', import.meta.url));
const files = readdirSync(agent, { recursive: true, encoding: 'utf8' }).filter((name) =>
  /\.(c|h|def)$/.test(name),
);
const source = files.map((name) => readFileSync(join(agent, name), 'utf8')).join('\n');

/** The value of a macro that is a product or a shift of whole numbers. */
function macro(name: string): number {
  const found = [...source.matchAll(new RegExp(`^#define ${name} (.*?)(?: */\\*.*)?$`, 'gm'))];
  expect(found, `${name} is defined once in agent/src`).toHaveLength(1);
  const text = (found[0]?.[1] ?? '').replace(/U?INT64_C\((\d+)\)/g, '$1').replace(/(\d)u\b/g, '$1');
  expect(text, name).toMatch(/^[\d\s*()]+$/);
  return text
    .replace(/[()]/g, '')
    .split('*')
    .reduce((product, factor) => product * Number(factor), 1);
}

test.each(Object.entries(limits))('%s is the agent’s', (name, value) => {
  expect(value).toBe(macro(name));
});

const wordsOf = (pattern: RegExp): readonly (string | undefined)[] =>
  [...source.matchAll(pattern)].map((match) => match[1]);

test('abilities of a backend are the agent’s, in its order', () => {
  expect(wordsOf(/^GPU_ABILITY\(\w+, "([a-z-]+)"\)/gm)).toEqual([...GPU_ABILITIES]);
});

test.each([
  ['priorities of jobs', /\[JOB_(?:LOW|NORMAL|HIGH)\] = "(\w+)"/g, JOB_PRIORITIES],
  ['states of jobs', /\[JOB_(?!LOW|NORMAL|HIGH)\w+\] = "([a-z]+)"/g, JOB_STATES],
  ['reasons why a job waits', /\[WAITS_\w+\] = "([a-z-]+)"/g, JOB_WAITS],
  ['what holds a slice', /\[REGION_HELD_BY_\w+\] = "([a-z-]+)"/g, HELD_BY.slice(1, 5)],
  ['states of concurrent mode', /\[CONCURRENT_\w+\] = "(\w+)"/g, CONCURRENT],
])('%s are the agent’s words', (_what, pattern, words) => {
  // A set: what is inside may have one word for two states.
  expect(new Set(wordsOf(pattern))).toEqual(new Set(words));
});
