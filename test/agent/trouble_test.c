/* System calls of the shim's own fail, one kind after the other: from before the context is made, or from after the first
 * allocation. The limit holds, the program lives, and it is told nothing but what a driver says. Then limits of the
 * process itself: no descriptors, no file size; and what was refused for want of them is granted when they are back.
 * build: agent/common/region_file.c
 * needs: native
 * sanitize: none */
#include "check.h"
#include "cuda_min.h"
#include "program.h"

#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define STEP (UINT64_C(32) << 20)
#define LIMIT (UINT64_C(512) << 20)
#define TRIES 40

static CUresult (*cuInit)(unsigned);
static CUresult (*cuDevicePrimaryCtxRetain)(CUcontext *, CUdevice);
static CUresult (*cuCtxSetCurrent)(CUcontext);
static CUresult (*cuMemAlloc_v2)(CUdeviceptr *, size_t);
static CUresult (*cuMemFree_v2)(CUdeviceptr);
static CUresult (*cuMemGetInfo_v2)(size_t *, size_t *);

static void let_fail(void);

static void enter(void)
{
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (cuda == NULL) fixture_fail("libcuda.so.1");
#define FIND(name) *(void **)&name = dlsym(cuda, #name)
    FIND(cuInit);
    FIND(cuDevicePrimaryCtxRetain);
    FIND(cuCtxSetCurrent);
    FIND(cuMemAlloc_v2);
    FIND(cuMemFree_v2);
    FIND(cuMemGetInfo_v2);
    if (strcmp(check_name, "fails_from_the_beginning") == 0) let_fail();
    CHECK_EQ(cuInit(0), CUDA_SUCCESS);
}

static void make_context(void)
{
    CUcontext context = NULL;
    CHECK_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSetCurrent(context), CUDA_SUCCESS);
}

/* From now on this system call fails. */
static void let_fail(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)atoi(getenv("TEST_CALL")), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)atoi(getenv("TEST_ERRNO"))),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        fixture_fail("seccomp");
}

/* Takes blocks until the slice is full; how many bytes. */
static uint64_t fill(void)
{
    uint64_t got = 0;
    for (int at = 0; at < TRIES; at++) {
        CUdeviceptr address;
        size_t free_bytes, total;
        CUresult result = cuMemAlloc_v2(&address, STEP);
        CHECK_THAT(result == CUDA_SUCCESS || result == CUDA_ERROR_OUT_OF_MEMORY, "result %d", result);
        got += result == CUDA_SUCCESS ? STEP : 0;
        CHECK_EQ(cuMemGetInfo_v2(&free_bytes, &total), CUDA_SUCCESS);
        CHECK_THAT(total <= LIMIT, "total %zu", total);
    }
    return got;
}

/* Only for calls that the simulated driver itself can do without. */
static void fails_from_the_beginning(void)
{
    make_context();
    CHECK_EQ(fill(), LIMIT);
}

static void fails_from_the_context_on(void)
{
    let_fail();
    make_context();
    CHECK_EQ(fill(), LIMIT);
}

static void fails_later(void)
{
    CUdeviceptr address;
    make_context();
    CHECK_EQ(cuMemAlloc_v2(&address, STEP), CUDA_SUCCESS);
    let_fail();
    CHECK_EQ(fill(), LIMIT - STEP);
    CHECK_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
    CHECK_EQ(fill(), STEP);
}

static void set_limit(int which, rlim_t soft)
{
    struct rlimit limit;
    CHECK_EQ(getrlimit(which, &limit), 0);
    limit.rlim_cur = soft == RLIM_INFINITY ? limit.rlim_max : soft;
    CHECK_EQ(setrlimit(which, &limit), 0);
}

static void no_descriptors(void)
{
    set_limit(RLIMIT_NOFILE, 0);
    make_context();
    CHECK_EQ(fill(), LIMIT);
}

/* The driver was initialized while the slice could not be joined: refused, and granted once it can. */
static void no_descriptors_at_first(void)
{
    CUcontext context;
    char path[PATH_MAX], hidden[PATH_MAX];
    snprintf(path, sizeof path, "%s/usage/%s", getenv(ENV_RUNTIME_DIR), getenv(ENV_SLICES));
    snprintf(hidden, sizeof hidden, "%s/hidden", getenv(ENV_RUNTIME_DIR));
    CHECK_EQ(rename(hidden, path), 0); /* it was away when cuInit was called */
    set_limit(RLIMIT_NOFILE, 0);
    CHECK_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_ERROR_OUT_OF_MEMORY);
    set_limit(RLIMIT_NOFILE, 256);
    make_context();
    CHECK_EQ(fill(), LIMIT);
}

