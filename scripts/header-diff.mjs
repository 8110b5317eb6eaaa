#!/usr/bin/env node
// Every function of the toolkit's cuda.h and nvml.h is hooked (hooks.def), forwarded on purpose (forwards.def, with the
// reason), or unclassified, which fails: a new toolkit's new way to get memory is found when the toolkit is, not later.
//   node scripts/header-diff.mjs [--cuda FILE] [--nvml FILE] [--json]
// Without arguments: the headers under CUDA_HOME, /usr/local/cuda*, /usr/include. None found: says so and passes.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Names a header declares or renames to: prototypes, `#define cuX cuX_v2`, and the per-thread forms of both. */
export function declaredFunctions(text, prefix) {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, ' ').replace(/\/\/.*/g, '');
  const names = new Set();
  const call = prefix === 'cu' ? 'CUDAAPI' : 'DECLDIR';
  for (const [, name] of code.matchAll(new RegExp(`\\b${call}\\s+(${prefix}\\w+)\\s*\\(`, 'g')))
    names.add(name);
  // A base name that is renamed is the newer one everywhere; the older ABI is declared again further down.
  for (const [, base, target] of code.matchAll(/#\s*define\s+(\w+)\s+(\w+)\s*$/gm)) {
    const renamed = new RegExp(`^${prefix}[A-Z]\\w*(_v\\d+|_pts[zd])$`);
    if (base.startsWith(prefix) && renamed.test(target)) names.add(target);
  }
  for (const [, kind, name] of code.matchAll(/__CUDA_API_(PTSZ|PTDS)\(\s*(cu\w+)\s*\)/g)) {
    names.add(name);
    names.add(`${name}_${kind.toLowerCase()}`);
  }
  return [...names].sort();
}

export function readTable(hooksText, forwardsText) {
  const hooked = new Set([...hooksText.matchAll(/\bHOOK\(\w+,\s*\w+,\s*(\w+),/g)].map((m) => m[1]));
  const forwards = [...forwardsText.matchAll(/\bFORWARD\(([\w*]+),\s*"((?:[^"\\]|\\.)*)"\)/g)].map(
    ([, pattern, reason]) => ({
      pattern,
      reason,
      matches: new RegExp(`^${pattern.replaceAll('*', '\\w*')}$`),
    }),
  );
  return { hooked, forwards };
}

export function classify(names, { hooked, forwards }) {
  return names.map((name) => {
    if (hooked.has(name)) return { name, state: 'hooked', reason: '' };
    // The most particular pattern speaks for a name.
    const match = forwards
      .filter((f) => f.matches.test(name))
      .sort((a, b) => b.pattern.length - a.pattern.length)[0];
    return match
      ? { name, state: 'forwarded', reason: match.reason }
      : { name, state: 'unclassified', reason: '' };
  });
}

function foundHeaders(file) {
  const folders = [];
  if (process.env['CUDA_HOME']) folders.push(join(process.env['CUDA_HOME'], 'include'));
  if (existsSync('/usr/local')) {
    for (const name of readdirSync('/usr/local')) {
      if (name.startsWith('cuda')) folders.push(join('/usr/local', name, 'include'));
    }
  }
  folders.push('/usr/include');
  const seen = new Map();
  for (const path of folders.map((folder) => join(folder, file)).filter((path) => existsSync(path))) {
    const text = readFileSync(path, 'utf8');
    if (text.includes('CUDAAPI') || text.includes('DECLDIR')) seen.set(text, path);
  }
  return [...seen].map(([text, path]) => ({ text, path }));
}

function report(path, text, rows, json) {
  const version = /#define\s+(?:CUDA_VERSION|NVML_API_VERSION)\s+(\d+)/.exec(text)?.[1] ?? 'unknown';
  const count = (state) => rows.filter((row) => row.state === state).length;
  const unclassified = rows.filter((row) => row.state === 'unclassified').map((row) => row.name);
  if (json) console.log(JSON.stringify({ path, version, rows }, null, 1));
  console.error(
    `${path} (version ${version}): ${String(rows.length)} functions, ${String(count('hooked'))} hooked, ` +
      `${String(count('forwarded'))} forwarded on purpose, ${String(unclassified.length)} unclassified`,
  );
  if (unclassified.length > 0) {
    console.error(`  unclassified: ${unclassified.join(' ')}`);
    console.error(
      '  hook them in agent/shim/cuda/hooks.def, or say in agent/shim/cuda/forwards.def why not.',
    );
  }
  return unclassified.length === 0;
}

function main(argv) {
  const option = (name) => (argv.includes(name) ? argv[argv.indexOf(name) + 1] : undefined);
  const table = readTable(
    readFileSync(join(root, 'agent/shim/cuda/hooks.def'), 'utf8'),
    readFileSync(join(root, 'agent/shim/cuda/forwards.def'), 'utf8'),
  );
  let good = true;
  for (const [file, prefix, flag] of [
    ['cuda.h', 'cu', '--cuda'],
    ['nvml.h', 'nvml', '--nvml'],
  ]) {
    const given = option(flag);
    const headers = given ? [{ path: given, text: readFileSync(given, 'utf8') }] : foundHeaders(file);
    if (headers.length === 0) console.error(`header diff: skipped for ${file}, none was found`);
    for (const { path, text } of headers) {
      good =
        report(path, text, classify(declaredFunctions(text, prefix), table), argv.includes('--json')) && good;
    }
  }
  return good ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));
