#!/usr/bin/env node
// No six lines of our code stand twice to the letter: what is the same thing is one function. Part of `npm run check`.
// Blank lines, brackets alone, comments and lists of imports do not count, and neither do tests, where each says by
// itself what it does.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const RUN_LINES = 6;
const FOLDERS = ['agent', 'electron', 'model', 'renderer', 'scripts'];
const CODE = /\.(c|h|def|ts|tsx|mjs|css|sh)$/;
const OTHERS = /(^|\/)vendor\//;

/** The lines that count, each with its number. */
function codeLines(text) {
  const lines = [];
  let within = null;
  text.split('\n').forEach((raw, i) => {
    const line = raw.trim();
    if (within !== null) {
      if (within.test(line)) within = null;
      return;
    }
    if (!/[A-Za-z0-9]/.test(line) || /^(\/\/|#include|# |\*)/.test(line)) return;
    if (/^\{?\/\*/.test(line)) {
      if (!line.includes('*/')) within = /\*\//;
      if (/\*\/\}?$/.test(line) || within !== null) return;
    }
    if (/^import\b/.test(line) && !line.startsWith('import(')) {
      if (!/['"];?$/.test(line)) within = /['"];?$/;
      return;
    }
    lines.push({ line, at: i + 1 });
  });
  return lines;
}

/** Pure. One line for each pair of places in these files that share a run; what a pair shares is told once. */
export function repeats(files) {
  const places = new Map();
  for (const [path, text] of files) {
    const lines = codeLines(text);
    for (let i = 0; i + RUN_LINES <= lines.length; i += 1) {
      const key = lines
        .slice(i, i + RUN_LINES)
        .map(({ line }) => line)
        .join('\n');
      const here = { path, index: i, at: lines[i].at };
      places.set(key, [...(places.get(key) ?? []), here]);
    }
  }
  const found = [];
  const told = new Set();
  for (const [key, [first, ...rest]] of places)
    for (const second of rest) {
      if (first.path === second.path && second.index - first.index < RUN_LINES) continue;
      const id = (a, b) => `${a.path} ${a.index} ${b.path} ${b.index}`;
      told.add(id(first, second));
      const before = [first, second].map((place) => ({ ...place, index: place.index - 1 }));
      if (told.has(id(before[0], before[1]))) continue;
      found.push(`${first.path}:${first.at} and ${second.path}:${second.at}: ${key.split('\n')[0]}`);
    }
  return found;
}

export function readCode(root) {
  const files = new Map();
  for (const folder of FOLDERS)
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).sort()) {
      const path = `${folder}/${name}`;
      if (CODE.test(path) && !OTHERS.test(path)) files.set(path, readFileSync(join(root, path), 'utf8'));
    }
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = repeats(readCode(fileURLToPath(new URL('..', import.meta.url))));
  for (const line of found) console.log(line);
  console.log(`${found.length} runs of ${RUN_LINES} lines that stand twice`);
  process.exit(found.length === 0 ? 0 : 1);
}
