/** What is said of memory limits: hard only where the gate was proved, is on, and counts everybody. */
import { describe, expect, test } from 'vitest';
import { NVIDIA } from '../../model/nvidia.ts';
import type { Slice, SliceSample } from '../../model/slice.ts';
import { keepingOf, keepingOfHost } from '../../renderer/domain/enforcement.ts';
import { gpu, host, slice } from '../fakes/fake-hosts.ts';

const PROVED = { ...NVIDIA, can: [...NVIDIA.can, 'gate'], gate: 'proved', driver: '580.159' } as const;
const card = gpu('ada', 0, 'NVIDIA L40S', 46068, { backend: PROVED });
const gated = (name: string, more: Partial<Slice> = {}): Slice =>
  slice(card, name, 'mira', 8, 50, 0, { enforcement: 'gate', ...more });
const reading = (id: string, ungatedCount: number | null): SliceSample => ({
  id,
  memoryUsedBytes: 0,
  ledgerBytes: 0,
  residueBytes: 0,
  computeUsedTenths: 0,
  throttledTenths: 0,
  heldBy: 'nothing',
  deniedAllocations: 0,
  deniedBytes: null,
  deniedAtMs: null,
  limitHeld: true,
  processCount: 3,
  ungatedCount,
});

describe('a slice', () => {
  test('is hard where the gate was proved, is on, and counts all', () => {
    const kept = keepingOf(gated('one'), card, reading('one', 0));
    expect(kept).toMatchObject({ word: 'hard (gate)', isHard: true });
    expect(kept.why).toContain('terminal’s shell starts is asked for from when it first opens the driver');
    expect(keepingOf(gated('one', { gate: 'shells' }), card, null).why).toContain('sudo does not work');
  });

  test.each([
    ['there is none', { ...card, backend: NVIDIA }, {}, 'no gate for GPUs of NVIDIA'],
    ['it was not tried', { ...card, backend: { ...PROVED, gate: 'untried' as const } }, {}, 'not tried'],
    [
      'it did not hold',
      {
        ...card,
        backend: { ...PROVED, gate: 'not-proved' as const, gateNote: 'Of a context nothing was seen.' },
      },
      {},
      'did not hold with driver 580.159. Of a context nothing was seen.',
    ],
    ['it is off', card, { gate: 'off' as const, enforcement: 'cooperative' as const }, 'Its gate is off'],
  ])('is cooperative where %s', (_why, on, more, says) => {
    const kept = keepingOf(gated('one', more), on, reading('one', 0));
    expect(kept).toMatchObject({ word: 'cooperative', isHard: false });
    expect(kept.why).toContain(says);
  });

  test('is hard where its driver keeps it, whatever the gate, and says what is not counted', () => {
    const older = { ...card, backend: { ...PROVED, gate: 'not-proved' as const } };
    const kept = keepingOf(gated('one', { enforcement: 'kernel' }), older, reading('one', 0));
    expect(kept).toMatchObject({ word: 'hard (kernel)', isHard: true });
    expect(kept.why).toContain('Managed memory it does not count');
    const some = keepingOf(gated('one', { enforcement: 'kernel' }), card, reading('one', 1));
    expect(some).toMatchObject({ word: 'cooperative for 1 of 3', isHard: false });
    expect(some.why).toContain('not in its control group');
  });

  test('says why there is neither', () => {
    const backend = { ...PROVED, gate: 'untried' as const, kernelLimitNote: 'The agent is not root.' };
    const kept = keepingOf(gated('one', { enforcement: 'cooperative' }), { ...card, backend }, null);
    expect(kept.why).toBe('The gate was not tried with this driver yet. The agent is not root.');
  });

  test('says for how many it is not', () => {
    const kept = keepingOf(gated('one'), card, reading('one', 2));
    expect(kept).toMatchObject({ word: 'cooperative for 2 of 3', isHard: false });
  });
});

describe('a host', () => {
  const of = (slices: readonly Slice[], readings: readonly SliceSample[] = []) =>
    keepingOfHost(
      { ...host('ada', { kind: 'disconnected' }, [card], slices) },
      {
        seq: 1,
        atMs: 1,
        gpus: [],
        slices: readings,
        processes: [],
        processesOmitted: 0,
      },
    );

  test('is hard only if all of it is', () => {
    expect(of([])).toMatchObject({ word: 'hard (gate)' });
    expect(of([gated('one'), gated('two')])).toMatchObject({ word: 'hard (gate)', isHard: true });
    const off = gated('two', { gate: 'off', enforcement: 'cooperative' });
    expect(of([gated('one'), off])).toMatchObject({ word: 'hard (gate) in 1 of 2 slices', isHard: false });
    expect(of([off])).toMatchObject({ word: 'cooperative', isHard: false });
    const one = gated('one');
    expect(of([one], [reading(one.id, 1)])?.isHard).toBe(false);
  });

  test('is hard by its drivers only where all slices are', () => {
    const kernel = gated('one', { enforcement: 'kernel' });
    expect(of([kernel])).toMatchObject({ word: 'hard (kernel)', isHard: true });
    expect(of([kernel, gated('two')])).toMatchObject({ word: 'hard (gate)', isHard: true });
    const proved = { ...NVIDIA, kernelLimit: 'proved' as const };
    const empty = host('ada', { kind: 'disconnected' }, [{ ...card, backend: proved }], []);
    expect(keepingOfHost(empty, null)).toMatchObject({ word: 'hard (kernel)', isHard: true });
  });

  test('says nothing where no GPU is known', () => {
    expect(keepingOfHost(host('ada', { kind: 'disconnected' }), null)).toBeNull();
  });
});
