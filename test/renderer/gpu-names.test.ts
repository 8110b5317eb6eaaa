import { expect, test } from 'vitest';
import { backendOf } from '../../model/backends.ts';
import { NVIDIA } from '../../model/nvidia.ts';
import { cutRefusal } from '../../renderer/domain/host-figures.ts';
import {
  partitionedText,
  partitionProfile,
  partitionsWord,
  readerOf,
  shortGpuName,
} from '../../renderer/domain/gpu-names.ts';
import { ada, gpu } from '../fakes/fake-hosts.ts';

const slate = backendOf(null, 'Slate');
const parts = [1, 2].map((g) => ({
  uuid: String(g),
  name: `H100 MIG ${String(g)}g.10gb`,
  capacityBytes: null,
}));

test.each([
  ['NVIDIA GeForce RTX 4090', NVIDIA, 'RTX 4090'],
  ['NVIDIA H100 80GB HBM3', NVIDIA, 'H100 80GB HBM3'],
  ['Slate Grey 1', slate, 'Grey 1'],
  ['NVIDIA', NVIDIA, 'NVIDIA'],
])('%s is short without its vendor', (name, backend, short) => {
  expect(shortGpuName({ name, backend })).toBe(short);
});

test('a vendor without a word gets one that fits any', () => {
  expect(partitionsWord({ backend: NVIDIA })).toBe('MIG slices');
  expect(partitionsWord({ backend: slate })).toBe('Hardware partitions');
  expect(partitionProfile({ backend: NVIDIA }, 'H100 MIG 1g.10gb')).toBe('1g.10gb');
  expect(partitionProfile({ backend: slate }, 'H100 MIG 1g.10gb')).toBe('H100 MIG 1g.10gb');
  expect(readerOf({ backend: NVIDIA })).toBe('NVML');
  expect(readerOf({ backend: slate })).toBe('the driver');
  expect(partitionedText({ backend: NVIDIA, partitions: parts })).toBe('MIG: 2 slices');
  expect(partitionedText({ backend: NVIDIA, partitions: null })).toBe('MIG is on');
  expect(partitionedText({ backend: slate, partitions: [] })).toBe('cut by the hardware');
});

test('a GPU that can only be read is not cut, and the window says whose it is', () => {
  const only = gpu('ada', 0, 'Slate Grey', 16384, { backend: slate });
  expect(cutRefusal(ada(), only)).toBe(
    'Tranche reads this GPU of Slate and cannot limit programs there: slices are not cut from it.',
  );
});
