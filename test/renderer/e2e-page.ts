/** What every test of the renderer in a browser needs: a page of the fake lab, its requests, and no complaint at the end. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { chromiumPath, startHarness } from './e2e-harness.ts';
import type { Harness } from './e2e-harness.ts';

const built = existsSync(fileURLToPath(new URL('../../dist/renderer/index.html', import.meta.url)));
/** Of one step in the page: a machine that others use too is slow, and what is not there will not come. */
const STEP_TIMEOUT_MS = 20_000;

export const cannotRun = chromiumPath() === null || !built;

export interface FakePage {
  readonly page: Page;
  readonly open: (options?: Parameters<Harness['open']>[0]) => Promise<Page>;
  readonly slider: (name: string) => Locator;
  /** The limit that the bar shows for a slice, in GiB. */
  readonly gib: (name: string) => Promise<number>;
  readonly toast: () => Locator;
  readonly calls: (channel: string) => Promise<unknown[]>;
}

/** Starts the browser for a describe block; after each test the page may not have seen an error or a CSP violation. */
export function useFakePage(): FakePage {
  let harness: Harness;
  let opened: Page | null = null;
  /** The page of this test; a test that has opened none yet has nothing to ask. */
  const there = (): Page => {
    if (opened === null) throw new Error('no page is open');
    return opened;
  };
  beforeAll(async () => {
    harness = await startHarness();
  });
  afterAll(() => harness.close());
  afterEach(async () => {
    const page = opened;
    opened = null;
    // It did not come: the test has said so itself.
    if (page === null) return;
    const seen = await page.evaluate(() => {
      const w = window as unknown as { __cspViolations: string[]; __errors: string[] };
      return [...w.__cspViolations, ...w.__errors];
    });
    await page.context().close();
    expect(seen).toEqual([]);
  });
  const slider = (name: string): Locator => there().locator(`[role=slider][aria-label^="${name},"]`);
  return {
    get page() {
      return there();
    },
    async open(options = {}) {
      const page = await harness.open(options);
      opened = page;
      page.setDefaultTimeout(STEP_TIMEOUT_MS);
      return page;
    },
    slider,
    gib: async (name) => Number(await slider(name).getAttribute('aria-valuenow')),
    toast: () => there().locator('.toast'),
    calls: (channel) =>
      there().evaluate((wanted) => {
        const { __trancheFake: fake } = window as unknown as {
          __trancheFake: { calls: { channel: string; args: unknown }[] };
        };
        return fake.calls.filter((call) => call.channel === wanted).map((call) => call.args);
      }, channel),
  };
}
