/**
 * May this slice be created or resized? Arithmetic on limits and guarantees, nothing else. The agent decides with the
 * same rules (agent/src/admission.c); the desktop uses them to preview. golden/admission.jsonl runs against both.
 */
import type { AgentErrorCode } from './errors.ts';
import { MIB } from './units.ts';

export const MEMORY_LIMIT_MIN_BYTES = MIB;
export const COMPUTE_LIMIT_MIN_PERCENT = 1;
export const SLICES_PER_GPU_MAX = 63;

export interface AdmissionRequest {
  readonly capacityBytes: number;
  /** Slices already on the GPU, without the one that is being changed. */
  readonly otherSliceCount: number;
  readonly otherGuaranteesPercent: number;
  readonly memoryLimitBytes: number;
  readonly computeLimitPercent: number;
  readonly computeGuaranteePercent: number;
}

export type Admission = { readonly ok: true } | { readonly ok: false; readonly code: AgentErrorCode };

/** The first rule that is broken, in this order; memory limits and compute limits may overcommit, guarantees may not. */
export function admit(r: AdmissionRequest): Admission {
  const refuse = (code: AgentErrorCode): Admission => ({ ok: false, code });
  if (r.memoryLimitBytes < MEMORY_LIMIT_MIN_BYTES) return refuse('memory-limit-too-small');
  if (r.memoryLimitBytes > r.capacityBytes) return refuse('memory-limit-exceeds-gpu');
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
