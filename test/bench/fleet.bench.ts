/** `npm run bench:ui`. A test only in that it is run by the test runner: a figure that misses its target is told, not failed. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { repository } from '../integration/support/private-root.ts';
import { benchFleet } from './fleet.ts';
import { printTable, save } from './report.ts';

it('measures the app with a whole fleet', async () => {
  const figures = await benchFleet();
  save(join(repository, 'docs/ui-results.json'), figures);
  console.log(printTable(figures));
  expect(figures.map(({ id }) => id)).toEqual(['fleet.visible', 'fleet.hidden', 'fleet.memory']);
});
