/** GPUs as an agent tells of them, and as the window has them: each with its backend, its errors, its partitions. */
import { z } from 'zod';
import { abilitiesOf, GATE_STANDINGS } from './backends.ts';
import type { GpuBackend } from './backends.ts';
import { bytes, count, id, text, timeMs } from './fields.ts';
import { NVIDIA } from './nvidia.ts';

export const CONCURRENT = ['off', 'starting', 'on', 'stopping', 'failed'] as const;
export type Concurrent = (typeof CONCURRENT)[number];
export const FAULT_KINDS = ['program', 'hardware', 'other'] as const;

/** What the host's agent knows of one kind of GPU; its words are the window's. */
export const backendSchema = z.object({
  id,
  can: text.transform(abilitiesOf),
  vendor: text,
  reader: text.nullable(),
  tool: text.nullable(),
  faults: text.nullable(),
  partitions: text.nullable(),
  concurrent: text.nullable(),
  driver: text.nullable(),
  note: text.nullable(),
  /** Whether the gate was seen to hold with this driver; null: there is none for this kind, or an agent of before. */
  gate: z.enum(GATE_STANDINGS).nullable().catch(null),
  gateNote: text.nullable().catch(null),
  /** Whether the driver was seen to keep limits of control groups; null: there are none here, or an agent of before. */
  kernelLimit: z.enum(GATE_STANDINGS).nullable().catch(null),
  kernelLimitNote: text.nullable().catch(null),
});

const faultFields = z.object({
  gpuUuid: id,
  /** Whose fault it mostly is. */
  kind: z.enum(FAULT_KINDS).catch('other'),
  /** What it means, in a sentence of the agent’s. */
  text,
  /** The same again within ten minutes is counted. */
  count: z.number().int().min(1),
  firstAtMs: timeMs,
  atMs: timeMs,
});
/** An error that the driver reported of a GPU: whose number it is, and the number. An agent of before had XIDs alone. */
export const faultSchema = z.union([
  faultFields.extend({ source: text, code: count }),
  faultFields
    .extend({ xid: count })
    .transform(({ xid, ...fault }) => ({ ...fault, source: NVIDIA.faults ?? NVIDIA.id, code: xid })),
]);

const gpuFields = z.object({
  uuid: id,
  /** Its number on this host, for display. */
  index: count,
  name: text,
  capacityBytes: count,
  simulated: z.boolean(),
  computeMode: text.nullable(),
  /**
   * Whether programs of the managing user run there at the same time. An agent that does not say, or says a word that we
   * do not know: null.
   */
  concurrent: z.enum(CONCURRENT).nullable().catch(null),
  /** Why it failed, or does not end yet. */
  concurrentNote: text.nullable().catch(null),
});
export const gpuSchema = z.union([
  gpuFields.extend({ backend: id, partitioned: z.boolean().nullable() }),
  /** An agent of before there were several kinds. */
  gpuFields
    .extend({ migEnabled: z.boolean().nullable() })
    .transform(({ migEnabled, ...gpu }) => ({ ...gpu, backend: null, partitioned: migEnabled })),
]);
type GpuLine = z.infer<typeof gpuSchema>;

/** A part of a GPU that the hardware keeps apart. Listed, never cut. */
export const partitionSchema = z.object({
  gpuUuid: id,
  uuid: z.string().max(96),
  /** As the driver says it: `NVIDIA H100 80GB HBM3 MIG 1g.10gb`. */
  name: text,
  capacityBytes: bytes,
});
export type GpuPartition = Readonly<Omit<z.infer<typeof partitionSchema>, 'gpuUuid'>>;
/** An error that a driver reported; `source` says whose number `code` is. */
export type GpuFault = Readonly<Omit<z.infer<typeof faultSchema>, 'gpuUuid'>>;

export interface Gpu extends Readonly<Omit<GpuLine, 'backend' | 'partitioned'>> {
  readonly backend: GpuBackend;
  /** Whether the hardware cuts it, and not we; null: the driver does not say. */
  readonly partitioned: boolean | null;
  /** The last errors that its driver reported, newest first; null: the agent does not listen for them. */
  readonly faults: readonly GpuFault[] | null;
  /** null: the agent does not list them. */
  readonly partitions: readonly GpuPartition[] | null;
}
