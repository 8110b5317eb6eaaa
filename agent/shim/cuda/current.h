/* Which device, and so which slice, a call is about; and whether it is being captured. */
#ifndef TRANCHE_CURRENT_H
#define TRANCHE_CURRENT_H

#include "core/shim.h"
#include "cuda_min.h"

/* Index into slices for a CUDA ordinal, or for the calling thread's current device; negative: one of these. */
int shim_slice_of_device(struct process *process, CUdevice device);
int shim_slice_of_current(struct process *process);
int shim_slice_of_uuid(const struct shim *shim, const char *uuid); /* -1: none */
/* The calling thread's current device, or a stream's; -1: it has none. Both save the driver's answer where there is
 * only one device to answer with. */
CUdevice shim_current_device(struct process *process);
CUdevice shim_stream_device(struct process *process, CUstream stream);
/* true: work given to this stream becomes part of a graph. */
bool shim_is_captured(struct process *process, CUstream stream, bool per_thread);

#endif
