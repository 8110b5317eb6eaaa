/* Slices for tests without an agent: a private directory with policy, usage and board files, and a simulated machine
 * in it. Programs are started in a slice the way `tranche run` does it. */
#ifndef TRANCHE_TEST_REGION_FIXTURE_H
#define TRANCHE_TEST_REGION_FIXTURE_H

#include "env.h"
#include "region_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIXTURE_GPU_UUID "GPU-51000000-0000-4000-8000-000000000000"
#define FIXTURE_SECOND_GPU_UUID "GPU-51000000-0000-4000-8000-000000000001"

struct fixture {
    char root[128];
    char build[PATH_MAX / 2]; /* absolute BUILD_DIR; empty for tests that need no libraries */
};

struct fixture_slice {
    char id[REGION_ID_BYTES];
    struct region_policy *policy;
    struct region_usage *usage;
    char usage_path[256];
    struct life_place place; /* as one sees it who has no entry, and judges by locks alone */
};

static inline void fixture_fail(const char *what)
{
    fprintf(stderr, "fixture: %s: %s\n", what, strerror(errno));
    exit(1);
}

static inline void fixture_write(const struct fixture *fixture, const char *name, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", fixture->root, name);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) fixture_fail(path);
}

/* sim_conf: the simulated machine's configuration, "" for its defaults. */
static inline void fixture_open(struct fixture *fixture, const char *sim_conf)
{
    memset(fixture, 0, sizeof *fixture);
    snprintf(fixture->root, sizeof fixture->root, "/tmp/tranche-test-XXXXXX");
    if (mkdtemp(fixture->root) == NULL) fixture_fail("mkdtemp");
    static const char *const folders[] = {"policy", "usage", "board"};
    for (int at = 0; at < 3; at++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", fixture->root, folders[at]);
        if (mkdir(path, 0755) != 0) fixture_fail(path);
    }
    fixture_write(fixture, "sim.conf", sim_conf);
    const char *build = getenv("BUILD_DIR");
    if (build != NULL && realpath(build, fixture->build) == NULL) fixture_fail(build);
}

static inline void fixture_close(struct fixture *fixture)
{
    char command[PATH_MAX];
    snprintf(command, sizeof command, "rm -rf '%s'", fixture->root);
    if (system(command) != 0) fixture_fail(command);
}

static inline void fixture_slice_on(const struct fixture *fixture, struct fixture_slice *slice, unsigned number,
                                    uint64_t memory_limit, uint32_t compute_limit_bp, const char *gpu_uuid)
{
    struct region_policy initial;
    char path[PATH_MAX];
    memset(&initial, 0, sizeof initial);
    snprintf(slice->id, sizeof slice->id, "s-%016x", number);
    atomic_store(&initial.epoch, 1);
    atomic_store(&initial.memory_limit_bytes, memory_limit);
    atomic_store(&initial.gpu_capacity_bytes, UINT64_C(80) << 30);
    atomic_store(&initial.compute_limit_bp, compute_limit_bp);
    atomic_store(&initial.priority, REGION_PRIORITY_NORMAL);
    initial.board_slot = number;
    memcpy(initial.slice_id, slice->id, sizeof slice->id);
    snprintf(initial.gpu_uuid, sizeof initial.gpu_uuid, "%s", gpu_uuid);
    atomic_store(&initial.tag, region_slice_tag(slice->id, 0));
    snprintf(path, sizeof path, "%s/board/%s", fixture->root, gpu_uuid);
    if (mkdir(path, 0755) != 0 && errno != EEXIST) fixture_fail(path);
    region_line_path(path, sizeof path, fixture->root, gpu_uuid, atomic_load(&initial.tag));
    if (region_line_create(path, atomic_load(&initial.tag), 0644) != 0) fixture_fail(path);
    snprintf(path, sizeof path, "%s/policy/%s", fixture->root, slice->id);
    if (region_policy_create(path, &initial, 0644) != 0 || region_policy_map_rw(path, &slice->policy) != 0)
        fixture_fail(path);
    snprintf(path, sizeof path, "%s/usage/%s", fixture->root, slice->id);
    memcpy(slice->usage_path, path, sizeof slice->usage_path);
    memset(&slice->place, 0, sizeof slice->place);
    if (region_usage_create(slice->usage_path, 0666) != 0 ||
        region_usage_map(slice->usage_path, &slice->usage, &slice->place.file) != 0)
        fixture_fail(slice->usage_path);
    slice->place.usage = slice->usage;
    slice->place.path = slice->usage_path;
}

