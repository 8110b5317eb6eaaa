/* From environment and files to struct shim, once; and struct process, once per process. This file is the one place
 * that decides between limiting and forwarding: who was put into no slice is forwarded. Who was put into one whose
 * files are missing or broken, or for whom there is no memory or descriptor to open them with, is refused memory as on
 * a full card, until they can be had: no failure of ours is remembered. */

#include "core/shim.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/entry.h"
#include "core/group.h"
#include "core/identity.h"
#include "core/lines.h"
#include "env.h"
#include "life.h"
#include "region.h"
#include "region_file.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18 /* Linux 4.14 */
#endif
#define BUILD_WAITS_MAX 2000 /* moments, together 0.1 s: then this one call is refused */

static struct shim passive; /* its address says: looked, and there is nothing to do */
/* What is used for once where the real ones cannot be made. Without initializers: pages that nobody touches. */
static struct shim nothing_mapped;
static struct process refusing;
static _Atomic(struct shim *) current;

_Atomic(struct shim_fork_page *) shim_fork_page;
_Atomic uint32_t shim_fork_page_pid;

static bool id_is_plain(const char *id)
{
    size_t length = strlen(id);
    for (const char *at = id; *at != 0; at++)
        if (!isalnum((unsigned char)*at) && *at != '-' && *at != '_') return false; /* it becomes part of a path */
    return length > 0 && length < REGION_ID_BYTES;
}

static bool map_slice(struct shim_slice *slice, const char *directory, const char *id)
{
    char path[PATH_MAX];
    *slice = (struct shim_slice){.policy = NULL};
    if (!id_is_plain(id) || snprintf(path, sizeof path, "%s/policy/%s", directory, id) >= (int)sizeof path ||
        region_policy_map_ro(path, &slice->policy) != 0)
        return false;
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
    if (strchr(uuid, '/') || length < 0 || length >= (int)sizeof slice->board_path) slice->board_path[0] = 0;
    return true;
}

/* true: one slice more, at the place of slice_count, which is for the caller to raise when its other parts are there. */
static bool map_missing(struct shim *shim, unsigned at)
{
    char *id = shim->missing_ids[at].id;
    if (id[0] == 0 || !map_slice(&shim->slices[shim->slice_count], shim->directory, id)) return false;
    id[0] = 0;
    atomic_fetch_sub(&shim->missing, 1);
    return true;
}

/* Beside others only with some of the GPU's multiprocessors: GPU time is their part times the time. */
static uint32_t part_of_environment(void)
{
    const char *text = getenv(ENV_CONCURRENT);
    long percent = !text ? 100 : strtol(text, NULL, 10);
    return percent >= 1 && percent <= 100 ? (uint32_t)percent * 100 : 10000;
}

static struct shim *build(void)
{
    const char *ids = getenv(ENV_SLICES);
    const char *directory = getenv(ENV_RUNTIME_DIR);
    const char *disabled = getenv(ENV_DISABLE);
    if (!ids || ids[0] == 0 || (disabled && strcmp(disabled, "1") == 0)) return &passive;

