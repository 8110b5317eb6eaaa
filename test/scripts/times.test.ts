import { expect, it } from 'vitest';
import { readTimes, timesTable } from '../../scripts/times.mjs';

it('says what took how long, with what came before', () => {
  const before = readTimes('packages=3 check=104');
  expect(timesTable([...before, { name: 'unit', ms: 50_060 }])).toBe(
    ['packages    3.0 s', 'check     104.0 s', 'unit       50.1 s', 'all       157.1 s'].join('\n'),
  );
});

it('takes nothing for a time that is none', () => {
  expect(readTimes('')).toEqual([]);
  expect(readTimes('check= =3 check=x')).toEqual([]);
  expect(timesTable([])).toBe('all  0.0 s');
});
