import { expect, it } from 'vitest';
import { nameAndPlace } from '../../../electron/core/ssh/failures.ts';
import type { SshTarget } from '../../../electron/core/ssh/target.ts';

const target = (name: string): SshTarget =>
  ({ name, user: 'mira', hostName: '10.0.0.7', port: 22 }) as unknown as SshTarget;

it.each([
  ['hopper', 'hopper (mira@10.0.0.7:22)'],
  ['mira@10.0.0.7:22', 'mira@10.0.0.7:22'],
  ['mira@10.0.0.7', 'mira@10.0.0.7'],
  ['10.0.0.7:22', '10.0.0.7:22'],
])('%s is called %s: a name that is the place is not said twice', (name, said) => {
  expect(nameAndPlace(target(name))).toBe(said);
});
