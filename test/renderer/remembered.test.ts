import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseRemembered, remember } from '../../renderer/store/remembered.ts';
import { selectHost, setRange, useUi } from '../../renderer/store/ui.ts';

const NOTHING = { hostId: null, range: null };

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
  ])('of %s', (text, expected) => expect(parseRemembered(text)).toEqual(expected));

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
      useUi.setState({ hostId: null, range: '15m' });
    });
    afterEach(() => stop());
    const start = (place: Parameters<typeof remember>[0] = storage): string | null => {
      stop();
      const begun = remember(place);
      ({ stop } = begun);
      return begun.hostId;
    };

    it('comes back at the next start', () => {
      expect(start()).toBe(null);
      selectHost('hopper');
      setRange('1h');
      useUi.setState({ hostId: null, range: '15m' });
      expect(start()).toBe('hopper');
      expect(useUi.getState().range).toBe('1h');
    });

    it('is written when it changes, and at no other time', () => {
      start();
      setRange('5m');
      expect(writes, 'no host is shown yet').toBe(0);
      selectHost('ada');
      useUi.setState({ filter: 'x', announcement: 'y' });
      selectHost('ada');
      expect(writes).toBe(1);
      expect(kept).toBe('{"hostId":"ada","range":"5m"}');
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
