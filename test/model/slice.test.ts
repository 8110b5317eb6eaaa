import { expect, test } from 'vitest';
import { MUST_BE_SAID, settingsOf, sliceSettingsSchema } from '../../model/slice.ts';
import { requestSchemas } from '../../model/ipc.ts';
import { gpu, slice } from '../fakes/fake-hosts.ts';

const one = { ...slice(gpu('ada', 0, 'NVIDIA L40S', 46068), 'one', 'mira', 8, 50, 10), startsAtMs: 5 };
const settings = {
  memoryLimitBytes: one.memoryLimitBytes,
  computeLimitPercent: 50,
  computeGuaranteePercent: 10,
  priority: 'normal',
  gate: 'programs',
  startsAtMs: 5,
  expiresAtMs: null,
};

test('settings of a slice are all that is set of it, and nothing else', () => {
  expect(settingsOf(one)).toEqual(settings);
  expect(Object.keys(settings).sort()).toEqual(Object.keys(sliceSettingsSchema.shape).sort());
});

test('a request makes a slice of them, and needs no more than what must be said', () => {
  const create = requestSchemas['slice:create'];
  const asked = { hostId: 'h', gpuUuid: 'g', name: null, owner: null };
  expect(create.parse({ ...asked, ...settings })).toEqual({ ...asked, ...settings });
  const least = Object.fromEntries(Object.entries(settings).filter(([name]) => name in MUST_BE_SAID));
  expect(create.parse({ ...asked, ...least })).toEqual({ ...asked, ...least });
  for (const name of Object.keys(MUST_BE_SAID))
    expect(create.safeParse({ ...asked, ...least, [name]: undefined }).success, name).toBe(false);
});
