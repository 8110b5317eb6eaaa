/* From environment and files to struct shim, once; and struct process, once per process. This file is the one place
 * that decides between limiting and forwarding: whatever is missing, foreign or broken means forward. */
#define _GNU_SOURCE

#include "shim.h"

#include "admit.h"
#include "env.h"
#include "group.h"
#include "region_file.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18 /* Linux 4.14 */
#endif
#define BUILD_WAIT_NS 50000L
#define BUILD_WAITS_MAX 2000 /* together 0.1 s: then this one call is forwarded */

static struct shim passive; /* its address says: looked, and there is nothing to do */
static _Atomic(struct shim *) current;

_Atomic(struct shim_fork_page *) shim_fork_page;
_Atomic uint32_t shim_fork_page_pid;

static bool id_is_plain(const char *id)
{
    size_t length = strlen(id);
    for (const char *at = id; *at != 0; at++) {
        if (!isalnum((unsigned char)*at) && *at != '-' && *at != '_') {
            return false; /* it becomes part of a path */
        }
    }
    return length > 0 && length < REGION_ID_BYTES;
}

static bool map_slice(struct shim_slice *slice, const char *directory, const char *id)
{
    char path[PATH_MAX];
    *slice = (struct shim_slice){.policy = NULL};
    if (!id_is_plain(id) || snprintf(path, sizeof path, "%s/policy/%s", directory, id) >= (int)sizeof path ||
        region_policy_map_ro(path, &slice->policy) != 0) {
        return false;
    }
    int length = snprintf(slice->usage_path, sizeof slice->usage_path, "%s/usage/%s", directory, id);
    if (length >= (int)sizeof slice->usage_path ||
        region_usage_map(slice->usage_path, &slice->usage, &slice->usage_file) != 0) {
        region_policy_unmap(slice->policy);
        return false;
    }
    char uuid[REGION_UUID_BYTES];
    memcpy(uuid, slice->policy->gpu_uuid, sizeof uuid);
    uuid[sizeof uuid - 1] = 0;
    length = snprintf(slice->board_path, sizeof slice->board_path, "%s/board/%s", directory, uuid);
    if (strchr(uuid, '/') != NULL || length < 0 || length >= (int)sizeof slice->board_path) {
        slice->board_path[0] = 0;
    }
    return true;
}

static void unmap_slices(struct shim *shim)
{
    for (unsigned index = 0; index < shim->slice_count; index++) {
        region_policy_unmap(shim->slices[index].policy);
        region_usage_unmap(shim->slices[index].usage);
    }
}

/* Beside others only with some of the GPU's multiprocessors: GPU time is their part times the time. */
static uint32_t part_of_environment(void)
{
    const char *text = getenv(ENV_CONCURRENT);
    long percent = text == NULL ? 100 : strtol(text, NULL, 10);
    return percent >= 1 && percent <= 100 ? (uint32_t)percent * 100 : 10000;
}

static struct shim *build(void)
{
    const char *ids = getenv(ENV_SLICES);
    const char *directory = getenv(ENV_RUNTIME_DIR);
    const char *disabled = getenv(ENV_DISABLE);
    if (ids == NULL || ids[0] == 0 || directory == NULL || directory[0] != '/' ||
        (disabled != NULL && strcmp(disabled, "1") == 0)) {
        return &passive;
    }
    struct shim *shim = mmap(NULL, sizeof *shim, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (shim == MAP_FAILED) {
        return &passive;
    }
    while (*ids != 0 && shim->slice_count < SHIM_SLICES) {
        char id[REGION_ID_BYTES];
        size_t length = strcspn(ids, ",");
        if (length < sizeof id) {
            memcpy(id, ids, length);
            id[length] = 0;
            shim->slice_count += map_slice(&shim->slices[shim->slice_count], directory, id);
        }
        ids += length;
        ids += *ids == ',';
    }
    shim->group = group_of_environment();
    shim->counts_bp = part_of_environment();
    if (shim->slice_count == 0) {
        munmap(shim, sizeof *shim);
        return &passive;
    }
    return shim;
}

const struct shim *shim_get(void)
{
    struct shim *shim = atomic_load_explicit(&current, memory_order_acquire);
    if (shim == NULL) {
        struct shim *built = build();
        if (!atomic_compare_exchange_strong(&current, &shim, built)) {
            if (built != &passive) {
                unmap_slices(built);
                munmap(built, sizeof *built);
            }
        } else {
            shim = built;
        }
    }
    return shim == &passive ? NULL : shim;
}

static struct shim_fork_page *page_get(void)
{
    struct shim_fork_page *page = atomic_load_explicit(&shim_fork_page, memory_order_acquire);
    if (page != NULL) {
        return page;
    }
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return NULL;
    }
    if (madvise(page, 4096, MADV_WIPEONFORK) != 0) {
        atomic_store(&shim_fork_page_pid, (uint32_t)getpid());
    }
    struct shim_fork_page *expected = NULL;
    if (!atomic_compare_exchange_strong(&shim_fork_page, &expected, page)) {
        munmap(page, 4096);
        page = expected;
    }
    return page;
}

uint64_t shim_token(uint32_t pid)
{
    uint64_t start = admit_start_ticks(pid, NULL);
    /* A start time that cannot be read for want of a descriptor can be later; without /proc it never can. */
    bool later = start == 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM);
    return later ? 0 : admit_token(pid, start);
}

static struct process *process_build(const struct shim *shim)
{
    struct process *process =
        mmap(NULL, sizeof *process, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (process == MAP_FAILED) {
        return NULL;
    }
    process->shim = shim;
    process->pid = (uint32_t)getpid();
    process->token = shim_token(process->pid);
    uint64_t now = shim_now();
    uint64_t pid_namespace = life_pid_namespace();
    for (unsigned index = 0; index < shim->slice_count; index++) {
        const struct shim_slice *slice = &shim->slices[index];
        process->places[index] =
            (struct life_place){slice->usage, slice->usage_path, slice->usage_file, pid_namespace};
        atomic_store(&process->meters[index].contest.alone, 1);
        process->meters[index].contest.lines = &process->lines[index];
        process->limits[index] = &slice->policy->compute_limit_bp;
        (void)shim_entry_slow(process, index); /* none: asked for again when memory is */
        lines_open_own(&process->lines[index], slice, now);
    }
    return process;
}

void shim_sleep_a_moment(void)
{
    struct timespec span = {0, BUILD_WAIT_NS};
    nanosleep(&span, NULL);
}

struct process *shim_process_slow(void)
{
    const struct shim *shim = shim_get();
    struct shim_fork_page *page = shim == NULL ? NULL : page_get();
    if (page == NULL) {
        return NULL;
    }
    uint32_t compared = atomic_load_explicit(&shim_fork_page_pid, memory_order_relaxed);
    if (compared != 0 && compared != (uint32_t)getpid()) {
        atomic_store(&page->process, NULL); /* a child; its copy of the page is its own */
        atomic_store(&page->building, 0);
        atomic_store(&shim_fork_page_pid, (uint32_t)getpid());
    }
    struct process *process = atomic_load_explicit(&page->process, memory_order_acquire);
    for (int waits = 0; process == NULL && waits < BUILD_WAITS_MAX; waits++) {
        if (atomic_exchange(&page->building, 1) == 0) {
            process = process_build(shim);
            atomic_store_explicit(&page->process, process, memory_order_release);
            atomic_store(&page->building, process == NULL ? 0 : 1);
            return process;
        }
        shim_sleep_a_moment();
        process = atomic_load_explicit(&page->process, memory_order_acquire);
    }
    return process;
}
