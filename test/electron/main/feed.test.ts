import { describe, expect, it } from 'vitest';
import { administratorFile, findFeed } from '../../../electron/main/feed.ts';

const PATH = '/etc/tranche/update.json';
const sources = (more: {
  env?: Record<string, string>;
  file?: string;
  about?: object;
}): Parameters<typeof findFeed>[0] => ({
  env: more.env ?? {},
  file: { path: PATH, text: more.file ?? null },
  about: JSON.stringify(more.about ?? { name: 'tranche' }),
});
const NONE = { kind: 'none' };
const set = (url: string) => ({ kind: 'set', url });

describe('where updates are looked for', () => {
  it('is nowhere, as long as nobody says so', () => {
    expect(findFeed(sources({}))).toEqual(NONE);
    expect(findFeed(sources({ about: { updateFeed: null } }))).toEqual(NONE);
  });

  it('is what the package, the administrator or the environment says, the last one first', () => {
    const about = { updateFeed: 'https://a.example/' };
    const file = '{ "feed": "https://b.example/" }';
    const env = { TRANCHE_UPDATE_FEED: 'https://c.example/x' };
    expect(findFeed(sources({ about }))).toEqual(set('https://a.example/'));
    expect(findFeed(sources({ about, file }))).toEqual(set('https://b.example/'));
    expect(findFeed(sources({ about, file, env }))).toEqual(set('https://c.example/x'));
  });

  it('can be taken away again', () => {
    const about = { updateFeed: 'https://a.example/' };
    expect(findFeed(sources({ about, file: '{ "feed": null }' }))).toEqual(NONE);
    expect(findFeed(sources({ about, env: { TRANCHE_UPDATE_FEED: '' } }))).toEqual(NONE);
  });

  it.each([
    'http://a.example/',
    'ftp://a.example/',
    'file:///tmp/x',
    'a.example',
    'http://127.0.0.1.example/',
  ])('is not %s: what comes from there is installed as root', (feed) => {
    expect(findFeed(sources({ file: JSON.stringify({ feed }) }))).toEqual({
      kind: 'wrong',
      why: `${PATH} names “${feed}”, which is no https address.`,
    });
  });

  it('may be this machine without https', () => {
    const env = { TRANCHE_UPDATE_FEED: 'http://127.0.0.1:8080/feed' };
    expect(findFeed(sources({ env }))).toEqual(set('http://127.0.0.1:8080/feed'));
  });

  it.each(['', 'feed: x', '{}', '{ "feed": 3 }', '{ "feed": "https://a.example/", "more": 1 }'])(
    'is said to be wrong where the file is %j',
    (file) => expect(findFeed(sources({ file })).kind).toBe('wrong'),
  );

  it('has its file where each system keeps such things', () => {
    expect(administratorFile('linux', {})).toBe(PATH);
    expect(administratorFile('darwin', {})).toBe('/Library/Application Support/Tranche/update.json');
    expect(administratorFile('win32', { ProgramData: 'D:' })).toMatch(/^D:.Tranche.update\.json$/);
  });
});