static void no_file_size(void)
{
    set_limit(RLIMIT_FSIZE, 0);
    make_context();
    CHECK_EQ(fill(), LIMIT);
}

static const struct program programs[] = {
    PROGRAM(fails_from_the_beginning), PROGRAM(fails_from_the_context_on), PROGRAM(fails_later),
    PROGRAM(no_descriptors),           PROGRAM(no_descriptors_at_first),   PROGRAM(no_file_size),
};
#define PROGRAMS (sizeof programs / sizeof programs[0])

/* ---- outside ---- */

static struct fixture fixture;
static unsigned slices;

static void check_with(const char *program)
{
    struct fixture_slice slice, neighbour;
    fixture_slice(&fixture, &slice, slices, LIMIT, 5000);
    fixture_slice(&fixture, &neighbour, slices + 1, LIMIT, 5000);
    slices = (slices + 2) % REGION_BOARD_SLOTS;
    struct fixture_slice both[2] = {slice, neighbour};
    fixture_introduce(both, 2);
    if (strcmp(program, "no_descriptors_at_first") == 0) {
        char hidden[PATH_MAX];
        snprintf(hidden, sizeof hidden, "%s/hidden", fixture.root);
        CHECK_EQ(rename(slice.usage_path, hidden), 0);
    }
    program_again(&fixture, slice.id, true, program);
    region_policy_unmap(slice.policy);
    region_usage_unmap(slice.usage);
    region_policy_unmap(neighbour.policy);
    region_usage_unmap(neighbour.usage);
}

/* What the shim does of its own in a program that allocates. */
static const struct trouble {
    const char *name;
    int call;
    int error;
} troubles[] = {
    {"openat: EMFILE", SYS_openat, EMFILE},
    {"openat: ENFILE", SYS_openat, ENFILE},
    {"openat: EACCES", SYS_openat, EACCES},
    {"fcntl: EINVAL", SYS_fcntl, EINVAL},
    {"fcntl: EPERM", SYS_fcntl, EPERM},
    {"fcntl: ENOLCK", SYS_fcntl, ENOLCK},
    {"fstat: EPERM", SYS_fstat, EPERM},
    {"newfstatat: EPERM", SYS_newfstatat, EPERM},
    {"pread64: EIO", SYS_pread64, EIO},
    {"madvise: EINVAL", SYS_madvise, EINVAL},
    {"process_vm_readv: EPERM", SYS_process_vm_readv, EPERM},
    {"process_vm_readv: ENOSYS", SYS_process_vm_readv, ENOSYS},
    {"kill: EPERM", SYS_kill, EPERM},
    {"sched_yield: ENOSYS", SYS_sched_yield, ENOSYS},
};

static void each_system_call_in_turn(void)
{
    for (size_t at = 0; at < sizeof troubles / sizeof troubles[0]; at++) {
        char number[16];
        int before = check_failures_here;
        snprintf(number, sizeof number, "%d", troubles[at].call);
        setenv("TEST_CALL", number, 1);
        snprintf(number, sizeof number, "%d", troubles[at].error);
        setenv("TEST_ERRNO", number, 1);
        if (troubles[at].call == SYS_fcntl || troubles[at].call == SYS_madvise) check_with("fails_from_the_beginning");
        check_with("fails_from_the_context_on");
        check_with("fails_later");
        if (check_failures_here != before) printf("     that was %s\n", troubles[at].name);
    }
}

static void limits_of_the_process(void)
{
    check_with("no_descriptors");
    check_with("no_descriptors_at_first");
    check_with("no_file_size");
}

int main(int argc, char **argv)
{
    if (argc == 2) return program_inside(programs, PROGRAMS, argv[1], enter);
    check_needs_build();
    fixture_open(&fixture, "");
    RUN(limits_of_the_process);
    RUN(each_system_call_in_turn);
    fixture_close(&fixture);
    return check_done();
}
