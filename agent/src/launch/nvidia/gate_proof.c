#include "launch/nvidia/gate_proof.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/now.h"
#include "cuda_min.h"
#include "env.h"
#include "filter.h"
#include "fs.h"
#include "hand_over.h"
#include "supervisor.h"

#define MIB (UINT64_C(1) << 20)
/* The driver hands out memory in pages of 2 MiB; a pool grows by a piece of its own. */
#define PAGE_BYTES (2 * MIB)
#define POOL_PIECE_BYTES (32 * MIB)
#define BLOCK_BYTES (37 * MIB + 4096)
#define PIECE_BYTES (6 * MIB)
#define POOL_BYTES (48 * MIB)
#define MANAGED_BYTES (26 * MIB)
#define ATTACH_GLOBAL 1u /* CU_MEM_ATTACH_GLOBAL */
/* What a context may have loaded meanwhile. */
#define CONTEXT_GROWTH_BYTES (4 * MIB)
#define LIMIT_ROOM_BYTES (64 * MIB)
#define BEYOND_BYTES (32 * MIB)
#define BEYOND_BLOCKS 4

enum step {
    STEP_START,
    STEP_BLOCK,
    STEP_PIECE,
    STEP_POOL,
    STEP_MANAGED,
    STEP_FREE,
    STEP_BEYOND,
    STEP_MANAGED_BEYOND,
    STEP_ALIVE,
    STEP_COUNT
};

static const char *const step_names[] = {[STEP_START] = "a context",
                                         [STEP_BLOCK] = "a block (cuMemAlloc)",
                                         [STEP_PIECE] = "a piece of virtual memory (cuMemCreate)",
                                         [STEP_POOL] = "asynchronous memory (cuMemAllocAsync)",
                                         [STEP_MANAGED] = "managed memory (cuMemAllocManaged)",
                                         [STEP_FREE] = "what was freed",
                                         [STEP_BEYOND] = "more than the limit",
                                         [STEP_MANAGED_BEYOND] = "more managed memory than the limit",
                                         [STEP_ALIVE] = "memory after a refusal"};

/* From the program: a step is done. */
struct word {
    int step, result; /* a CUresult; -1: this driver has no such function */
};

/* ---- the program ------------------------------------------------------------------------------------------ */

struct cuda {
    void *library;
    CUdevice device;
    CUdeviceptr blocks[BEYOND_BLOCKS], pooled, managed;
    CUmemGenericAllocationHandle piece;
};

#define FUNCTION(name, ...) CUresult (*name)(__VA_ARGS__) = (CUresult(*)(__VA_ARGS__))dlsym(cuda->library, #name)

static CUresult start(struct cuda *cuda)
{
    CUcontext context;
    char path[FS_PATH_BYTES];
    const char *directory = getenv(ENV_DRIVER_DIR);
    bool is_named = directory && directory[0] && fs_join(path, directory, "libcuda.so.1") == 0;
    cuda->library = dlopen(is_named ? path : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!cuda->library) return -1;
    FUNCTION(cuInit, unsigned);
    FUNCTION(cuDevicePrimaryCtxRetain, CUcontext *, CUdevice);
    FUNCTION(cuCtxSetCurrent, CUcontext);
    if (!cuInit || !cuDevicePrimaryCtxRetain || !cuCtxSetCurrent) return -1;
    CUresult result = cuInit(0);
    if (result == CUDA_SUCCESS) result = cuDevicePrimaryCtxRetain(&context, cuda->device);
    return result == CUDA_SUCCESS ? cuCtxSetCurrent(context) : result;
}

static CUresult take_block(struct cuda *cuda, int index, size_t bytes)
{
    FUNCTION(cuMemAlloc_v2, CUdeviceptr *, size_t);
    return cuMemAlloc_v2 ? cuMemAlloc_v2(&cuda->blocks[index], bytes) : -1;
}

static CUresult free_blocks(struct cuda *cuda)
{
    CUresult result = CUDA_SUCCESS;
    FUNCTION(cuMemFree_v2, CUdeviceptr);
    for (int i = 0; i < BEYOND_BLOCKS && cuMemFree_v2; i++) {
        if (cuda->blocks[i] != 0 && result == CUDA_SUCCESS) result = cuMemFree_v2(cuda->blocks[i]);
        cuda->blocks[i] = 0;
    }
    return result;
}

