#!/usr/bin/env node
// The C of agent/ as a house: which floor may call which, read from the sources. Part of `npm run check`.
// Four rules: nothing calls or includes what its floor may not use; no two files call each other in a circle; a header
// declares the functions of its own file; no environment name stands outside env.h. What is an exception stands in a table
// below, with its reason.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Floors from the ground up: folder (or file) → why it is there, and which it may use (those below it, if not said). */
export const HOUSES = [
  {
    root: 'agent/common',
    floors: [
      [
        '',
        'What agent, shim and simulator share: bytes, files, JSON, the memory layout. Knows none of the three.',
      ],
    ],
  },
  {
    root: 'agent/gate',
    below: ['agent/common'],
    floors: [
      ['rm_abi', 'The driver’s requests as bytes. Pure: opens nothing, reads no process.'],
      ['rm_book', 'What each process holds. Pure, and knows no layout.', []],
      ['filter', 'Which system calls are reported to a supervisor.', ['rm_abi']],
      ['hand_over', 'A descriptor from one process to another.', []],
      ['probe', 'Whether this host can do it, and why not.', ['rm_abi', 'filter', 'hand_over']],
      ['asker', 'Who asks: the process behind a thread, its memory, its descriptors, its end.', ['rm_abi']],
      ['gate_policy', 'What a supervisor goes by and what it tells.', []],
      ['supervisor_inside', 'What a supervisor is made of.', ['asker', 'rm_book', 'gate_policy']],
      [
        'tally',
        'What all hold together, and what goes with those that end.',
        ['supervisor_inside', 'asker', 'rm_book', 'gate_policy'],
      ],
      [
        'judge',
        'What a request gets.',
        ['tally', 'supervisor_inside', 'rm_abi', 'rm_book', 'asker', 'gate_policy'],
      ],
      [
        'supervisor',
        'The loop: takes reports, reads them, answers as judged.',
        ['judge', 'tally', 'supervisor_inside', 'filter', 'rm_abi', 'rm_book', 'asker', 'gate_policy'],
      ],
      ['late_gate', 'A program that runs comes behind the gate.', ['filter', 'hand_over']],
      [
        'late_door',
        'Where it comes to: takes its listener for the supervisor.',
        ['supervisor', 'hand_over', 'gate_policy'],
      ],
      ['share', 'What stands in a slice’s ledger for what the gate counted.', ['supervisor', 'gate_policy']],
      [
        'gated_run',
        'A program behind the gate: front end, supervisor, program.',
        ['filter', 'hand_over', 'asker', 'supervisor', 'late_door', 'gate_policy'],
      ],
    ],
  },
  {
    root: 'agent/door',
    below: ['agent/common'],
    floors: [
      ['bpf', 'The few bpf() calls, and nothing of what they are for.'],
      ['program', 'What the kernel runs, as instructions, and what its maps hold. Pure.', []],
      ['refusals', 'Reads what the kernel recorded.', ['program']],
      ['door', 'Attached, found again, replaced, taken away; who is let in.', ['bpf', 'program']],
    ],
  },
  {
    root: 'agent/src',
    below: ['agent/common', 'agent/gate', 'agent/door'],
    floors: [
      ['base', 'The system as we need it: times, people, places, processes. Knows no GPU and no slice.'],
      ['gpu', 'What a driver says of GPUs, behind one table of functions.'],
      ['state', 'What the agent knows, and what of it is on disk. Decides nothing.'],
      ['journal', 'What happened: the audit, and notices to whoever listens.'],
      ['slices', 'Slices: edits, the files that tenants map, what is measured in them.'],
      ['cards', 'GPUs: opened, sampled, their faults, programs at the same time.'],
      ['jobs', 'Jobs that wait and run: decided here, started by launch.'],
      ['records', 'What was, and what is likely to hurt: history, hours, doctor.'],
      ['wire', 'Connections: requests in, state and samples out.'],
      ['agent.c', 'The loop: says when what is looked at, and nothing else.'],
      [
        'launch',
        'Programs put into slices, as their own user. Speaks to the agent, is not in it.',
        ['base', 'state'],
      ],
      ['terminals', 'A shell in a slice, held by a process of its own.', ['base', 'state', 'launch']],
      [
        'attach',
        'The desktop’s end on the host: passes on, and answers what is this user’s alone.',
        ['base', 'state', 'records', 'launch', 'terminals'],
      ],
      ['cli', 'The command line: reads its words, asks, prints.'],
    ],
  },
  {
    root: 'agent/shim',
    below: ['agent/common', 'agent/gate'],
    floors: [
      [
        'core',
        'Memory and time of a slice: ledgers, admission, prices, credit, contest. Knows no CUDA type.',
      ],
      ['cuda', 'CUDA: hooks, pools, graphs, events; what the core asks of it stands in core/backend.h.'],
    ],
    /** Declared below, defined above, linked: as a table would join them, without a cold line on each launch. */
    port: 'agent/shim/core/backend.h',
    knowsNo: { core: /^(cuda|nvml)_min\.h$/ },
  },
  {
    root: 'agent/sim',
    below: ['agent/common'],
    floors: [
      ['common', 'The simulated machine: its state, its clock, its silicon.'],
      ['cuda', 'libcuda as programs see it.'],
      ['nvml', 'libnvidia-ml.', ['common']],
      ['workload', 'A program that uses a GPU, for tests: CUDA’s names, looked up.', ['cuda']],
    ],
  },
];

