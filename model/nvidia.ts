/** NVIDIA's GPUs, as agents spoke of them that knew no other kind and did not say so. */
import type { GpuBackend } from './backends.ts';

export const NVIDIA: GpuBackend = {
  id: 'nvidia',
  can: ['limit-memory', 'limit-compute', 'run-concurrently', 'tell-faults', 'list-partitions'],
  vendor: 'NVIDIA',
  reader: 'NVML',
  tool: 'nvidia-smi',
  faults: 'XID',
  partitions: 'MIG',
  concurrent: 'MPS',
  driver: null,
  note: null,
  gate: null,
  gateNote: null,
  kernelLimit: null,
  kernelLimitNote: null,
};

/** The code of a notice that tells of an error; other backends' is `gpu-fault`. */
export const NVIDIA_FAULT_NOTICE = 'xid';
