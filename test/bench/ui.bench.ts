/**
 * `npm run bench:ui`. A test only in that it is run by the test runner: a figure that misses its target is told, not
 * failed. What was measured goes into docs/ui-results.json as soon as it is known; what was not stays there as it was.
 */
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { repository } from '../integration/support/private-root.ts';
import { benchFirstSlice } from './clicks.ts';
import { benchFleet } from './fleet.ts';
import { benchHands } from './hands.ts';
import { benchLatency } from './latency.ts';
import { benchReconnect } from './reconnect.ts';
import { merge, printTable, type Figure } from './report.ts';
import { benchStarts } from './start.ts';

/** In this order; the names are the arguments of scripts/bench-ui.mjs. */
const PARTS: Readonly<Record<string, () => Promise<readonly Figure[]>>> = {
  start: benchStarts,
  clicks: async () => [await benchFirstSlice()],
  latency: async () => [await benchLatency()],
  hands: benchHands,
  reconnect: async () => [await benchReconnect()],
  fleet: benchFleet,
};
const results = join(repository, 'docs/ui-results.json');
const asked = (process.env['TRANCHE_BENCH_PARTS'] ?? '').split(' ').filter((name) => name !== '');
const unknown = asked.filter((name) => !(name in PARTS));
if (unknown.length > 0)
  throw new Error(`No part is called ${unknown.join(', ')}. There are: ${Object.keys(PARTS).join(', ')}.`);

describe('the figures of the app', () => {
  let all: readonly Figure[] = [];
  afterAll(() => console.log(`\n${printTable(all)}`));

  it.each(Object.entries(PARTS).filter(([name]) => asked.length === 0 || asked.includes(name)))(
    '%s',
    async (_name, measure) => {
      const figures = await measure();
      all = merge(results, figures);
      expect(figures.every(({ value }) => Number.isFinite(value))).toBe(true);
    },
  );
});
