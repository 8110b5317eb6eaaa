#include "launch/nvidia/gated.h"

#include <stdio.h>

#include "gated_run.h"
#include "late_door.h"
#include "probe.h"
#include "share.h"

bool gated_is_possible(char why[GATED_WHY_BYTES])
{
    char reason[PROBE_WHY_BYTES];
    bool can = gate_probe(reason);
    snprintf(why, GATED_WHY_BYTES, "%s", reason);
    return can;
}

_Static_assert(GATED_NAME_BYTES == LATE_NAME_BYTES, "one is for the other");

int gated_listen(char name[GATED_NAME_BYTES])
{
    return late_listen(name);
}

int gated_start(char *const *argv, const struct gated_way *way, char why[GATED_WHY_BYTES], int *error_out)
{
    static struct share share; /* one program a process */
    const struct gate_devices real = GATE_DEVICES_NVIDIA, stand_in = GATE_DEVICES_SIMULATED;
    char reason[GATED_RUN_WHY_BYTES] = "";
    *error_out = 0;
    if (!share_init(&share, way->runtime_dir, way->slice_id)) {
        snprintf(why, GATED_WHY_BYTES, "the path %s is too long", way->runtime_dir);
        return -1;
    }
    struct gated_program program = {.argv = argv,
                                    .devices = way->is_simulated ? stand_in : real,
                                    .policy = share_policy(&share),
                                    .told_fd = way->told_fd,
                                    .late_fd = way->late_fd};
    int status = gated_run(&program, reason, error_out);
    snprintf(why, GATED_WHY_BYTES, "%s", reason);
    return status;
}
