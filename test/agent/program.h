/* A test that starts itself again: each of its programs runs in a process of its own, in the place that region_fixture.h
 * made, under the shim or not. */
#ifndef TRANCHE_TEST_PROGRAM_H
#define TRANCHE_TEST_PROGRAM_H

#include "check.h"
#include "region_fixture.h"

#define PROGRAM_SECONDS_MAX 120
#define PROGRAM_HOLD_SECONDS_MAX 5

struct program {
    const char *name;
    void (*run)(void);
    const char *conf;       /* of its simulated machine; NULL: its test says */
    uint64_t context_bytes; /* what its slice's policy says that a context takes */
};

/* One of a table: PROGRAM(function), PROGRAM(function, .conf = "clock = virtual\n"). */
#define PROGRAM(function, ...)                                                                                        \
    {                                                                                                                 \
        .name = #function, .run = function, __VA_ARGS__                                                               \
    }

/* ---- inside ---- */

/* Runs the one of this name, after enter() if there is one. The exit status: 0, 1 for a check that failed, 2 for a name
 * that is none. */
static inline int program_inside(const struct program *programs, size_t count, const char *name, void (*enter)(void))
{
    for (size_t at = 0; at < count; at++) {
        if (strcmp(programs[at].name, name) == 0) {
            check_name = programs[at].name;
            if (enter != NULL) enter();
            programs[at].run();
            return check_failures_here != 0;
        }
    }
    return 2;
}

/* For one that holds something until it is killed. */
static inline void program_hold(void)
{
    printf("holding\n");
    fflush(stdout);
    for (;;) pause();
}

/* ---- outside ---- */

/* Checks that a program ends well; what it wrote is then in program.out. */
static inline void program_check(const struct fixture *fixture, const char *slices, bool preload, char *const argv[])
{
    char output[8192];
    int status = fixture_wait(fixture_start(fixture, slices, preload, "program", argv), PROGRAM_SECONDS_MAX);
    fixture_output(fixture, "program", output, sizeof output);
    CHECK_THAT(status == 0, "%s: status %d:\n%s", argv[1] == NULL ? argv[0] : argv[1], status, output);
}

static inline void program_again(const struct fixture *fixture, const char *slices, bool preload, const char *name)
{
    char *argv[] = {"/proc/self/exe", (char *)name, NULL};
    program_check(fixture, slices, preload, argv);
}

/* As a test with its own line. */
static inline void program_test(const struct fixture *fixture, const char *slices, bool preload, const char *name)
{
    check_begin(name);
    program_again(fixture, slices, preload, name);
    check_end();
}

/* Starts one that ends in program_hold, and waits until it is there. */
static inline pid_t program_holder(const struct fixture *fixture, const char *slices, bool preload, const char *name)
{
    char output[256] = "";
    char *argv[] = {"/proc/self/exe", (char *)name, NULL};
    pid_t pid = fixture_start(fixture, slices, preload, "holder", argv);
    for (int tick = 0; tick < PROGRAM_HOLD_SECONDS_MAX * 100 && strstr(output, "holding") == NULL; tick++) {
        usleep(10000); /* the step of a bounded wait */
        fixture_output(fixture, "holder", output, sizeof output);
    }
    CHECK_STR(output, "holding\n");
    return pid;
}

#endif
