import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseRemembered, remember } from '../../renderer/store/remembered.ts';
import { select, selectHost, setRange, setView, useUi } from '../../renderer/store/ui.ts';

const NOTHING = { hostId: null, range: null, selection: { kind: 'host' }, view: 'bars' };

describe('what is remembered', () => {
  it.each([
    [null, NOTHING],
    ['', NOTHING],
    ['{"hostId":', NOTHING],
    ['null', NOTHING],
    ['"ada"', NOTHING],
    ['[]', NOTHING],
    ['{"hostId":"","range":"2h"}', NOTHING],
    ['{"hostId":7,"range":["5m"]}', NOTHING],
    ['{"hostId":"ada","range":"__proto__"}', { hostId: 'ada', range: null }],
    ['{"hostId":{},"range":"1h"}', { hostId: null, range: '1h' }],
    [`{"hostId":"${'x'.repeat(513)}","range":"1h"}`, { hostId: null, range: '1h' }],
    ['{"hostId":"ada","range":"24h","more":1}', { hostId: 'ada', range: '24h' }],
    [
      '{"view":"table","selection":{"kind":"slice","id":"s-1"}}',
      { view: 'table', selection: { kind: 'slice', id: 's-1' } },
    ],
    ['{"view":"pie","selection":{"kind":"slice"},"scope":3}', { ...NOTHING, scope: 'host' }],
  ])('of %s', (text, expected) => expect(parseRemembered(text)).toMatchObject(expected));

  describe('in a window', () => {
    let kept: string | null;
    let writes: number;
    let stop = (): void => undefined;
    const storage = {
      getItem: () => kept,
      setItem: (_key: string, text: string) => {
        kept = text;
        writes += 1;
      },
    };
    beforeEach(() => {
      [kept, writes] = [null, 0];
      useUi.setState({ hostId: null, range: '15m', view: 'bars', selection: { kind: 'host' } });
    });
    afterEach(() => stop());
    const start = (place: Parameters<typeof remember>[0] = storage) => {
      stop();
      const begun = remember(place);
      ({ stop } = begun);
      const { hostId, selection } = begun;
      return { hostId, selection };
    };

    it('comes back at the next start', () => {
      expect(start().hostId).toBe(null);
      selectHost('hopper');
      setRange('1h');
      setView('table');
      select('hopper', { kind: 'slice', id: 's-1' });
      useUi.setState({ hostId: null, range: '15m', view: 'bars', selection: { kind: 'host' } });
      expect(start()).toEqual({ hostId: 'hopper', selection: { kind: 'slice', id: 's-1' } });
      expect(useUi.getState()).toMatchObject({ range: '1h', view: 'table' });
    });

    it('is written when it changes, and at no other time', () => {
      start();
      setRange('5m');
      expect(writes, 'no host is shown yet').toBe(0);
      selectHost('ada');
      useUi.setState({ filter: 'x', announcement: 'y' });
      selectHost('ada');
      expect(writes).toBe(1);
      expect(JSON.parse(kept ?? '')).toMatchObject({ hostId: 'ada', range: '5m' });
    });

    it('does without a storage that refuses', () => {
      start({
        getItem: () => null,
        setItem: () => {
          throw new Error('full');
        },
      });
      expect(() => selectHost('ada')).not.toThrow();
    });
  });
});
