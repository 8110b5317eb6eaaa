/** What the gallery's parts are shown with: hosts, slices and readings made for one state each. */
import type { Gpu } from '../../model/gpu.ts';
import type { Sample } from '../../model/sample.ts';
import type { Slice, SliceSample } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { meetOwners } from '../../renderer/store/owners.ts';
import { gpu, host, hopper, live, slice } from '../fakes/fake-hosts.ts';
import { Meter } from '../fakes/fake-samples.ts';

export const LONG_NAME = 'abcdefghijklmnopqrstuvwxyz-0123456789-abc';
export const LONG_OWNER = 'an-administrator-with-a-long-name';

const meter = new Meter();

export interface OneSlice {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  readonly slice: Slice;
  readonly sample: Sample;
  readonly reading: SliceSample;
}

/** A host with one GPU of 24 GiB and one slice of 12 on it. `state`: names the host, so that no two share their ids. */
export function oneSlice(
  state: string,
  more: {
    readonly slice?: Partial<Slice>;
    readonly reading?: Partial<SliceSample>;
    readonly host?: Partial<HostSnapshot>;
    readonly gpu?: Partial<Gpu>;
    /** Others on the same GPU, by their limit in GiB. */
    readonly beside?: readonly number[];
  } = {},
): OneSlice {
  const card = gpu(state, 0, 'NVIDIA RTX A5000', 24_564, more.gpu);
  const one = slice(card, 'train', 'mira', 12, 50, 20, more.slice);
  const beside = (more.beside ?? []).map((gib, i) => slice(card, `other-${String(i)}`, 'tom', gib, 40));
  const there = host(state, live(state), [card], [one, ...beside], more.host);
  const measured = meter.sample(there);
  const [first, ...others] = measured.slices;
  if (first === undefined) throw new Error('the meter measured no slice');
  const reading: SliceSample = { ...first, ...more.reading };
  return {
    host: there,
    gpu: card,
    slice: one,
    reading,
    sample: { ...measured, slices: [reading, ...others] },
  };
}

/** The lab of the drawing, as it is at this moment; not the live one, so that it stands still. */
export const LAB = met(hopper());
const [labGpu] = LAB.gpus;
if (labGpu === undefined) throw new Error('the lab of the gallery has no GPU');
export const LAB_GPU = labGpu;
export const LAB_SAMPLE = meter.sample(LAB);

export const sampleOf = (of: HostSnapshot): Sample => meter.sample(of);

/** Owners get their colours in the order in which they are met, as when a host comes into the window. */
export function met(of: HostSnapshot): HostSnapshot {
  meetOwners(of.slices.map(({ owner }) => owner));
  return of;
}
