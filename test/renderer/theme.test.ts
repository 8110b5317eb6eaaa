import { expect, test } from 'vitest';
import { wishedTheme } from '../../renderer/store/theme.ts';

test.each([
  [[], 'light'],
  [['(prefers-color-scheme: dark)'], 'dark'],
  [['(prefers-contrast: more)'], 'contrast'],
  [['(prefers-color-scheme: dark)', '(prefers-contrast: more)'], 'contrast'],
])('a desktop that asks for %j is shown %s', (holding, theme) => {
  expect(wishedTheme((query) => (holding as readonly string[]).includes(query))).toBe(theme);
});
