/** What is worked out once for a moment must be worked out anew for the next one. */
import { describe, expect, it } from 'vitest';
import { GIB } from '../../model/units.ts';
import { gpuView, sliceSample, slicesOf } from '../../renderer/domain/host-figures.ts';
import { hopper } from '../fakes/fake-hosts.ts';
import { Meter } from '../fakes/fake-samples.ts';

const host = hopper();
const [gpu] = host.gpus;
if (gpu === undefined) throw new Error('hopper has no GPU');

describe('views of a GPU', () => {
  it('are the same as long as snapshot and sample are', () => {
    const sample = new Meter().sample(host);
    expect(gpuView(host, gpu, sample)).toBe(gpuView(host, gpu, sample));
  });
  it('follow a new sample, and go back to an old one', () => {
    const meter = new Meter();
    const [first, second] = [meter.sample(host), meter.sample(host)];
    const before = gpuView(host, gpu, first);
    expect(gpuView(host, gpu, second).sample).toBe(second.gpus.find(({ uuid }) => uuid === gpu.uuid));
    expect(gpuView(host, gpu, first)).toEqual(before);
    expect(gpuView(host, gpu, null).sample).toBeNull();
    for (const { id } of host.slices)
      expect(sliceSample(second, id)).toBe(second.slices.find((slice) => slice.id === id));
  });
  it('follow a new snapshot of the host', () => {
    const [first] = slicesOf(host, gpu.uuid);
    if (first === undefined) throw new Error('the GPU has no slice');
    const changed = {
      ...host,
      slices: host.slices.map((slice) =>
        slice.id === first.id ? { ...slice, memoryLimitBytes: slice.memoryLimitBytes + GIB } : slice,
      ),
    };
    expect(gpuView(host, gpu, null).layout.segments[0]?.limitBytes).toBe(first.memoryLimitBytes);
    expect(gpuView(changed, gpu, null).layout.segments[0]?.limitBytes).toBe(first.memoryLimitBytes + GIB);
    expect(slicesOf(changed, gpu.uuid)[0]?.memoryLimitBytes).toBe(first.memoryLimitBytes + GIB);
    expect(slicesOf(host, 'GPU-of-another')).toEqual([]);
  });
  it('order slices by age, whatever the order of the sender', () => {
    const turned = { ...host, slices: [...host.slices].reverse() };
    expect(slicesOf(turned, gpu.uuid)).toEqual(slicesOf(host, gpu.uuid));
  });
});
