/** Kinds of GPUs: what Tranche can do with each, and what its vendor calls things. An agent says both for its own. */
import { NVIDIA, NVIDIA_FAULT_NOTICE } from './nvidia.ts';

/** As the agent says them (agent/src/gpu/abilities.def). */
export const GPU_ABILITIES = [
  'limit-memory',
  'limit-compute',
  'run-concurrently',
  'tell-faults',
  'list-partitions',
  'gate',
] as const;
export type GpuAbility = (typeof GPU_ABILITIES)[number];

/** Whether the gate (docs/gate.md) was tried with a driver, and held. */
export const GATE_STANDINGS = ['untried', 'proved', 'not-proved'] as const;
export type GateStanding = (typeof GATE_STANDINGS)[number];

/** Words are null where a vendor has none for it. */
export interface GpuBackend {
  /** `nvidia`. */
  readonly id: string;
  readonly can: readonly GpuAbility[];
  readonly vendor: string;
  /** What its readings come from. */
  readonly reader: string | null;
  /** The program that people read its GPUs with. */
  readonly tool: string | null;
  /** How the errors of its driver are numbered. */
  readonly faults: string | null;
  /** What its hardware cuts a GPU into. */
  readonly partitions: string | null;
  /** By what programs run at the same time. */
  readonly concurrent: string | null;
  readonly driver: string | null;
  /** Why its driver is not open; null: it is. */
  readonly note: string | null;
  readonly gate: GateStanding | null;
  /** What was seen, or why it was not tried, in sentences. */
  readonly gateNote: string | null;
  /** Whether its driver keeps limits of control groups itself (docs/kernel-limit.md), and was seen to. */
  readonly kernelLimit: GateStanding | null;
  readonly kernelLimitNote: string | null;
}

export const gpuCan = (gpu: { readonly backend: GpuBackend }, ability: GpuAbility): boolean =>
  gpu.backend.can.includes(ability);

/** Pure. `can` as the wire has it, words with spaces between; those of a newer agent are not for us. */
export const abilitiesOf = (words: string): readonly GpuAbility[] =>
  GPU_ABILITIES.filter((ability) => words.split(' ').includes(ability));

/** Whose GPU it is. An agent of before there were several knew one kind alone. */
export const backendOf = (backends: readonly GpuBackend[] | null, id: string | null): GpuBackend =>
  backends?.find((backend) => backend.id === id) ??
  (id === null
    ? NVIDIA
    : {
        ...NVIDIA, // what an agent finds out is null there
        id,
        can: [],
        vendor: id,
        reader: null,
        tool: null,
        faults: null,
        partitions: null,
        concurrent: null,
      });

/** The codes of notices that tell of a GPU's error. */
const FAULT_NOTICES: readonly string[] = ['gpu-fault', NVIDIA_FAULT_NOTICE];
export const isFaultNotice = (code: string): boolean => FAULT_NOTICES.includes(code);