static CUresult take_piece(struct cuda *cuda)
{
    CUmemAllocationProp prop;
    memset(&prop, 0, sizeof prop);
    prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    prop.location.id = cuda->device;
    FUNCTION(cuMemCreate, CUmemGenericAllocationHandle *, size_t, const CUmemAllocationProp *, unsigned long long);
    return cuMemCreate ? cuMemCreate(&cuda->piece, PIECE_BYTES, &prop, 0) : -1;
}

static CUresult take_pooled(struct cuda *cuda)
{
    FUNCTION(cuMemAllocAsync, CUdeviceptr *, size_t, CUstream);
    FUNCTION(cuStreamSynchronize, CUstream);
    if (!cuMemAllocAsync || !cuStreamSynchronize) return -1;
    CUresult result = cuMemAllocAsync(&cuda->pooled, POOL_BYTES, NULL);
    return result == CUDA_SUCCESS ? cuStreamSynchronize(NULL) : result;
}

static CUresult take_managed(struct cuda *cuda, size_t bytes)
{
    FUNCTION(cuMemAllocManaged, CUdeviceptr *, size_t, unsigned);
    return cuMemAllocManaged ? cuMemAllocManaged(&cuda->managed, bytes, ATTACH_GLOBAL) : -1;
}

static CUresult free_managed(struct cuda *cuda)
{
    FUNCTION(cuMemFree_v2, CUdeviceptr);
    CUresult result = cuda->managed != 0 && cuMemFree_v2 ? cuMemFree_v2(cuda->managed) : CUDA_SUCCESS;
    cuda->managed = 0;
    return result;
}

static CUresult free_all(struct cuda *cuda)
{
    CUmemoryPool pool;
    FUNCTION(cuMemFreeAsync, CUdeviceptr, CUstream);
    FUNCTION(cuStreamSynchronize, CUstream);
    FUNCTION(cuDeviceGetDefaultMemPool, CUmemoryPool *, CUdevice);
    FUNCTION(cuMemPoolTrimTo, CUmemoryPool, size_t);
    FUNCTION(cuMemRelease, CUmemGenericAllocationHandle);
    CUresult result = free_blocks(cuda);
    if (result == CUDA_SUCCESS) result = free_managed(cuda);
    if (result == CUDA_SUCCESS && cuda->piece != 0) result = cuMemRelease(cuda->piece);
    if (result != CUDA_SUCCESS || cuda->pooled == 0) return result;
    result = cuMemFreeAsync(cuda->pooled, NULL);
    if (result == CUDA_SUCCESS) result = cuStreamSynchronize(NULL);
    if (result == CUDA_SUCCESS) result = cuDeviceGetDefaultMemPool(&pool, cuda->device);
    return result == CUDA_SUCCESS ? cuMemPoolTrimTo(pool, 0) : result;
}

static CUresult go_beyond(struct cuda *cuda)
{
    CUresult result = CUDA_SUCCESS;
    for (int i = 0; i < BEYOND_BLOCKS && result == CUDA_SUCCESS; i++) result = take_block(cuda, i, BEYOND_BYTES);
    return result;
}

static CUresult live_on(struct cuda *cuda)
{
    CUresult result = free_blocks(cuda);
    return result == CUDA_SUCCESS ? take_block(cuda, 0, BEYOND_BYTES) : result;
}

static CUresult take_step(struct cuda *cuda, enum step step)
{
    switch (step) {
    case STEP_START: return start(cuda);
    case STEP_BLOCK: return take_block(cuda, 0, BLOCK_BYTES);
    case STEP_PIECE: return take_piece(cuda);
    case STEP_POOL: return take_pooled(cuda);
    case STEP_MANAGED: return take_managed(cuda, MANAGED_BYTES);
    case STEP_FREE: return free_all(cuda);
    case STEP_BEYOND: return go_beyond(cuda);
    case STEP_MANAGED_BEYOND: return take_managed(cuda, LIMIT_ROOM_BYTES);
    case STEP_ALIVE: return live_on(cuda);
    case STEP_COUNT: break;
    }
    return -1;
}

