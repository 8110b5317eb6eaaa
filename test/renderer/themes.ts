/** The looks that there are, and how a page that is open puts one on. */
import type { Page } from 'playwright-core';

export const THEMES = ['dark', 'light', 'contrast'] as const;
export type Theme = (typeof THEMES)[number];

/** Without opening the page anew: a drag that is held stays held. Gives two frames later, when it has been drawn. */
export const wear = (page: Page, theme: Theme): Promise<void> =>
  page.evaluate(
    (name) =>
      new Promise<void>((drawn) => {
        document.documentElement.dataset['theme'] = name;
        requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(drawn, 50)));
      }),
    theme,
  );
