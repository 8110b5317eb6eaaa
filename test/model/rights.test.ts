import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VERBS, verbsOf } from '../../model/rights.ts';

const hello = { verbs: null, operator: false, yourUid: 1001, managerUid: 1000 };

describe('verbs', () => {
  it('are the agent’s own', () => {
    const table = readFileSync(new URL('../../agent/src/state/rights.def', import.meta.url), 'utf8');
    expect([...table.matchAll(/^RIGHT\(\w+, "([\w-]+)"/gm)].map(([, word]) => word)).toEqual([...VERBS]);
  });

  it('are what the agent says, as far as they are known here', () => {
    expect(verbsOf({ ...hello, verbs: 'look fly host-set', operator: true })).toEqual(['look', 'host-set']);
    expect(verbsOf({ ...hello, verbs: '', operator: true })).toEqual([]);
  });

  it('follow from the one word of an agent of before', () => {
    expect(verbsOf(hello)).toEqual(['look']);
    expect(verbsOf({ ...hello, operator: true })).toEqual(VERBS.filter((verb) => verb !== 'operators-name'));
    expect(verbsOf({ ...hello, operator: true, yourUid: 1000 })).toEqual([...VERBS]);
    expect(verbsOf({ ...hello, operator: true, yourUid: 0 })).toEqual([...VERBS]);
  });
});
