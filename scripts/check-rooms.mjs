#!/usr/bin/env node
// The walls between the rooms of our TypeScript. ROOMS is the whole plan: what a room may import, and why no more.
// Types count as well: who writes down a type of another room knows that room.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const KNOWN = ['model/', 'renderer/domain/', 'renderer/store/'];
const BELOW_FEATURES = [...KNOWN, 'renderer/components/', 'renderer/acts/', 'renderer/commands/'];
const BELOW_FLEET = [
  'model/',
  'electron/core/messages.ts',
  'electron/core/ssh/',
  'electron/core/agent/',
  'electron/core/hosts/',
];

/**
 * `at`: a folder or a file; of several the longest is meant, and NAME stands for one folder, each a room of its own.
 * `may`: rooms of ours beside itself. `packages`: those not in DOORS; `node:` is all of Node.
 */
export const ROOMS = [
  {
    at: 'model/',
    may: [],
    packages: ['zod'],
    why: 'model/ is pure: no Node, no DOM, nothing of ours outside model.',
  },
  {
    at: 'model/agent-protocol.ts',
    may: ['model/'],
    packages: ['zod'],
    why: 'The lines of the agent are made of the model alone.',
  },

  {
    at: 'renderer/domain/',
    may: ['model/'],
    packages: [],
    why: 'domain/ is pure: facts and words worked out from the model, with no store, no React and no request.',
  },
  {
    at: 'renderer/store/',
    may: ['model/', 'renderer/domain/'],
    packages: ['react', 'zod', 'zustand'],
    why: 'The store keeps what is known; it knows neither who draws it nor what a gesture does.',
  },
  {
    at: 'renderer/components/',
    may: KNOWN,
    packages: ['react', 'zustand'],
    why: 'A component is a part of any screen: it may look into the store, and knows no act, no command and no feature.',
  },
  {
    at: 'renderer/acts/',
    may: KNOWN,
    packages: [],
    why: 'An act asks the core and says what was done; what is drawn is above it.',
  },
  {
    at: 'renderer/commands/',
    may: [...KNOWN, 'renderer/components/', 'renderer/acts/'],
    packages: [],
    why: 'A command is bound to an act; features ask for commands, not the other way round.',
  },
  {
    at: 'renderer/features/NAME/',
    may: BELOW_FEATURES,
    packages: ['react', 'zod'],
    why: 'A feature knows no other feature: what two need lies in domain/, acts/ or components/, and shell/ puts them together.',
  },
  {
    at: 'renderer/shell/',
    may: [...BELOW_FEATURES, 'renderer/features/NAME/'],
    packages: ['react'],
    why: 'The shell puts features together; only the frame of the window stands above it.',
  },
  {
    at: 'renderer/',
    may: [...BELOW_FEATURES, 'renderer/features/NAME/', 'renderer/shell/'],
    packages: ['react', 'react-dom', 'zod'],
    why: 'The renderer draws and asks: it knows no Node, no Electron, no SSH and none of the agent’s lines.',
  },

  {
    at: 'electron/core/messages.ts',
    may: ['model/'],
    packages: [],
    why: 'The messages of the core are types that every process may know, so they know none of them.',
  },
  {
    at: 'electron/core/ssh/',
    may: ['model/'],
    packages: ['node:', 'ssh2'],
    why: 'ssh/ is below agent/, hosts/ and fleet/, and the only room that knows SSH.',
  },
  {
    at: 'electron/core/agent/',
    may: ['model/', 'model/agent-protocol.ts', 'electron/core/ssh/'],
    packages: ['node:', 'zod'],
    why: 'agent/ is below fleet/: it speaks with one agent and knows no list of hosts.',
  },
  {
    at: 'electron/core/hosts/',
    may: ['model/', 'electron/core/ssh/'],
    packages: ['node:'],
    why: 'hosts/ is below fleet/: it keeps the hosts that were saved, and connects to none.',
  },
  {
    at: 'electron/core/fleet/',
    may: [...BELOW_FLEET, 'model/agent-protocol.ts'],
    packages: ['node:'],
    why: 'fleet/ is below the core’s own door: it knows no request and no process.',
  },
  {
    at: 'electron/core/',
    may: [...BELOW_FLEET, 'electron/core/fleet/'],
    packages: ['node:'],
    why: 'The core runs under plain Node too: it knows neither Electron, nor main/, nor serve/, nor the window.',
  },
  {
    at: 'electron/places.ts',
    may: [],
    packages: ['node:'],
    why: 'Where things lie on this computer is said before anything runs.',
  },
  {
    at: 'electron/main/',
    may: ['model/', 'electron/places.ts', 'electron/core/messages.ts', 'electron/main/updater.ts'],
    packages: ['node:', 'electron', 'zod'],
    why: 'The main process reaches the core by messages only, whose types are in core/messages.ts.',
  },
  {
    at: 'electron/main/updater.ts',
    may: [],
    packages: [],
    why: 'The updater is told what to do, and knows nothing else.',
  },
  {
    at: 'electron/serve/',
    may: ['model/', 'electron/places.ts', 'electron/core/messages.ts', 'electron/core/'],
    packages: ['node:', 'zod'],
    why: 'serve/ is the core for a browser: it knows the core’s own door, and neither its insides nor Electron.',
  },
  {
    at: 'electron/lab/',
    may: ['model/', 'electron/core/messages.ts'],
    packages: ['node:', 'ssh2'],
    why: 'The lab stands for foreign hosts: it tells the core its message and knows nothing of its insides.',
  },
];

