/**
 * May this slice be created or resized? Arithmetic on limits and guarantees, nothing else. The agent decides with the
 * same rules (agent/src/state/admission.c); the desktop uses them to preview. golden/admission.jsonl runs against both.
 */
import type { AgentErrorCode } from './errors.ts';
import { MEMORY_LIMIT_MIN_BYTES, SLICES_PER_GPU_MAX } from './limits.ts';

export const COMPUTE_LIMIT_MIN_PERCENT = 1;

export interface AdmissionRequest {
  readonly capacityBytes: number;
  /** Slices already on the GPU, without the one that is being changed. */
  readonly otherSliceCount: number;
  readonly otherGuaranteesPercent: number;
  readonly memoryLimitBytes: number;
  readonly computeLimitPercent: number;
  readonly computeGuaranteePercent: number;
  /** Of the capacity, by which the limits of a GPU may add up; null: the operators set no guard. */
  readonly memoryOvercommitMaxPercent?: number | null;
  readonly otherMemoryLimitsBytes?: number;
  /** 0: it is new. A limit that does not grow is not the guard's business. */
  readonly previousMemoryLimitBytes?: number;
}

export type Admission = { readonly ok: true } | { readonly ok: false; readonly code: AgentErrorCode };

function exceedsGuard(r: AdmissionRequest): boolean {
  const most = r.memoryOvercommitMaxPercent ?? null;
  const sum = (r.otherMemoryLimitsBytes ?? 0) + r.memoryLimitBytes;
  const grows = r.memoryLimitBytes > (r.previousMemoryLimitBytes ?? 0);
  return most !== null && grows && sum > r.capacityBytes + Math.floor(r.capacityBytes / 100) * (most - 100);
}

/** The first rule that is broken, in this order. Limits may overcommit, memory as far as the guard; guarantees may not. */
export function admit(r: AdmissionRequest): Admission {
  const refuse = (code: AgentErrorCode): Admission => ({ ok: false, code });
  if (r.memoryLimitBytes < MEMORY_LIMIT_MIN_BYTES) return refuse('memory-limit-too-small');
  if (r.memoryLimitBytes > r.capacityBytes) return refuse('memory-limit-exceeds-gpu');
  if (exceedsGuard(r)) return refuse('overcommit-exceeds-guard');
  if (r.computeLimitPercent < COMPUTE_LIMIT_MIN_PERCENT || r.computeLimitPercent > 100) {
    return refuse('compute-limit-out-of-range');
  }
  if (r.computeGuaranteePercent < 0 || r.computeGuaranteePercent > 100)
    return refuse('guarantee-out-of-range');
  if (r.computeGuaranteePercent > r.computeLimitPercent) return refuse('guarantee-exceeds-limit');
  if (r.otherGuaranteesPercent + r.computeGuaranteePercent > 100) return refuse('guarantee-exceeds-headroom');
  if (r.otherSliceCount >= SLICES_PER_GPU_MAX) return refuse('too-many-slices');
  return { ok: true };
}

/** A person and what they own on one host. */
export interface QuotaRequest {
  /** null: no quota. */
  readonly memoryBytesMax: number | null;
  readonly slicesMax: number | null;
  /** Of the person, on all GPUs of the host, without the slice that is being changed. */
  readonly otherSliceCount: number;
  readonly otherMemoryLimitsBytes: number;
  readonly memoryLimitBytes: number;
  /** What it counted for this person before; 0: it is new to them. */
  readonly previousMemoryLimitBytes: number;
}

/** May this person hold that much? A limit that does not grow is never refused. golden/quota.jsonl runs both sides. */
export function admitQuota(r: QuotaRequest): Admission {
  const isNew = r.previousMemoryLimitBytes === 0;
  const grows = r.memoryLimitBytes > r.previousMemoryLimitBytes;
  const beyondSlices = r.slicesMax !== null && isNew && r.otherSliceCount + 1 > r.slicesMax;
  const beyondMemory =
    r.memoryBytesMax !== null && grows && r.otherMemoryLimitsBytes + r.memoryLimitBytes > r.memoryBytesMax;
  return beyondSlices || beyondMemory ? { ok: false, code: 'quota-exceeded' } : { ok: true };
}
