/** The palette's list as rows, and where keys lead in it. */
import { describe, expect, it } from 'vitest';
import { firstItem, rowAfterKey, rowsOf } from '../../renderer/features/palette/rows.ts';

const rows = rowsOf([
  { heading: 'Hosts', items: ['hopper', 'ada'], more: 0 },
  { heading: 'Slices', items: Array.from({ length: 12 }, (_, n) => `s${String(n)}`), more: 30 },
]);
const [hopper, ada, s0, last] = [1, 2, 4, rows.length - 1];

describe('rows of the palette', () => {
  it('are headings and items, counted without the headings', () => {
    expect(rows.slice(0, 5)).toEqual([
      { kind: 'heading', text: 'Hosts' },
      { kind: 'item', item: 'hopper', group: 'Hosts', position: 1 },
      { kind: 'item', item: 'ada', group: 'Hosts', position: 2 },
      { kind: 'heading', text: 'Slices · 30 more, found by typing' },
      { kind: 'item', item: 's0', group: 'Slices', position: 3 },
    ]);
    expect(firstItem(rows)).toBe(hopper);
    expect(firstItem([])).toBe(-1);
  });
  it.each([
    ['down to the next', hopper, 'ArrowDown', ada],
    ['down over a heading', ada, 'ArrowDown', s0],
    ['up over a heading', s0, 'ArrowUp', ada],
    ['down from the last to the first', last, 'ArrowDown', hopper],
    ['up from the first to the last', hopper, 'ArrowUp', last],
    ['to the first', s0, 'Home', hopper],
    ['to the last', hopper, 'End', last],
    ['a page down', ada, 'PageDown', 12],
    ['no further down than the last', last, 'PageDown', last],
    ['a page up', last, 'PageUp', last - 10],
    ['no further up than the first', ada, 'PageUp', hopper],
    ['a page up onto a heading: the item before it', 13, 'PageUp', ada],
  ])('lead %s', (_what, at, key, to) => expect(rowAfterKey(rows, at, key)).toBe(to));
  it('lead nowhere by other keys, or where there is nothing', () => {
    expect(rowAfterKey(rows, hopper, 'a')).toBeNull();
    expect(rowAfterKey([], -1, 'ArrowDown')).toBeNull();
  });
});
