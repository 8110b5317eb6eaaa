#!/usr/bin/env node
// One vendor's words stand in that vendor's files, and everybody else asks the GPU's backend for them (agent/src/gpu/gpu.h,
// model/backends.ts): else the next vendor is a search through fifty files. Part of `npm run check`.
// A vendor's files are those below a folder, or with a name, that begins with its id.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VENDOR_FILE = /(^|\/)nvidia/;
/** Words as people read them, and names as they stand in code. `GPU-hours` are anybody's. */
const WORDS =
  /NVIDIA|nvidia|\bGPU-(?!hours?\b|h\b)|\bXIDs?\b|\bMPS\b|\bMIG\b|NVML|(?<![A-Za-z])(?:xid|migs?|mps|nvml)(?![a-z])/;

const ROOTS = [
  { folder: 'agent/src', files: /\.(c|h|def)$/ },
  { folder: 'model', files: /\.ts$/ },
  { folder: 'electron', files: /\.(ts|sh)$/ },
  { folder: 'renderer', files: /\.tsx?$/ },
];

/** [file, what may stand there, why]. */
export const EXCEPTIONS = [
  ['agent/src/gpu/backends.c', /gpu_nvml|nvidia\/nvml\.h/, 'the list of backends names each'],
  ['agent/src/cards/concurrent.c', /mps_mode|nvidia\/mps\.h/, 'the table of modes names each'],
  ['agent/src/launch/run.c', /nvidia\/(cuda_launch|gated)\.h/, 'programs in slices are CUDA programs'],
  ['agent/src/cli/cli_show.c', /nvidia\/(gated|gate_proof)\.h/, 'the gate stands before one vendor’s driver'],
  ['agent/src/cli/main.c', /nvidia\/limit_proof\.h/, 'the program that tries one vendor’s driver'],
  ['agent/src/launch/fetch.c', /mpsPipeDirectory/, 'the name on the wire, as older agents say it'],
  ['agent/src/cards/faults.c', /"XID"|"xid"/, 'files and lines of before there were other sources'],
  ['agent/src/wire/events.c', /"migEnabled"|"migSlices"/, 'names that older clients look for'],
  ['model/agent-protocol.ts', /migSlices/, 'lines of older agents'],
  ['model/gpu.ts', /NVIDIA|nvidia\.ts|xid|migEnabled/, 'the same'],
  ['model/backends.ts', /NVIDIA(_FAULT_NOTICE)?|nvidia\.ts/, 'what an agent means that names no backend'],
  ['electron/core/fleet/host-picture.ts', /migSlices/, 'lines of older agents'],
  ['electron/core/agent/scripts.ts', /nvidia-preview\.sh/, 'what is read before an agent is there'],
  ['electron/core/fleet/host-deployment.ts', /nvidia-preview\.ts/, 'the same'],
  ['electron/lab/simulated-host.ts', /GPU-/, 'the lab simulates this vendor’s driver'],
  ['renderer/store/setting-list.ts', /xid/, 'a word that people search settings by'],
];

/** Comments out, lines kept: they may say whose idea something was. */
const bare = (text, path) =>
  path.endsWith('.sh')
    ? text.replace(/^\s*#.*$/gm, '')
    : text
        .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
        .replace(/(^|[^:'"`\\])\/\/.*$/gm, '$1');

/** Pure. One line for each place in these files that says a vendor's word and may not. */
export function vendorWords(files) {
  const found = [];
  const unused = new Set(EXCEPTIONS.filter(([path]) => files.has(path)));
  for (const [path, text] of files) {
    if (VENDOR_FILE.test(path)) continue;
    const exception = EXCEPTIONS.find(([at]) => at === path);
    bare(text, path)
      .split('\n')
      .forEach((line, i) => {
        const rest = exception === undefined ? line : line.replace(new RegExp(exception[1], 'g'), '');
        if (rest !== line) unused.delete(exception);
        const word = WORDS.exec(rest)?.[0];
        if (word !== undefined)
          found.push(`${path}:${String(i + 1)} says ${word}; ask the GPU's backend for its word`);
      });
  }
  for (const [path, , why] of unused) found.push(`${path} needs no exception any more (${why})`);
  return found;
}

export function readVendorFiles(root) {
  const files = new Map();
  for (const { folder, files: wanted } of ROOTS)
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).sort())
      if (wanted.test(name)) files.set(join(folder, name), readFileSync(join(root, folder, name), 'utf8'));
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = vendorWords(readVendorFiles(fileURLToPath(new URL('..', import.meta.url))));
  for (const line of found) console.log(line);
  console.log(`${String(found.length)} vendor's words outside their files`);
  process.exit(found.length === 0 ? 0 : 1);
}
