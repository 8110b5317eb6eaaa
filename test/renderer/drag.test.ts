import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../model/units.ts';
import {
  REST,
  SNAP_BYTES,
  dragLimit,
  dragReducer,
  keyLimit,
  refusalWords,
  snapLimit,
} from '../../renderer/domain/drag.ts';
import type { Drag, DragEvent, ResizeBounds } from '../../renderer/domain/drag.ts';

const bounds: ResizeBounds = { capacityBytes: 81_559 * MIB, fitBytes: 20.3 * GIB, usedBytes: 5.2 * GIB };
const run = (...events: DragEvent[]): Drag => events.reduce(dragReducer, REST);

describe('snapLimit', () => {
  it('snaps to half a GiB', () => {
    expect(snapLimit(12.2 * GIB, bounds)).toBe(12 * GIB);
    expect(snapLimit(12.3 * GIB, bounds)).toBe(12.5 * GIB);
  });
  it('reaches exactly what is free and exactly the whole GPU, in whole MiB', () => {
    expect(snapLimit(20.35 * GIB, bounds)).toBe(Math.floor((20.3 * GIB) / MIB) * MIB);
    expect(snapLimit(999 * GIB, bounds)).toBe(81_559 * MIB);
  });
  it('stays between half a GiB and the capacity', () => {
    expect(snapLimit(-5, bounds)).toBe(SNAP_BYTES);
    expect(snapLimit(0, { capacityBytes: 256 * MIB, fitBytes: 0, usedBytes: null })).toBe(256 * MIB);
  });
});

describe('dragLimit', () => {
  it('follows the pointer', () => {
    expect(dragLimit(16 * GIB, 70, GIB / 16, bounds)).toBe(Math.floor((20.3 * GIB) / MIB) * MIB);
    expect(dragLimit(16 * GIB, -64, GIB / 16, bounds)).toBe(12 * GIB);
  });
  it('leaves an odd limit alone until the pointer moves', () => {
    expect(dragLimit(7.3 * GIB, 0, 1, bounds)).toBe(7.3 * GIB);
  });
});

describe('keyLimit', () => {
  it('steps by half a GiB, with Shift by five', () => {
    expect(keyLimit('ArrowRight', false, 8 * GIB, bounds)).toBe(8.5 * GIB);
    expect(keyLimit('ArrowLeft', false, 8 * GIB, bounds)).toBe(7.5 * GIB);
    expect(keyLimit('ArrowUp', true, 8 * GIB, bounds)).toBe(13 * GIB);
    expect(keyLimit('ArrowDown', true, 8 * GIB, bounds)).toBe(3 * GIB);
  });
  it('lands on the grid from an odd value, in both directions', () => {
    expect(keyLimit('ArrowRight', false, 8.2 * GIB, bounds)).toBe(8.5 * GIB);
    expect(keyLimit('ArrowLeft', false, 8.2 * GIB, bounds)).toBe(8 * GIB);
  });
  it('goes to what is used with Home and to what is free with End', () => {
    expect(keyLimit('Home', false, 16 * GIB, bounds)).toBe(5.5 * GIB);
    expect(keyLimit('End', false, 16 * GIB, bounds)).toBe(Math.floor((20.3 * GIB) / MIB) * MIB);
    expect(keyLimit('End', false, 30 * GIB, bounds)).toBe(30 * GIB);
  });
  it('never leaves the GPU', () => {
    expect(keyLimit('ArrowLeft', true, GIB, bounds)).toBe(SNAP_BYTES);
    expect(keyLimit('ArrowRight', true, 79 * GIB, bounds)).toBe(81_559 * MIB);
  });
  it('leaves other keys to others', () => {
    expect(keyLimit('Tab', false, GIB, bounds)).toBeNull();
  });
});

describe('dragReducer', () => {
  const start: DragEvent = { type: 'start', by: 'pointer', limitBytes: 16 * GIB };
  const to = (gib: number, refusal: string | null = null): DragEvent => ({
    type: 'to',
    limitBytes: gib * GIB,
    refusal,
  });

  it('commits on release', () => {
    expect(run(start, to(20), { type: 'release' })).toMatchObject({
      kind: 'committing',
      startBytes: 16 * GIB,
      limitBytes: 20 * GIB,
    });
  });
  it('leaves the slice as it was with Esc', () => {
    expect(run(start, to(20), { type: 'leave' })).toEqual(REST);
  });
  it('sends nothing when refused or not moved', () => {
    expect(run(start, to(200, 'the GPU has 79.6 GiB'), { type: 'release' })).toEqual(REST);
    expect(run(start, to(20), to(16), { type: 'release' })).toEqual(REST);
  });
  it('ignores the hand while an edit is on its way, until it is settled', () => {
    const committing = run(start, to(20), { type: 'release' });
    expect(dragReducer(committing, start)).toBe(committing);
    expect(dragReducer(committing, to(3))).toBe(committing);
    expect(dragReducer(committing, { type: 'leave' })).toBe(committing);
    expect(dragReducer(committing, { type: 'settled' })).toEqual(REST);
  });
});

describe('refusalWords', () => {
  it('says the reason in a few words, and unknown reasons by their code', () => {
    expect(refusalWords({ ok: true }, GIB)).toBeNull();
    expect(refusalWords({ ok: false, code: 'memory-limit-exceeds-gpu' }, 24 * GIB)).toBe(
      'the GPU has 24.0 GiB',
    );
    expect(refusalWords({ ok: false, code: 'busy' }, GIB)).toBe('busy');
  });
});
