import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ROOMS, brokenWalls, importsOf, readRooms, roomOf } from '../../scripts/check-rooms.mjs';

const tree = readRooms(fileURLToPath(new URL('../..', import.meta.url)));

/** What is said of one import in a file that is not there. */
const planted = (path: string, imports: string): string | undefined =>
  brokenWalls(new Map([[path, `import { a } from '${imports}';\n`]]))[0];

test('no wall is broken in the tree', () => {
  expect(brokenWalls(tree)).toEqual([]);
});

test('a wall that is broken in one file of the tree is found, with its sentence', () => {
  const path = 'renderer/features/gpus/segment.tsx';
  const text = `import type { Row } from '../people/people-rows.ts';\n${tree.get(path) ?? ''}`;
  expect(brokenWalls(new Map([...tree, [path, text]]))).toEqual([
    expect.stringMatching(
      /^renderer\/features\/gpus\/segment\.tsx imports \.\.\/people\/.*\n {2}A feature knows/,
    ),
  ]);
});

describe('refused', () => {
  test.each([
    ['a feature in another', 'renderer/features/jobs/a.tsx', '../slices/slice-fields.tsx'],
    ['a feature in the shell', 'renderer/features/jobs/a.tsx', '../../shell/dock.tsx'],
    ['an act in a component', 'renderer/components/a.tsx', '../acts/slices.ts'],
    ['a feature in an act', 'renderer/acts/a.ts', '../features/terminal/screen.ts'],
    ['a component in the store', 'renderer/store/a.ts', '../components/bits.tsx'],
    ['the store in the domain', 'renderer/domain/a.ts', '../store/ui.ts'],
    ['React in the domain', 'renderer/domain/a.ts', 'react'],
    ['Node in the renderer', 'renderer/store/a.ts', 'node:fs'],
    ['the agent’s lines in the renderer', 'renderer/store/a.ts', '../../model/agent-protocol.ts'],
    ['a test in the renderer', 'renderer/app.tsx', '../test/fakes/api.ts'],
    ['xterm in the door to Chart.js', 'renderer/components/chart.tsx', '@xterm/xterm'],
    ['Chart.js in the door to xterm', 'renderer/features/terminal/screen.ts', 'chart.js/auto'],
    ['Node in the model', 'model/a.ts', 'node:path'],
    ['the fleet in the agent', 'electron/core/agent/a.ts', '../fleet/fleet.ts'],
    ['the agent in SSH', 'electron/core/ssh/a.ts', '../agent/client.ts'],
    ['SSH in the fleet but by its room', 'electron/core/fleet/a.ts', 'ssh2'],
    ['the core’s door in the fleet', 'electron/core/fleet/a.ts', '../core.ts'],
    ['Electron in the core', 'electron/core/a.ts', 'electron'],
    ['serve in the core', 'electron/core/a.ts', '../serve/http.ts'],
    ['the main process in the core', 'electron/core/a.ts', '../main/ipc.ts'],
    ['the core’s insides in the main process', 'electron/main/a.ts', '../core/core.ts'],
    ['the core’s insides in serve', 'electron/serve/a.ts', '../core/fleet/fleet.ts'],
    ['Electron in serve', 'electron/serve/a.ts', 'electron'],
    ['the core’s insides in the lab', 'electron/lab/a.ts', '../core/ssh/target.ts'],
    ['the updater’s package in the main process', 'electron/main/updates.ts', 'electron-updater'],
    ['anything in a file of no room', 'electron/other/a.ts', '../../model/model.ts'],
  ])('%s', (_name, path, imports) => {
    expect(planted(path, imports)).toMatch(/imports .*\n {2}\S/);
  });
});

test('what the table allows is let through', () => {
  expect(planted('renderer/features/jobs/a.tsx', './jobs-panel.tsx')).toBeUndefined();
  expect(planted('renderer/shell/a.tsx', '../features/jobs/jobs-panel.tsx')).toBeUndefined();
  expect(planted('electron/core/fleet/a.ts', '../agent/client.ts')).toBeUndefined();
  expect(planted('renderer/components/chart.tsx', 'chart.js')).toBeUndefined();
});

test('types, late imports, what is handed on and lists over several lines count', () => {
  expect(
    importsOf(
      [
        `import type { A } from './a.ts';`,
        `export { b } from './b.ts';`,
        `import {\n  c,\n  d,\n} from './c.ts';`,
        `import './d.ts';`,
        `const e = await import('./e.ts');`,
        `// from './f.ts'`,
      ].join('\n'),
    ),
  ).toEqual(['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts']);
});

test('every room has files, and is named as it is written by those who may use it', () => {
  const used = new Set([...tree.keys()].map((path) => roomOf(path)?.room.at));
  const names = ROOMS.map(({ at }) => at);
  expect(names.filter((at) => !used.has(at))).toEqual([]);
  expect(ROOMS.flatMap(({ may }) => may).filter((at) => !names.includes(at))).toEqual([]);
});