/** Packages that come in by one door, whatever the room allows. */
const DOORS = [
  {
    of: 'chart.js',
    at: ['renderer/components/chart.tsx'],
    why: 'components/chart.tsx is the only door to it.',
  },
  {
    of: '@xterm',
    at: ['renderer/features/terminal/screen.ts'],
    why: 'features/terminal/screen.ts is the only door to it, and loaded late.',
  },
  {
    of: '@radix-ui',
    at: ['renderer/components/menu.tsx'],
    why: 'components/menu.tsx is the only door to it.',
  },
  {
    of: '@tanstack',
    at: [
      'renderer/components/data-table.tsx',
      'renderer/components/virtual-list.tsx',
      'renderer/features/palette/palette-list.tsx',
    ],
    why: 'The tables and lists that are made with it are there already.',
  },
  {
    of: 'csv-stringify',
    at: ['renderer/components/csv.ts'],
    why: 'components/csv.ts is the only door to it.',
  },
  { of: 'tinykeys', at: ['renderer/commands/keys.ts'], why: 'commands/keys.ts is the only door to it.' },
  {
    of: 'fzf',
    at: ['renderer/features/palette/search.ts'],
    why: 'The palette’s search is the only door to it.',
  },
  { of: 'node-ssh', at: ['electron/core/ssh/native.ts'], why: 'ssh/native.ts is the only door to it.' },
  { of: 'ssh-config', at: ['electron/core/ssh/settings.ts'], why: 'ssh/settings.ts is the only door to it.' },
  {
    of: 'electron-updater',
    at: ['electron/main/updater.ts'],
    why: 'main/updater.ts is the only door to it, a bundle that is loaded with a feed alone.',
  },
  { of: 'ws', at: ['electron/serve/socket.ts'], why: 'serve/socket.ts is the only door to it.' },
];

const isIn = (path, at) => (at.endsWith('/') ? path.startsWith(at) : path === at);

/** Where a room begins that a file is in: of `renderer/features/NAME/` the folder that NAME stands for. */
function placeIn(path, { at }) {
  const pattern = new RegExp(`^${at.replace(/[.]/g, '\\.').replace('NAME', '[^/]+')}`);
  const place = pattern.exec(path)?.[0] ?? null;
  return place !== null && isIn(path, place) ? place : null;
}

/** The room of a file, by the longest place that fits; null: it is in none. */
export function roomOf(path) {
  let found = null;
  for (const room of ROOMS) {
    const place = placeIn(path, room);
    if (place !== null && place.length > (found?.place.length ?? 0)) found = { place, room };
  }
  return found;
}

const IMPORTS =
  /^(?:import|export)\b[^'"`;]*?\bfrom\s*'([^']+)'|^import\s*'([^']+)'|\bimport\s*\(\s*'([^']+)'/gm;

/** Everything a file imports or hands on, types and late imports too. */
export const importsOf = (text) =>
  [...text.matchAll(IMPORTS)].map((match) => match[1] ?? match[2] ?? match[3]);

const isPackage = (spec, name) =>
  name.endsWith(':') ? spec.startsWith(name) : spec === name || spec.startsWith(`${name}/`);

/** The sentence of the wall that this import goes through; null: there is none. */
function wallIn(path, spec) {
  const from = roomOf(path);
  if (from === null) return 'This file is in no room: ROOMS has to say what it may know.';
  if (!spec.startsWith('.')) {
    const door = DOORS.find(({ of }) => isPackage(spec, of));
    if (door !== undefined) return door.at.includes(path) ? null : door.why;
    return from.room.packages.some((name) => isPackage(spec, name)) ? null : from.room.why;
  }
  const to = roomOf(normalize(join(dirname(path), spec)).replaceAll('\\', '/'));
  const isOpen = to !== null && (to.place === from.place || from.room.may.includes(to.room.at));
  return isOpen ? null : from.room.why;
}

/** `files`: path from the root to its text. Returns a line for each import that goes through a wall. */
export function brokenWalls(files) {
  return [...files].flatMap(([path, text]) =>
    importsOf(text).flatMap((spec) => {
      const why = wallIn(path, spec);
      return why === null ? [] : [`${path} imports ${spec}\n  ${why}`];
    }),
  );
}

/** All TypeScript that has to be in a room. */
export function readRooms(root) {
  const folders = [...new Set(ROOMS.map(({ at }) => at.split('/')[0]))];
  return new Map(
    folders.flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true })
        .map((name) => join(folder, name).replaceAll('\\', '/'))
        .filter((path) => /\.tsx?$/.test(path))
        .map((path) => [path, readFileSync(join(root, path), 'utf8')]),
    ),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const broken = brokenWalls(readRooms(fileURLToPath(new URL('..', import.meta.url))));
  for (const line of broken) console.error(line);
  process.exit(broken.length === 0 ? 0 : 1);
}
