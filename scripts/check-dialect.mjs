#!/usr/bin/env node
// One way to write a thing, where no formatter decides it. Part of `npm run check`.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OURS = ['.ci', 'agent', 'docs', 'electron', 'model', 'renderer', 'scripts', 'test'];
const OTHERS = /(^|\/)(vendor|node_modules|__pycache__)\//;
const TEXT = /\.(c|h|def|S|ts|tsx|mjs|mts|css|html|md|json|jsonl|py|sh|yml)$|^\.ci\/run$/;

/** What is refused, where, what to write instead, and places that keep it for a reason. */
export const RULES = [
  {
    in: /^agent\/.*\.[ch]$/,
    refuses: /[!=]= NULL\b/,
    say: 'a pointer is asked as such: `!pointer`, `pointer`',
  },
  {
    in: /^agent\/.*\.[ch]$/,
    refuses: /\bgoto\b/,
    say: 'a function that needs a jump is two functions',
  },
  {
    in: TEXT,
    refuses: /\b[Cc]an not\b(?! only)/,
    say: 'cannot is one word',
    but: ['scripts/check-dialect.mjs', 'test/scripts/check-dialect.test.ts'],
  },
];

/** Pure. One line for each place in these files that breaks a rule. */
export function brokenRules(files) {
  const found = [];
  for (const [path, text] of files)
    for (const rule of RULES) {
      if (!rule.in.test(path) || rule.but?.includes(path)) continue;
      text.split('\n').forEach((line, i) => {
        if (rule.refuses.test(line)) found.push(`${path}:${String(i + 1)}: ${rule.say}`);
      });
    }
  return found;
}

export function readOurs(root) {
  const files = new Map();
  const take = (path) => files.set(path, readFileSync(join(root, path), 'utf8'));
  for (const name of readdirSync(root)) if (name.endsWith('.md')) take(name);
  for (const folder of OURS)
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).sort()) {
      const path = `${folder}/${name}`;
      if (TEXT.test(path) && !OTHERS.test(path)) take(path);
    }
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = brokenRules(readOurs(fileURLToPath(new URL('..', import.meta.url))));
  for (const line of found) console.log(line);
  console.log(`${String(found.length)} places in another dialect`);
  process.exit(found.length === 0 ? 0 : 1);
}
