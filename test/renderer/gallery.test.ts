/** The gallery misses no component: one that is new stands there, or on the list of exceptions with its reason. */
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EXCEPTIONS } from '../gallery/exceptions.ts';

const textsIn = (folder: string): readonly string[] => {
  const at = new URL(`../../${folder}/`, import.meta.url);
  return readdirSync(at)
    .filter((name) => name.endsWith('.tsx'))
    .map((name) => readFileSync(new URL(name, at), 'utf8'));
};
/** Functions and values that begin with a capital letter: of those, React draws the ones that are no constants. */
const componentsIn = (text: string): readonly string[] =>
  [...text.matchAll(/^export (?:function|const) ([A-Z]\w*)/gm)]
    .map(([, name]) => name ?? '')
    .filter((name) => /[a-z]/.test(name));
const drawnIn = (text: string): readonly string[] =>
  [...text.matchAll(/<([A-Z]\w*)[\s/<>]/g)].map(([, name]) => name ?? '');

const components = textsIn('renderer/components').flatMap(componentsIn);
const drawn = new Set(textsIn('test/gallery').flatMap(drawnIn));

describe('the gallery', () => {
  it('is made from what renderer/components exports', () => {
    expect(components).toEqual(expect.arrayContaining(['Button', 'DataTable', 'Menu', 'SeriesChart']));
    expect(components).not.toContain('ICON_NAMES');
  });
  it('shows every component, or says why not', () => {
    const missing = components.filter((name) => !drawn.has(name) && !(name in EXCEPTIONS));
    expect(missing, 'draw it in test/gallery, or give the reason in test/gallery/exceptions.ts').toEqual([]);
  });
  it('has no exception for what it shows, or for what is gone', () => {
    const needless = Object.keys(EXCEPTIONS).filter((name) => drawn.has(name) || !components.includes(name));
    expect(needless).toEqual([]);
  });
});
