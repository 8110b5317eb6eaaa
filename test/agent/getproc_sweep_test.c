/* test/gpu/getproc_sweep.c against the simulated driver, without and with the shim.
 * build: agent/common/region_file.c
 * sanitize: none
 * needs: native
 */
#include "check.h"
#include "region_fixture.h"

static struct fixture fixture;
static struct fixture_slice slice;
static char program[PATH_MAX];

static void sweep(bool preload)
{
    char output[8192];
    char *argv[] = {program, NULL};
    int status = fixture_wait(fixture_start(&fixture, slice.id, preload, "sweep", argv), 60);
    fixture_output(&fixture, "sweep", output, sizeof output);
    CHECK_THAT(status == 0, "status %d:\n%s", status, output);
    CHECK_THAT(strstr(output, preload ? "with the shim" : "without the shim") != NULL, "%s", output);
}

static void every_pointer_is_exported(void)
{
    sweep(false);
}

static void every_hooked_pointer_is_ours(void)
{
    sweep(true);
}

int main(void)
{
    char command[PATH_MAX * 2];
    check_needs_build();
    fixture_open(&fixture, "");
    fixture_slice(&fixture, &slice, 1, UINT64_C(1) << 30, 10000);
    snprintf(program, sizeof program, "%s/sweep", fixture.root);
    snprintf(command, sizeof command,
             "gcc -std=gnu11 -O1 -Iagent/vendor -Iagent/shim -Iagent/sim/cuda -o '%s' test/gpu/getproc_sweep.c -ldl",
             program);
    if (system(command) != 0) {
        printf("FAIL getproc_sweep does not compile\n");
        return 1;
    }
    RUN(every_pointer_is_exported);
    RUN(every_hooked_pointer_is_ours);
    fixture_close(&fixture);
    return check_done();
}
