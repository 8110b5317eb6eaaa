/** By what memory limits are kept, in words: by a supervisor at the kernel’s boundary, or by the library in programs. Pure. */
import { gpuCan } from '../../model/backends.ts';
import type { GpuBackend } from '../../model/backends.ts';
import type { Gpu } from '../../model/gpu.ts';
import type { HostSnapshot } from '../../model/model.ts';
import type { Sample } from '../../model/sample.ts';
import type { Slice, SliceSample } from '../../model/slice.ts';
import { sliceSample } from './host-figures.ts';

export interface Keeping {
  /** `hard (gate)`, `cooperative`, or for whom it is. */
  readonly word: string;
  /** What it holds and what it does not, in sentences. */
  readonly why: string;
  readonly isHard: boolean;
}

export const GATES = [
  ['off', 'Off'],
  ['programs', 'Programs'],
  ['shells', 'Shells, too'],
] as const;

const ESCAPE = 'a program that unsets LD_PRELOAD escapes them';
const cooperative = (why: string): Keeping => ({ word: 'cooperative', why, isHard: false });

/** Why there is no gate for GPUs of this kind here; null: there is, and it was proved. */
function missing(backend: GpuBackend): string | null {
  if (!gpuCan({ backend }, 'gate')) return `This agent has no gate for GPUs of ${backend.vendor}.`;
  if (backend.gate === 'proved') return null;
  const note = backend.gateNote ?? '';
  return backend.gate === 'not-proved'
    ? `The gate did not hold with driver ${backend.driver ?? '—'}. ${note}`.trim()
    : note || 'The gate was not tried with this driver yet.';
}

/** `reading`: of the same slice, as far as there is one. */
export function keepingOf(slice: Slice, gpu: Gpu, reading: SliceSample | null): Keeping {
  const reason = missing(gpu.backend);
  if (reason !== null) return cooperative(reason);
  if (slice.enforcement !== 'gate') return cooperative(`Its gate is off: ${ESCAPE}.`);
  const without = reading?.ungatedCount ?? 0;
  if (without > 0) {
    return {
      word: `cooperative for ${String(without)} of ${String(reading?.processCount ?? without)}`,
      why: 'Some of its programs are not behind the gate: they were started before it was on, from a terminal’s shell, or without `tranche run`.',
      isHard: false,
    };
  }
  const shells =
    slice.gate === 'shells'
      ? 'Terminals’ shells are held, too, and sudo does not work in them.'
      : 'What a terminal’s shell starts is held by the library in it.';
  return {
    word: 'hard (gate)',
    why: `The kernel asks a supervisor before a program that is run in it gets memory, whatever the program loads or unsets. ${shells}`,
    isHard: true,
  };
}

/** Of all slices of a host; null: its agent says nothing yet. */
export function keepingOfHost(host: HostSnapshot, sample: Sample | null): Keeping | null {
  if (host.gpus.length === 0) return null;
  const reasons = [
    ...new Set(host.gpus.map(({ backend }) => missing(backend)).filter((why) => why !== null)),
  ];
  const kept = host.slices.flatMap((slice) => {
    const gpu = host.gpus.find(({ uuid }) => uuid === slice.gpuUuid);
    return gpu === undefined ? [] : [keepingOf(slice, gpu, sliceSample(sample, slice.id))];
  });
  const hard = kept.filter(({ isHard }) => isHard).length;
  if (hard === kept.length && reasons.length === 0)
    return {
      word: 'hard (gate)',
      why: 'The kernel asks a supervisor before a program in a slice gets memory, whatever the program loads or unsets.',
      isHard: true,
    };
  if (hard > 0)
    return {
      word: `hard (gate) in ${String(hard)} of ${String(kept.length)} slices`,
      why: `In the others ${ESCAPE}; each says why.`,
      isHard: false,
    };
  return cooperative(
    reasons.length > 0 ? `${reasons.join(' ')} So ${ESCAPE}.` : `The gate is off: ${ESCAPE}.`,
  );
}