/* Behind the filter: each step, said when it is done, and the next when it was compared. */
static void be_program(int socket)
{
    struct cuda cuda = {.library = NULL};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int listener = filter_install(false);
    if (hand_over(socket, listener < 0 ? -listener : 0, listener) != 0 || listener < 0) _exit(EXIT_FAILURE);
    close(listener);
    for (int step = STEP_START; step < STEP_COUNT; step++) {
        char go;
        struct word word = {step, take_step(&cuda, (enum step)step)};
        if (send(socket, &word, sizeof word, MSG_NOSIGNAL) != (ssize_t)sizeof word || recv(socket, &go, 1, 0) != 1)
            _exit(EXIT_FAILURE);
    }
    _exit(EXIT_SUCCESS);
}

/* ---- who stands by ---------------------------------------------------------------------------------------- */

struct proof {
    int socket;
    pid_t pid;
    struct supervisor *supervisor;
    uint64_t limit_bytes;
    int64_t deadline_ms;
    uint64_t context_bytes, held_bytes; /* after the first step; after the last */
    char *said;
};

static uint64_t limit_of(void *context)
{
    return ((struct proof *)context)->limit_bytes;
}

static bool say(const struct proof *p, const char *sentence)
{
    snprintf(p->said, GATE_PROOF_BYTES, "%s", sentence);
    return false;
}

/* Answers the program's requests until it has something to say. */
static bool hear(struct proof *p, struct word *word)
{
    for (;;) {
        struct pollfd ready[1 + SUPERVISOR_FDS] = {{.fd = p->socket, .events = POLLIN}};
        nfds_t count = supervisor_watch(p->supervisor, ready + 1);
        int64_t left_ms = p->deadline_ms - now_mono_ms();
        if (left_ms <= 0) return say(p, "The driver did not come to its end within a minute behind the gate.");
        if (poll(ready, 1 + count, (int)left_ms) < 0 && errno != EINTR)
            return say(p, "The gate could not be waited for.");
        supervisor_turn(p->supervisor, ready + 1, count);
        if (ready[0].revents == 0) continue;
        if (recv(p->socket, word, sizeof *word, MSG_DONTWAIT) == (ssize_t)sizeof *word) return true;
        return say(p, "The program that tries the driver ended in the middle of it.");
    }
}

static bool wrong(const struct proof *p, enum step step, const char *what, uint64_t bytes)
{
    snprintf(p->said, GATE_PROOF_BYTES, "Of %s %s: the gate counts %" PRIu64 " KiB, %" PRIu64 " KiB in all.",
             step_names[step], what, bytes >> 10, p->held_bytes >> 10);
    return false;
}

/* What the count has to have grown by; STEP_FREE: to have fallen back to. */
static bool compare(struct proof *p, enum step step, uint64_t before)
{
    static const struct {
        uint64_t least, most;
    } grows[] = {[STEP_BLOCK] = {BLOCK_BYTES, BLOCK_BYTES + PAGE_BYTES},
                 [STEP_PIECE] = {PIECE_BYTES, PIECE_BYTES},
                 [STEP_POOL] = {POOL_BYTES, POOL_BYTES + POOL_PIECE_BYTES + PAGE_BYTES},
                 [STEP_MANAGED] = {MANAGED_BYTES, MANAGED_BYTES + PAGE_BYTES}};
    uint64_t grown = p->held_bytes > before ? p->held_bytes - before : 0;
    switch (step) {
    case STEP_START: return p->held_bytes > 0 || wrong(p, step, "nothing was seen", 0);
    case STEP_BLOCK:
    case STEP_PIECE:
    case STEP_POOL:
    case STEP_MANAGED:
        return (grown >= grows[step].least && grown <= grows[step].most) ||
               wrong(p, step, "not the size was seen", grown);
    case STEP_FREE:
        return p->held_bytes <= p->context_bytes + CONTEXT_GROWTH_BYTES ||
               wrong(p, step, "not all was given back", p->held_bytes - p->context_bytes);
    case STEP_BEYOND:
        return (p->held_bytes <= p->limit_bytes && grown >= BEYOND_BYTES) ||
               wrong(p, step, "not the right part was refused", grown);
    case STEP_MANAGED_BEYOND: return grown == 0 || wrong(p, step, "something was granted", grown);
    default: return true;
    }
}