static inline void fixture_slice(const struct fixture *fixture, struct fixture_slice *slice, unsigned number,
                                 uint64_t memory_limit, uint32_t compute_limit_bp)
{
    fixture_slice_on(fixture, slice, number, memory_limit, compute_limit_bp, FIXTURE_GPU_UUID);
}

/* What the agent does when slices of one GPU change: tells each of the others. */
static inline void fixture_introduce(struct fixture_slice *slices, int count)
{
    for (int to = 0; to < count; to++) {
        for (int of = 0; of < count; of++) {
            const struct region_policy *policy = slices[of].policy;
            uint64_t word =
                REGION_NEIGHBOUR(atomic_load(&policy->tag), atomic_load(&policy->compute_limit_bp),
                                 atomic_load(&policy->compute_guarantee_bp), atomic_load(&policy->priority));
            atomic_store(&slices[to].policy->neighbours[policy->board_slot], to == of ? 0 : word);
        }
        region_policy_announce(slices[to].policy);
    }
}

/* Sums a field over the counted entries of a slice. */
#define FIXTURE_SUM(slice, field)                                                                                     \
    ({                                                                                                                \
        uint64_t fixture_sum = 0;                                                                                     \
        for (unsigned fixture_at = 0; fixture_at < REGION_USAGE_ENTRIES; fixture_at++)                                \
            if (atomic_load(&(slice)->usage->entries[fixture_at].token) != 0)                                         \
                fixture_sum += atomic_load(&(slice)->usage->entries[fixture_at].field);                               \
        fixture_sum;                                                                                                  \
    })

static inline void fixture_environment(const struct fixture *fixture, const char *slices, bool preload)
{
    char text[PATH_MAX];
    setenv(ENV_SIM_DIR, fixture->root, 1);
    setenv(ENV_RUNTIME_DIR, fixture->root, 1);
    if (slices != NULL)
        setenv(ENV_SLICES, slices, 1);
    else
        unsetenv(ENV_SLICES);
    snprintf(text, sizeof text, "%s/sim", fixture->build);
    setenv("LD_LIBRARY_PATH", text, 1);
    if (preload) {
        snprintf(text, sizeof text, "%s/libtranche.so", fixture->build);
        setenv("LD_PRELOAD", text, 1);
    } else {
        unsetenv("LD_PRELOAD");
    }
}

/* Starts argv (argv[0] looked up in BUILD_DIR/sim unless it has a slash) with its output in root/NAME.out. */
static inline pid_t fixture_start(const struct fixture *fixture, const char *slices, bool preload, const char *name,
                                  char *const argv[])
{
    pid_t pid = fork();
    if (pid < 0) fixture_fail("fork");
    if (pid > 0) return pid;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s.out", fixture->root, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0) _exit(126);
    fixture_environment(fixture, slices, preload);
    if (strchr(argv[0], '/') != NULL)
        snprintf(path, sizeof path, "%s", argv[0]);
    else
        snprintf(path, sizeof path, "%s/sim/%s", fixture->build, argv[0]);
    execv(path, argv);
    _exit(127);
}

/* Exit status of a child, or 128 + signal; kills it after the given time. */
static inline int fixture_wait(pid_t pid, int seconds)
{
    int status;
    for (int tick = 0; tick < seconds * 100; tick++) {
        pid_t done = waitpid(pid, &status, WNOHANG);
        if (done == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        usleep(10000); /* the step of a bounded wait, not a guess at a duration */
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return 124;
}

static inline void fixture_output(const struct fixture *fixture, const char *name, char *out, size_t size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s.out", fixture->root, name);
    FILE *file = fopen(path, "r");
    size_t got = file == NULL ? 0 : fread(out, 1, size - 1, file);
    out[got] = 0;
    if (file != NULL) fclose(file);
}

/* The figure after "name": in a program's one line of JSON, -1 if it is not there. */
static inline double fixture_figure(const char *output, const char *name)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    const char *at = strstr(output, quoted);
    return at == NULL ? -1 : strtod(at + strlen(quoted), NULL);
}

#endif
