/**
 * By what memory limits are kept, in words: by the driver, in the kernel, by a supervisor at the kernel’s boundary, or by the
 * library in programs. Pure.
 */
import { gpuCan } from '../../model/backends.ts';
import type { GpuBackend } from '../../model/backends.ts';
import type { Gpu } from '../../model/gpu.ts';
import type { HostSnapshot } from '../../model/model.ts';
import type { Sample } from '../../model/sample.ts';
import type { Slice, SliceSample } from '../../model/slice.ts';
import { sliceSample } from './host-figures.ts';

export interface Keeping {
  /** `hard (kernel)`, `hard (gate)`, `cooperative`, or for whom it is. */
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

const KERNEL =
  'The driver itself refuses memory to whatever runs in the slice’s control group, and children cannot leave it.';
const MANAGED = 'Managed memory it does not count: the gate does, or the library.';
const GATE =
  'The kernel asks a supervisor before a program that is run in it gets memory, whatever the program loads or unsets.';

/** How many of its programs are held by neither; null: none. */
function without(reading: SliceSample | null, why: string): Keeping | null {
  const count = reading?.ungatedCount ?? 0;
  return count === 0
    ? null
    : {
        word: `cooperative for ${String(count)} of ${String(reading?.processCount ?? count)}`,
        why,
        isHard: false,
      };
}

/** `reading`: of the same slice, as far as there is one. */
export function keepingOf(slice: Slice, gpu: Gpu, reading: SliceSample | null): Keeping {
  if (slice.enforcement === 'kernel')
    return (
      without(
        reading,
        'Some of its programs are not in its control group: they were started before it had one, or without `tranche run`.',
      ) ?? { word: 'hard (kernel)', why: `${KERNEL} ${MANAGED}`, isHard: true }
    );
  const reason = missing(gpu.backend);
  if (reason !== null) return cooperative([reason, gpu.backend.kernelLimitNote ?? ''].join(' ').trim());
  if (slice.enforcement !== 'gate') return cooperative(`Its gate is off: ${ESCAPE}.`);
  const shells =
    slice.gate === 'shells'
      ? 'Terminals’ shells are held, too, and sudo does not work in them.'
      : 'What a terminal’s shell starts is asked for from when it first opens the driver by way of the library.';
  return (
    without(
      reading,
      'Some of its programs are not behind the gate: they were started before it was on, without `tranche run`, or in a terminal past the library.',
    ) ?? { word: 'hard (gate)', why: `${GATE} ${shells}`, isHard: true }
  );
}

/** Of all slices of a host; null: its agent says nothing yet. */
export function keepingOfHost(host: HostSnapshot, sample: Sample | null): Keeping | null {
  if (host.gpus.length === 0) return null;
  const byDriver = (gpu: Gpu): boolean => gpu.backend.kernelLimit === 'proved';
  const reasons = [
    ...new Set(
      host.gpus
        .filter((gpu) => !byDriver(gpu))
        .map(({ backend }) => missing(backend))
        .filter((why) => why !== null),
    ),
  ];
  const kept = host.slices.flatMap((slice) => {
    const gpu = host.gpus.find(({ uuid }) => uuid === slice.gpuUuid);
    return gpu === undefined ? [] : [keepingOf(slice, gpu, sliceSample(sample, slice.id))];
  });
  const hard = kept.filter(({ isHard }) => isHard);
  // Where some are kept in the one way and some in the other, the weaker is said.
  const isKernel =
    hard.length > 0 ? hard.every(({ word }) => word === 'hard (kernel)') : host.gpus.every(byDriver);
  const word = isKernel ? 'hard (kernel)' : 'hard (gate)';
  if (hard.length === kept.length && reasons.length === 0)
    return { word, why: isKernel ? `${KERNEL} ${MANAGED}` : GATE, isHard: true };
  if (hard.length > 0)
    return {
      word: `${word} in ${String(hard.length)} of ${String(kept.length)} slices`,
      why: `In the others ${ESCAPE}; each says why.`,
      isHard: false,
    };
  return cooperative(
    reasons.length > 0 ? `${reasons.join(' ')} So ${ESCAPE}.` : `The gate is off: ${ESCAPE}.`,
  );
}