/* A step is right if its call ended as it should and the count is what it has to be. */
static bool check(struct proof *p, const struct word *word)
{
    enum step step = (enum step)word->step;
    int expected = step == STEP_BEYOND ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
    /* A mapping that the kernel refuses is no answer of the driver's; 580 calls it unknown (999). */
    bool is_refusal = step == STEP_MANAGED_BEYOND && word->result != CUDA_SUCCESS;
    uint64_t before = p->held_bytes, held = 0;
    supervisor_look_now(p->supervisor); /* what was unmapped is not told */
    supervisor_bytes_of(p->supervisor, p->pid, &held);
    p->held_bytes = held;
    if (word->result == -1 && step == STEP_START) return say(p, "There is no libcuda.so.1 to try it with.");
    if (word->result == -1) return true; /* older than that function, which nobody can then use */
    if (word->result != expected && !is_refusal) {
        snprintf(p->said, GATE_PROOF_BYTES, "Asked for %s, the driver answered %d behind the gate, and not %d.",
                 step_names[step], word->result, expected);
        return false;
    }
    if (step == STEP_START) p->context_bytes = held;
    return compare(p, step, before);
}

static bool stand_by(struct proof *p)
{
    char go = 1;
    for (int step = STEP_START; step < STEP_COUNT; step++) {
        struct word word;
        if (!hear(p, &word)) return false;
        if (word.step != step) return say(p, "The program that tries the driver lost its way.");
        if (!check(p, &word)) return false;
        p->limit_bytes = step < STEP_FREE ? GATE_NO_LIMIT : p->context_bytes + CONTEXT_GROWTH_BYTES + LIMIT_ROOM_BYTES;
        if (send(p->socket, &go, 1, MSG_NOSIGNAL) != 1 && step + 1 < STEP_COUNT)
            return say(p, "The program that tries the driver is gone.");
    }
    snprintf(p->said, GATE_PROOF_BYTES,
             "A context of %" PRIu64
             " MiB, blocks, virtual, asynchronous and managed memory were seen, refused beyond a limit, "
             "and given back.",
             p->context_bytes >> 20);
    return true;
}

bool gate_prove(char said[GATE_PROOF_BYTES])
{
    int pair[2], number, listener, status;
    struct proof p = {
        .limit_bytes = GATE_NO_LIMIT, .deadline_ms = now_mono_ms() + GATE_PROOF_MS, .said = said, .socket = -1};
    const struct gate_policy policy = {.context = &p, .limit_bytes = limit_of};
    const struct gate_devices real = GATE_DEVICES_NVIDIA, stand_in = GATE_DEVICES_SIMULATED;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return say(&p, "There is no descriptor left to find out with.");
    p.pid = fork();
    if (p.pid == 0) {
        close(pair[0]);
        be_program(pair[1]);
    }
    close(pair[1]);
    p.socket = pair[0];
    int error = p.pid < 0 ? errno : take_over(pair[0], GATE_PROOF_MS, &number, &listener);
    bool good = error == 0 || say(&p, strerror(error));
    good = good && (listener >= 0 || say(&p, filter_refusal(number)));
    if (good) {
        /* Of a simulated driver; on a real host with that variable, nothing would be seen, and so nothing proved. */
        p.supervisor = supervisor_new(listener, getenv(ENV_SIM_RM_DEVICES) ? &stand_in : &real, &policy);
        good = p.supervisor ? stand_by(&p) : say(&p, strerror(errno));
    }
    if (p.pid > 0) {
        kill(p.pid, SIGKILL);
        while (waitpid(p.pid, &status, 0) < 0 && errno == EINTR) continue;
    }
    if (p.supervisor) supervisor_delete(p.supervisor);
    close(pair[0]);
    return good;
}
