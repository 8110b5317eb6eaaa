import { describe, expect, it } from 'vitest';
import { asNew, preview } from '../../renderer/domain/slice-edits.ts';
import { refusalWords } from '../../renderer/domain/drag.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { GIB } from '../../model/units.ts';
import { hopper } from '../fakes/fake-hosts.ts';

/** The overcommitted GPU of the drawing: limits of 84 GiB on 79.6. */
const guarded = (memoryOvercommitMaxPercent: number | null): HostSnapshot => ({
  ...hopper(),
  memoryOvercommitMaxPercent,
});

function tryLimit(host: HostSnapshot, name: string, bytes: (limit: number) => number): string | null {
  const slice = host.slices.find((one) => one.name === name);
  const gpu = host.gpus.find(({ uuid }) => uuid === slice?.gpuUuid);
  if (slice === undefined || gpu === undefined) throw new Error(`no slice ${name}`);
  const wanted = asNew(slice, { memoryLimitBytes: bytes(slice.memoryLimitBytes) });
  return refusalWords(preview(host, gpu, slice, wanted), gpu.capacityBytes);
}

describe('the guard on overcommitted memory', () => {
  const larger = (limit: number): number => limit + GIB;
  const smaller = (limit: number): number => limit - GIB;

  it('lets limits grow where there is none, or room under it', () => {
    expect(tryLimit(guarded(null), 'embed', larger)).toBeNull();
    expect(tryLimit(guarded(125), 'embed', larger)).toBeNull();
  });
  it('refuses what goes beyond it, before anything is sent', () => {
    expect(tryLimit(guarded(100), 'embed', larger)).toContain('more than this host allows');
  });
  it('never refuses what makes it better', () => {
    expect(tryLimit(guarded(100), 'embed', smaller)).toBeNull();
  });
});
