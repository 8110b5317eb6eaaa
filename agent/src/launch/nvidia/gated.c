#include "launch/nvidia/gated.h"

#include <stdio.h>

#include "gated_run.h"
#include "probe.h"
#include "share.h"

bool gated_is_possible(char why[GATED_WHY_BYTES])
{
    char reason[PROBE_WHY_BYTES];
    bool can = gate_probe(reason);
    snprintf(why, GATED_WHY_BYTES, "%s", reason);
    return can;
}

int gated_start(char *const *argv, const char *runtime_dir, const char *slice_id, bool is_simulated, int told_fd,
                char why[GATED_WHY_BYTES], int *error_out)
{
    static struct share share; /* one program a process */
    const struct gate_devices real = GATE_DEVICES_NVIDIA, stand_in = GATE_DEVICES_SIMULATED;
    char reason[GATED_RUN_WHY_BYTES] = "";
    *error_out = 0;
    if (!share_init(&share, runtime_dir, slice_id)) {
        snprintf(why, GATED_WHY_BYTES, "the path %s is too long", runtime_dir);
        return -1;
    }
    struct gated_program program = {
        .argv = argv, .devices = is_simulated ? stand_in : real, .policy = share_policy(&share), .told_fd = told_fd};
    int status = gated_run(&program, reason, error_out);
    snprintf(why, GATED_WHY_BYTES, "%s", reason);
    return status;
}
