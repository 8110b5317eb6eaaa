/** What a picture is, and the steps that many of them begin with. */
import type { Page } from 'playwright-core';
import type { Harness } from './e2e-harness.ts';

export type Options = NonNullable<Parameters<Harness['open']>[0]>;
export interface Picture {
  readonly name: string;
  readonly options: Options;
  readonly act?: (page: Page) => Promise<void>;
}

export const COMPACT = { width: 1024, height: 700 } as const;
export const host = (name: string) => (page: Page) =>
  page
    .locator('[data-host-row]', { has: page.locator(`xpath=self::*[starts-with(@aria-label, "${name}")]`) })
    .click();
export const chosen = (label: string) => (page: Page) =>
  page.locator(`[role=slider][aria-label^="${label}"]`).click();

export const slider = (page: Page, name: string) => page.locator(`[role=slider][aria-label^="${name}"]`);
export const VIEW_KEYS = { bars: 'Alt+1', charts: 'Alt+2', table: 'Alt+3', people: 'Alt+4' } as const;
export const view = (name: keyof typeof VIEW_KEYS) => (page: Page) => page.keyboard.press(VIEW_KEYS[name]);
export const fleet = (name: keyof typeof VIEW_KEYS) => async (page: Page) => {
  await page.keyboard.press('h');
  await view(name)(page);
};
export const palette = (text: string) => async (page: Page) => {
  await page.keyboard.press('Control+k');
  await page.locator('.palette input').waitFor();
  await page.keyboard.type(text);
};
export const fromPalette = async (page: Page, words: string): Promise<void> => {
  await palette(words)(page);
  await page.keyboard.press('Enter');
};
