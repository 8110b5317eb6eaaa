/** CSS cannot say a theme once for a choice and for the system's wish: the two are kept equal here. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const css = readFileSync(new URL('../../renderer/tokens.css', import.meta.url), 'utf8');

/** What is set between the braces that follow `selector`, in its order. */
function tokensOf(selector: string): readonly string[] {
  const at = css.indexOf(`${selector} {`);
  if (at < 0) throw new Error(`tokens.css has no ${selector}`);
  const body = css.slice(css.indexOf('{', at + selector.length) + 1);
  return body
    .slice(0, body.indexOf('}'))
    .replace(/\/\*.*?\*\//gs, '')
    .split(';')
    .map((line) => line.replace(/\s+/g, ' ').trim())
    .filter((line) => line !== '');
}

it.each([
  ['dark', '(prefers-color-scheme: dark)'],
  ['contrast', '(prefers-contrast: more)'],
])('the theme %s is the same by choice as by %s', (theme, query) => {
  const chosen = tokensOf(`:root[data-theme='${theme}']`);
  expect(chosen.length).toBeGreaterThan(20);
  expect(tokensOf(`@media ${query} {\n  :root:not([data-theme])`)).toEqual(chosen);
});