    struct shim *shim = mmap(NULL, sizeof *shim, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (shim == MAP_FAILED) return NULL;
    bool usable = directory && directory[0] == '/' && strlen(directory) < sizeof shim->directory;
    if (usable) strcpy(shim->directory, directory);
    while (*ids != 0) {
        size_t length = strcspn(ids, ",");
        shim->missing += length > 0;
        if (length > 0 && length < REGION_ID_BYTES && usable && shim->missing_count < SHIM_SLICES)
            memcpy(shim->missing_ids[shim->missing_count++].id, ids, length);
        ids += length;
        ids += *ids == ',';
    }
    shim->missing += shim->missing == 0; /* nothing but commas names a slice, too */
    for (unsigned at = 0; at < shim->missing_count; at++) shim->slice_count += map_missing(shim, at);
    shim->group = group_of_environment();
    shim->counts_bp = part_of_environment();
    const char *gated = getenv(ENV_GATED);
    atomic_store(&shim->is_gated, gated && strcmp(gated, "1") == 0);
    return shim;
}

void shim_come_behind_gate(const struct shim *shim)
{
    struct shim *ours = atomic_load_explicit(&current, memory_order_acquire);
    if (ours == shim && ours != &passive) atomic_store(&ours->is_gated, true);
}

const struct shim *shim_get(void)
{
    struct shim *shim = atomic_load_explicit(&current, memory_order_acquire);
    if (!shim) {
        struct shim *built = build();
        if (!built) {
            atomic_store(&nothing_mapped.missing, 1);
            return &nothing_mapped;
        }
        if (!atomic_compare_exchange_strong(&current, &shim, built)) {
            if (built != &passive) munmap(built, sizeof *built);
        } else {
            shim = built;
        }
    }
    return shim == &passive ? NULL : shim;
}

static struct shim_fork_page *page_get(void)
{
    struct shim_fork_page *page = atomic_load_explicit(&shim_fork_page, memory_order_acquire);
    if (page) return page;
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return NULL;
    if (madvise(page, 4096, MADV_WIPEONFORK) != 0) atomic_store(&shim_fork_page_pid, (uint32_t)getpid());
    struct shim_fork_page *expected = NULL;
    if (!atomic_compare_exchange_strong(&shim_fork_page, &expected, page)) {
        munmap(page, 4096);
        page = expected;
    }
    return page;
}

static void add_slice(struct process *process, unsigned index)
{
    const struct shim_slice *slice = &process->shim->slices[index];
    process->places[index] =
        (struct life_place){slice->usage, slice->usage_path, slice->usage_file, life_pid_namespace()};
    atomic_store(&process->meters[index].contest.alone, 1);
    process->meters[index].contest.lines = &process->lines[index];
    process->limits[index] = &slice->policy->compute_limit_bp;
    (void)shim_entry_slow(process, index); /* none: asked for again when memory is */
    lines_open_own(&process->lines[index], slice, shim_now());
}

bool shim_complete(struct process *process)
{
    struct shim *shim = (struct shim *)(uintptr_t)process->shim; /* ours to change, and nobody else's */
    int state;
    if (atomic_load(&shim->missing) == 0 || shim == &nothing_mapped || atomic_exchange(&shim->completing, 1) != 0)
        return false;
    unsigned before = shim->slice_count;
    int saved = errno;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* who ended here would leave it to nobody */
    for (unsigned at = 0; at < shim->missing_count; at++) {
        unsigned index = shim->slice_count;
        if (map_missing(shim, at)) {
            add_slice(process, index);
            atomic_store(&shim->slice_count, index + 1);
        }
    }
    (void)pthread_setcancelstate(state, NULL);
    errno = saved;
    unsigned after = shim->slice_count;
    atomic_store(&shim->completing, 0);
    return after > before;
}

static struct process *process_build(const struct shim *shim)
{
    struct process *process =
        mmap(NULL, sizeof *process, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (process == MAP_FAILED) return NULL;
    process->shim = shim;
    process->pid = (uint32_t)getpid();
    process->token = shim_token(process);
    atomic_store(&((struct shim *)(uintptr_t)shim)->completing, 0); /* a parent's thread may have been at it */
    for (unsigned index = 0; index < shim->slice_count; index++) add_slice(process, index);
    return process;
}

static struct process *refuse(void)
{
    atomic_store(&nothing_mapped.missing, 1);
    refusing.shim = &nothing_mapped;
    return &refusing;
}

struct process *shim_process_slow(void)
{
    const struct shim *shim = shim_get();
    struct shim_fork_page *page = !shim ? NULL : page_get();
    if (!page || shim == &nothing_mapped) return !shim ? NULL : refuse();
    uint32_t compared = atomic_load_explicit(&shim_fork_page_pid, memory_order_relaxed);
    if (compared != 0 && compared != (uint32_t)getpid()) {
        atomic_store(&page->process, NULL); /* a child; its copy of the page is its own */
        atomic_store(&page->building, 0);
        atomic_store(&shim_fork_page_pid, (uint32_t)getpid());
    }
    struct process *process = atomic_load_explicit(&page->process, memory_order_acquire);
    for (int waits = 0; !process && waits < BUILD_WAITS_MAX; waits++) {
        if (atomic_exchange(&page->building, 1) == 0) {
            process = process_build(shim);
            atomic_store_explicit(&page->process, process, memory_order_release);
            atomic_store(&page->building, !process ? 0 : 1);
            return !process ? refuse() : process;
        }
        shim_sleep_a_moment();
        process = atomic_load_explicit(&page->process, memory_order_acquire);
    }
    return !process ? refuse() : process;
}
