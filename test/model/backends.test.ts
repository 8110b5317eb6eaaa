import { expect, test } from 'vitest';
import { gpuSchema, faultSchema, backendSchema } from '../../model/gpu.ts';
import { abilitiesOf, backendOf, gpuCan, isFaultNotice, type GpuBackend } from '../../model/backends.ts';
import { NVIDIA } from '../../model/nvidia.ts';

const other: GpuBackend = { ...NVIDIA, id: 'slate', vendor: 'Slate', can: ['tell-faults'] };

test('a GPU has the backend that its agent names', () => {
  expect(backendOf([NVIDIA, other], 'slate')).toBe(other);
});

test('an agent of before named none, and knew one', () => {
  expect(backendOf(null, null)).toBe(NVIDIA);
});

test('a backend that is named and not described can nothing, and is not taken for another', () => {
  const unknown = backendOf([NVIDIA], 'granite');
  expect(unknown).toMatchObject({ id: 'granite', vendor: 'granite', can: [], faults: null });
  expect(gpuCan({ backend: unknown }, 'limit-memory')).toBe(false);
});

test('abilities are those that we know, of one text', () => {
  expect(abilitiesOf('limit-memory fly tell-faults')).toEqual(['limit-memory', 'tell-faults']);
  expect(abilitiesOf('')).toEqual([]);
});

test('lines of an older agent say the same as lines of today', () => {
  const gpu = { uuid: 'GPU-1', index: 0, name: 'g', capacityBytes: 1, simulated: false, computeMode: null };
  expect(gpuSchema.parse({ ...gpu, migEnabled: true })).toMatchObject({ backend: null, partitioned: true });
  expect(gpuSchema.parse({ ...gpu, migEnabled: true, backend: 'nvidia', partitioned: true })).toMatchObject({
    backend: 'nvidia',
    partitioned: true,
  });
  const fault = { gpuUuid: 'GPU-1', kind: 'other', text: 't', count: 1, firstAtMs: 1, atMs: 1 };
  expect(faultSchema.parse({ ...fault, xid: 79 })).toMatchObject({ source: 'XID', code: 79 });
  expect(faultSchema.parse({ ...fault, xid: 0, source: 'CRACK', code: 7 })).toMatchObject({
    source: 'CRACK',
    code: 7,
  });
  expect(faultSchema.safeParse(fault).success).toBe(false);
});

test('what the agent says of a backend is what the window has when it says nothing', () => {
  const can = NVIDIA.can.join(' ');
  expect(backendSchema.parse({ ...NVIDIA, can })).toEqual(NVIDIA);
});

test('notices of errors are known by either code', () => {
  expect(['xid', 'gpu-fault', 'denied'].map(isFaultNotice)).toEqual([true, true, false]);
});
