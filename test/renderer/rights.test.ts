import { describe, expect, it } from 'vitest';
import type { Verb } from '../../model/rights.ts';
import { usableSlices } from '../../renderer/domain/job-rights.ts';
import { editRefusal, may, setRefusal } from '../../renderer/domain/rights.ts';
import { hopper, live } from '../fakes/fake-hosts.ts';

const as = (...verbs: readonly Verb[]): ReturnType<typeof hopper> => ({
  ...hopper(),
  connection: live('hopper', { verbs, yourName: 'tom' }),
});

describe('what you may do', () => {
  it('goes by the verb, and not by what else you may', () => {
    const cuts = as('look', 'slices-change');
    expect(may(cuts, 'slices-change')).toBe(true);
    expect(editRefusal(cuts)).toBeNull();
    expect(setRefusal(cuts)).toBe('Only mira and the operators they named change settings of hopper.');
    const sets = as('look', 'host-set');
    expect(setRefusal(sets)).toBeNull();
    expect(editRefusal(sets)).toBe('Only mira and the operators they named change slices on hopper.');
  });

  it('is nothing where nobody answers', () => {
    const away = { ...as('slices-change'), connection: { kind: 'disconnected' } as const };
    expect(may(away, 'slices-change')).toBe(false);
    expect(editRefusal(away)).toBe('hopper is not connected.');
  });

  it('is all slices with the verb, and your own without', () => {
    const all = hopper().slices.map(({ id }) => id);
    const own = hopper().slices.filter(({ owner }) => owner === 'tom');
    expect(usableSlices(as('look', 'slice-use')).map(({ id }) => id)).toEqual(all);
    expect(usableSlices(as('look')).map(({ id }) => id)).toEqual(own.map(({ id }) => id));
    expect(own.length).toBeLessThan(all.length);
  });
});
