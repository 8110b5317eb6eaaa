import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../model/gpu.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { GIB } from '../../model/units.ts';
import { attempt } from '../../renderer/domain/resize.ts';
import { neighbourOf } from '../../renderer/domain/trade.ts';
import { hopper } from '../fakes/fake-hosts.ts';

function find(host: HostSnapshot, name: string): { readonly slice: Slice; readonly gpu: Gpu } {
  const slice = host.slices.find((one) => one.name === name);
  const gpu = host.gpus.find(({ uuid }) => uuid === slice?.gpuUuid);
  if (slice === undefined || gpu === undefined) throw new Error(`no slice ${name}`);
  return { slice, gpu };
}

describe('an edge that is pulled', () => {
  const host = hopper();
  const { slice, gpu } = find(host, 'embed');

  it('tries a limit of its own slice alone', () => {
    const wanted = slice.memoryLimitBytes + GIB;
    expect(attempt(host, gpu, slice, wanted, false)).toEqual({
      limitBytes: wanted,
      refusal: null,
      partner: null,
      trial: [{ id: slice.id, limitBytes: wanted }],
    });
  });
  it('takes in a trade from the neighbour what its slice gains', () => {
    const neighbour = neighbourOf(host, slice);
    if (neighbour === null) throw new Error('nobody beside it');
    const { limitBytes, partner, trial } = attempt(host, gpu, slice, slice.memoryLimitBytes + GIB, true);
    expect(partner?.neighbour.id).toBe(neighbour.id);
    expect(limitBytes - slice.memoryLimitBytes).toBe(GIB);
    expect(trial).toEqual([
      { id: slice.id, limitBytes },
      { id: neighbour.id, limitBytes: neighbour.memoryLimitBytes - GIB },
    ]);
  });
  it('says why before anything is asked for', () => {
    const wanted = gpu.capacityBytes + GIB;
    expect(attempt(host, gpu, slice, wanted, false).refusal).toMatch(/^the GPU has /);
  });
});