/** Rooms whose files may call each other: what they model is one thing, or it is still to be cut. */
export const ROOMS = [
  [
    'agent/sim/cuda',
    'A driver’s objects know each other: a context ends its memory, a stream makes a graph.',
  ],
];

/** Headers that declare functions of other files on purpose. */
export const SHARED_HEADERS = [
  ['agent/src/cli/commands.h', 'the commands of cli_*.c, one file each'],
  ['agent/src/wire/operations.h', 'made from requests.def'],
  ['agent/shim/core/backend.h', 'the port: what cuda/ defines for the core'],
  ...['common/sim_state', 'cuda/internal', 'cuda/memory', 'cuda/graph', 'cuda/pool', 'nvml/sim_nvml'].map(
    (name) => [`agent/sim/${name}.h`, 'the insides of one simulated library, whose files are one room'],
  ),
];

const read = (root, path) => readFileSync(join(root, path), 'utf8');

/** Comments and texts out, lines kept: names in them call nothing. */
const bare = (text) =>
  text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/"(\\.|[^"\\\n])*"/g, '""')
    .replace(/\/\/.*$/gm, '');

/** Functions that a file defines: in our format each begins a line, and so does its brace. */
function definitions(text) {
  const own = new Set();
  const shared = new Set();
  const lines = text.split('\n');
  lines.forEach((line, at) => {
    const head = /^(?!#|typedef|return|else)([A-Za-z_][\w *]*?[ *])(\w+)\(/.exec(line);
    if (!head) return;
    let end = at;
    while (end < at + 12 && !/[;{]/.test(lines[end] ?? ';') && !(lines[end + 1] ?? '').startsWith('{'))
      end += 1;
    if (!(lines[end + 1] ?? '').startsWith('{') || (lines[end] ?? '').includes(';')) return;
    (/\bstatic\b/.test(head[1]) ? own : shared).add(head[2]);
  });
  return { own, shared };
}

const declarations = (text) =>
  [...text.matchAll(/^(?!#|static|typedef|struct \w+ \{)[A-Za-z_][\w *]*?[ *](\w+)\([^;{]*\)[^;{]*;/gm)].map(
    (match) => match[1],
  );

function filesOf(root, folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.[ch]$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}

const houseOf = (path) => HOUSES.find((house) => path.startsWith(`${house.root}/`));
function floorOf(path) {
  const house = houseOf(path);
  if (!house) return null;
  const inside = relative(house.root, path);
  const stem = inside.replace(/\.[ch]$/, '');
  const at = house.floors.findIndex(
    ([name]) => name === '' || inside.startsWith(`${name}/`) || stem === name.replace(/\.c$/, ''),
  );
  return at === -1 ? null : { house, at, name: house.floors[at][0], why: house.floors[at][1] };
}

/** null: allowed; otherwise the sentence that it breaks. */
function refusal(from, to) {
  const a = floorOf(from);
  const b = floorOf(to);
  if (!a || !b) return null; // said once, for the file itself; system and vendor headers
  if (a.house !== b.house) {
    if (a.house.below?.includes(b.house.root)) return null;
    return `${a.house.root} may not use ${b.house.root}`;
  }
  if (a.at === b.at) return null;
  const uses = a.house.floors[a.at][2] ?? a.house.floors.slice(0, a.at).map(([name]) => name);
  return uses.includes(b.name) ? null : `${a.name} may not use ${b.name}. ${a.name}: ${a.why}`;
}

/** What a floor may not know of the outer world; null: nothing wrong. */
function foreign(house, file, header) {
  const { name } = floorOf(file) ?? {};
  return house.knowsNo?.[name]?.test(header) ? `${name} knows no ${header}` : null;
}

/** Circles of files, by who calls whom (Tarjan). */
function circles(arrows) {
  const index = new Map();
  const low = new Map();
  const stack = [];
  const found = [];
  const visit = (file) => {
    index.set(file, index.size);
    low.set(file, index.get(file));
    stack.push(file);
    for (const to of arrows.get(file)?.keys() ?? []) {
      if (!index.has(to)) visit(to);
      if (stack.includes(to)) low.set(file, Math.min(low.get(file), low.get(to)));
    }
    if (low.get(file) !== index.get(file)) return;
    const circle = stack.splice(stack.indexOf(file));
    if (circle.length > 1) found.push(circle);
  };
  for (const file of arrows.keys()) if (!index.has(file)) visit(file);
  return found;
}

/** What breaks the rules below `root`, in sentences; none: the house stands. */
export function findFaults(root) {
  const faults = [];
  const files = HOUSES.flatMap((house) => filesOf(root, house.root));
  const texts = new Map(files.map((file) => [file, bare(read(root, file))]));
  const defined = new Map(); // house root → name → file
  const own = new Map();
  for (const house of HOUSES) defined.set(house.root, new Map());
  for (const [file, text] of texts) {
    if (!file.endsWith('.c')) continue;
    const found = definitions(text);
    own.set(file, found.own);
    for (const name of found.shared) defined.get(houseOf(file).root).set(name, file);
  }
  const ports = new Map(
    HOUSES.filter(({ port }) => texts.has(port)).map(({ root: where, port }) => [
      where,
      new Set(declarations(texts.get(port))),
    ]),
  );
  for (const file of files)
    for (const [, call, name] of read(root, file).matchAll(/\b(getenv|setenv|unsetenv)\("(\w+)"/g))
      faults.push(
        `${file} calls ${call}("${name}"): environment names stand in agent/common/env.h, with what they mean`,
      );
  const arrows = new Map();
  for (const file of texts.keys())
    if (!floorOf(file)) faults.push(`${file} stands on no floor: give it one in scripts/check-layers.mjs`);
  for (const [file, text] of texts) {
    for (const match of read(root, file).matchAll(/^#include "([^"]+)"/gm)) {
      const house = houseOf(file);
      const target = [
        house.root,
        dirname(file),
        ...(house.below ?? []),
        ...house.floors.map(([name]) => join(house.root, name)),
      ]
        .map((folder) => join(folder, match[1]))
        .find((path) => texts.has(path));
      const why = target ? refusal(file, target) : foreign(house, file, match[1]);
      if (why) faults.push(`${file} includes ${match[1]}: ${why}`);
    }
    if (!file.endsWith('.c')) continue;
    const house = houseOf(file);
    const calls = new Map();
    for (const { 0: name, index } of text.matchAll(/\b[A-Za-z_]\w*\b/g)) {
      if (own.get(file).has(name) || /(struct|enum) $/.test(text.slice(index - 7, index))) continue;
      if (ports.get(house.root)?.has(name) && floorOf(file)?.name === floorOf(house.port).name) continue;
      const to = [house.root, ...(house.below ?? [])]
        .map((where) => defined.get(where).get(name))
        .find(Boolean);
      if (!to || to === file) continue;
      if (!calls.has(to)) calls.set(to, new Set());
      calls.get(to).add(name);
    }
    arrows.set(file, calls);
    for (const [to, names] of calls) {
      const why = refusal(file, to);
      if (why) faults.push(`${file} calls ${[...names].join(', ')} of ${to}: ${why}`);
    }
  }
  for (const circle of circles(arrows)) {
    if (ROOMS.some(([folder]) => circle.every((file) => file.startsWith(`${folder}/`)))) continue;
    const calls = circle.flatMap((file) =>
      [...(arrows.get(file) ?? [])]
        .filter(([to]) => circle.includes(to))
        .map(([to, names]) => `  ${file} → ${to}: ${[...names].join(', ')}`),
    );
    faults.push(`${circle.length} files call each other in a circle:\n${calls.join('\n')}`);
  }
  for (const [file, text] of texts) {
    if (!file.endsWith('.h') || SHARED_HEADERS.some(([path]) => path === file)) continue;
    const mine = file.replace(/\.h$/, '.c');
    for (const name of declarations(text)) {
      const where = defined.get(houseOf(file).root).get(name);
      if (where && where !== mine)
        faults.push(
          `${file} declares ${name}, which ${where} defines: it belongs into ${basename(where, '.c')}.h`,
        );
    }
  }
  return faults;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = findFaults(fileURLToPath(new URL('..', import.meta.url)));
  for (const fault of faults) console.log(fault);
  console.log(`${faults.length} faults in the floors of agent/`);
  process.exit(faults.length === 0 ? 0 : 1);
}
