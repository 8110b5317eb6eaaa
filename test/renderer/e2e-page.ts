/** What every test of the renderer in a browser needs: a page of the fake lab, its requests, and no complaint at the end. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { chromiumPath, startHarness } from './e2e-harness.ts';
import type { Harness } from './e2e-harness.ts';

const built = existsSync(fileURLToPath(new URL('../../dist/renderer/index.html', import.meta.url)));
const STEP_TIMEOUT_MS = 5000;

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
  let page: Page;
  beforeAll(async () => {
    harness = await startHarness();
  });
  afterAll(() => harness.close());
  afterEach(async () => {
    const seen = await page.evaluate(() => {
      const w = window as unknown as { __cspViolations: string[]; __errors: string[] };
      return [...w.__cspViolations, ...w.__errors];
    });
    await page.context().close();
    expect(seen).toEqual([]);
  });
  const slider = (name: string): Locator => page.locator(`[role=slider][aria-label^="${name},"]`);
  return {
    get page() {
      return page;
    },
    async open(options = {}) {
      page = await harness.open(options);
      page.setDefaultTimeout(STEP_TIMEOUT_MS);
      return page;
    },
    slider,
    gib: async (name) => Number(await slider(name).getAttribute('aria-valuenow')),
    toast: () => page.locator('.toast'),
    calls: (channel) =>
      page.evaluate((wanted) => {
        const { __trancheFake: fake } = window as unknown as {
          __trancheFake: { calls: { channel: string; args: unknown }[] };
        };
        return fake.calls.filter((call) => call.channel === wanted).map((call) => call.args);
      }, channel),
  };
}
