/* How a program is told of its GPUs in CUDA's own variables, and joins others through MPS where that is on. */
#ifndef TRANCHE_CUDA_LAUNCH_H
#define TRANCHE_CUDA_LAUNCH_H

#include "fs.h"
#include "launch/fetch.h"
#include "launch/variables.h"

struct cuda_launch {
    char pipe[FS_PATH_BYTES]; /* of the MPS daemon; "" = programs take turns */
    char percent[8];
    const char *priority; /* "0", or "1" for below that: MPS knows no third */
};

/* For a program in this one slice, on this GPU. One MPS server serves one user and one GPU: who is another user takes
 * turns with it. */
void cuda_launch_join(struct cuda_launch *launch, const struct fetched_gpu *gpu, const struct fetched_slice *slice);
/* `uuids` and `indices` are lists with commas; indices NULL: the program is told by UUID. */
void cuda_launch_put(const struct cuda_launch *launch, const char *uuids, const char *indices, struct variables *out);

#endif
