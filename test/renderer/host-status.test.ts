import { describe, expect, it } from 'vitest';
import type { ConnectionState } from '../../model/model.ts';
import { hostStatus } from '../../renderer/domain/host-status.ts';
import type { SliceChange } from '../../renderer/domain/slice-edits.ts';
import { changeText, nameProblem, presetBytes } from '../../renderer/domain/slice-edits.ts';
import { initials, ownerClassAt } from '../../renderer/store/owners.ts';
import { GIB, MIB } from '../../model/units.ts';
import { hopper } from '../fakes/fake-hosts.ts';
import { hostFigures } from '../../renderer/domain/host-figures.ts';

const failure = { code: 'connection-lost', message: 'lost', detail: null } as const;

describe('hostStatus', () => {
  it('counts down to the next attempt', () => {
    const state: ConnectionState = { kind: 'reconnecting', attempt: 2, nextAttemptAtMs: 5000, failure };
    expect(hostStatus(state, false, 1200, null)).toMatchObject({
      word: 'Reconnecting in 4 s',
      act: 'retry',
      old: true,
    });
    expect(hostStatus(state, false, 6000, null).word).toBe('Reconnecting…');
  });
  it('says how old stale numbers are', () => {
    const { agent } = hopper().connection as Extract<ConnectionState, { kind: 'live' }>;
    const state: ConnectionState = { kind: 'stale', agent, lastSampleAtMs: null };
    expect(hostStatus(state, false, 0, 14_000)).toMatchObject({
      word: 'Stale, 14 s old',
      tone: 'warn',
      old: true,
    });
    expect(hostStatus(state, false, 0, null).word).toBe('Stale');
  });
  it('has no word for a live host, and says that a demo is one', () => {
    expect(hostStatus(hopper().connection, false, 0, 0).word).toBeNull();
    expect(hostStatus(hopper().connection, true, 0, 0)).toMatchObject({
      glyph: 'demo',
      word: 'Demo, simulated GPUs',
    });
  });
});

describe('figures', () => {
  it('adds up what is free, without what is overcommitted', () => {
    const { freeBytes, minis } = hostFigures(hopper(), null);
    // Without a sample nothing is known to be unmanaged: 24 GiB and 8 GiB free, GPU 0 overcommitted.
    expect((freeBytes ?? 0) / GIB).toBeCloseTo(23.99 + 7.99, 1);
    expect(minis[0]?.limitShare).toBe(1);
  });
});

describe('small words', () => {
  it('makes four quarters fit', () => {
    for (const mib of [24_564, 81_559, 15_360, 11_019]) {
      expect(4 * presetBytes(mib * MIB, 0.25)).toBeLessThanOrEqual(mib * MIB);
    }
  });
  it('says what an edit did', () => {
    const slice = hopper().slices[0];
    if (slice === undefined) throw new Error('the fake has no slice');
    const said = (change: SliceChange, usedGib: number | null = null): string =>
      changeText(slice, change, usedGib === null ? null : usedGib * GIB);
    expect(said({ memoryLimitBytes: 40 * GIB }, 24)).toBe('resnet-sweep grown from 32.0 to 40.0 GiB');
    expect(said({ computeLimitPercent: 50 })).toBe('resnet-sweep: GPU time limit 40 → 50 %');
    expect(said({ priority: 'high' })).toBe('resnet-sweep: priority normal → high');
    // Below use nothing has shrunk yet; at it, and where use is unknown, it has.
    expect(said({ memoryLimitBytes: 14 * GIB }, 24.3)).toBe(
      'resnet-sweep will shrink from 32.0 to 14.0 GiB when use drops (24.3 now)',
    );
    for (const used of [14, 0, null]) {
      expect(said({ memoryLimitBytes: 14 * GIB }, used)).toBe('resnet-sweep shrunk from 32.0 to 14.0 GiB');
    }
    expect(said({ memoryLimitBytes: 32 * GIB }, 24)).toBe('resnet-sweep keeps 32.0 GiB');
  });
  it("knows the agent's rule for names", () => {
    expect(nameProblem('mira-1')).toBeNull();
    for (const bad of ['', '-x', 'a b', 'x'.repeat(41), '<b>', 'ä']) expect(nameProblem(bad)).not.toBeNull();
  });
  it('repeats hues with the next hatch after eight', () => {
    expect(ownerClassAt(0)).toBe('o1 k1');
    expect(ownerClassAt(7)).toBe('o8 k8');
    expect(ownerClassAt(8)).toBe('o1 k2');
    expect(ownerClassAt(17)).toBe('o2 k4');
  });
  it('takes initials from any script', () => {
    expect(initials('mira')).toBe('mi');
    expect(['student0', 'student1', 'student10', 'student112', '7', 'a7'].map(initials)).toEqual([
      's0',
      's1',
      '10',
      '12',
      '7',
      'a7',
    ]);
    expect(initials('إبراهيم')).toHaveLength(2);
    expect(initials('_.')).toBe('?');
  });
});
