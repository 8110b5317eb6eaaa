#include "launch/nvidia/cuda_launch.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env.h"
#include "text.h"

void cuda_launch_join(struct cuda_launch *launch, const struct fetched_gpu *gpu, const struct fetched_slice *slice)
{
    struct stat status;
    if (!gpu->concurrent_at[0] || stat(gpu->concurrent_at, &status) != 0 || status.st_uid != getuid()) return;
    text_copy(launch->pipe, sizeof launch->pipe, gpu->concurrent_at);
    snprintf(launch->percent, sizeof launch->percent, "%d", (int)slice->compute_limit_percent);
    launch->priority = slice->is_preferred ? "0" : "1";
}

void cuda_launch_put(const struct cuda_launch *launch, const char *uuids, const char *indices, struct variables *out)
{
    variables_put(out, ENV_CUDA_VISIBLE, indices ? indices : uuids);
    variables_put(out, ENV_VISIBLE, indices ? "index" : NULL);
    /* Numbers are those of the PCI bus, as the agent has them, and not CUDA's own order by speed. */
    if (indices) variables_put(out, ENV_CUDA_ORDER, "PCI_BUS_ID");
    if (!launch->pipe[0]) return;
    variables_put(out, ENV_MPS_PIPE, launch->pipe);
    variables_put(out, ENV_MPS_PERCENT, launch->percent);
    variables_put(out, ENV_MPS_PRIORITY, launch->priority);
    variables_put(out, ENV_CONCURRENT, launch->percent);
}
