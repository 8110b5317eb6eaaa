#include "sim_state.h"

#include "env.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic(struct sim_state *) mapped;

void sim_directory(char *out, size_t size)
{
    const char *named = getenv(ENV_SIM_DIR);
    if (named && named[0] != 0) {
        snprintf(out, size, "%s", named);
        return;
    }
    snprintf(out, size, "/tmp/tranche-sim-%ld", (long)getuid());
    (void)mkdir(out, 0700);
}

static void state_init(struct sim_state *state, const char *directory)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&state->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    sim_config_load(state, directory);
    state->epoch_ns = sim_real_now();
    /* Virtual time starts where no 0 can be taken for "unset". */
    atomic_store(&state->virtual_now_ns, UINT64_C(1000000000));
    uint64_t start = state->options.virtual_clock ? UINT64_C(1000000000) : state->epoch_ns;
    for (uint32_t gpu = 0; gpu < SIM_GPUS; gpu++) {
        state->gpus[gpu].time_ns = start;
        state->gpus[gpu].window_start_ns = start;
    }
    state->bytes = sizeof *state;
    state->magic = SIM_MAGIC;
}

/* Makes the machine under a private name and links it into place: whoever comes second finds it whole. */
static int state_create(const char *directory, const char *path)
{
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.new-%ld", path, (long)getpid()) >= (int)sizeof temporary) return -1;
    int fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return -1;
    struct sim_state *state = MAP_FAILED;
    if (ftruncate(fd, sizeof *state) == 0) {
        (void)fchmod(fd, 0666);
        state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    close(fd);
    if (state == MAP_FAILED) {
        unlink(temporary);
        return -1;
    }
    state_init(state, directory);
    munmap(state, sizeof *state);
    int result = link(temporary, path) == 0 || errno == EEXIST ? 0 : -1;
    unlink(temporary);
    return result;
}

static struct sim_state *state_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return NULL;
    struct stat status;
    struct sim_state *state = MAP_FAILED;
    if (fstat(fd, &status) == 0 && status.st_size == (off_t)sizeof *state)
        state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (state == MAP_FAILED) return NULL;
    if (state->magic != SIM_MAGIC || state->bytes != sizeof *state) {
        munmap(state, sizeof *state);
        return NULL;
    }
    return state;
}

int sim_lock_file(void)
{
    char directory[PATH_MAX - 16];
    char path[PATH_MAX];
    sim_directory(directory, sizeof directory);
    snprintf(path, sizeof path, "%s/sim.shm", directory);
    return open(path, O_RDWR | O_CLOEXEC);
}

struct sim_state *sim_state(void)
{
    struct sim_state *state = atomic_load(&mapped);
    if (state) return state;
    char directory[PATH_MAX - 16];
    char path[PATH_MAX];
    sim_directory(directory, sizeof directory);
    snprintf(path, sizeof path, "%s/sim.shm", directory);
    state = state_open(path);
    if (!state && access(path, F_OK) != 0 && state_create(directory, path) == 0) state = state_open(path);
    if (!state) return NULL;
    struct sim_state *expected = NULL;
    if (!atomic_compare_exchange_strong(&mapped, &expected, state)) {
        munmap(state, sizeof *state);
        state = expected;
    }
    return state;
}

void sim_lock(struct sim_state *state)
{
    if (pthread_mutex_lock(&state->lock) == EOWNERDEAD) {
        /* Every change under the lock is small; what a killed process left half done, the purge removes with it. */
        pthread_mutex_consistent(&state->lock);
    }
}

void sim_unlock(struct sim_state *state)
{
    pthread_mutex_unlock(&state->lock);
}
