/* For tests of the simulated driver's memory: each case in a process of its own on a machine of its own, where needed
 * with a partner process, and the physical bytes as NVML tells them. */
#ifndef TRANCHE_TEST_SIM_DRIVER_H
#define TRANCHE_TEST_SIM_DRIVER_H

#include "check.h"
#include "cuda_min.h"
#include "nvml_min.h"
#include "region_fixture.h"

#include <dlfcn.h>
#include <sys/socket.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define KIB (UINT64_C(1) << 10)
#define CONTEXT_BYTES (300 * MIB) /* the simulated machine's default */

/* X(name, parameters) for what a test calls; MEMBERS declares the pointers, LOAD_ALL fills them. */
#define MEMBER(name, parameters) static CUresult(*name) parameters;
#define LOAD(name, parameters)                                                                                        \
    name = (CUresult(*) parameters)dlsym(driver_library, #name);                                                      \
    if (name == NULL) {                                                                                               \
        fixture_fail(#name);                                                                                          \
    }

#define DRIVER_BASICS(X)                                                                                              \
    X(cuInit, (unsigned flags))                                                                                       \
    X(cuDevicePrimaryCtxRetain, (CUcontext * context, CUdevice device))                                               \
    X(cuDevicePrimaryCtxRelease_v2, (CUdevice device))                                                                \
    X(cuCtxSetCurrent, (CUcontext context))                                                                           \
    X(cuCtxSynchronize, (void))                                                                                       \
    X(cuStreamCreate, (CUstream * out, unsigned flags))                                                               \
    X(cuStreamSynchronize, (CUstream stream))                                                                         \
    X(cuMemAlloc_v2, (CUdeviceptr * out, size_t bytes))                                                               \
    X(cuMemFree_v2, (CUdeviceptr address))                                                                            \
    X(cuModuleLoadData, (CUmodule * out, const void *image))                                                          \
    X(cuModuleGetFunction, (CUfunction * out, CUmodule module, const char *name))                                     \
    X(cuLaunchKernel, (CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,          \
                       unsigned bz, unsigned shared, CUstream stream, void **parameters, void **extra))
DRIVER_BASICS(MEMBER)

static struct fixture driver_fixture;
static void *driver_library;
static void *driver_nvml;
static CUfunction driver_spin;
static int driver_link[2]; /* to the partner */
static bool driver_is_partner;
static void (*driver_prepare)(void); /* before the driver is opened; NULL: nothing */

#define DRIVER_NVML(name) ((nvmlReturn_t(*)())dlsym(driver_nvml, #name))

static inline void *driver_open(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/sim/%s", driver_fixture.build, name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return library;
}

/* Opens the driver and makes device 0 current. */
static inline void driver_enter(void)
{
    CUcontext context;
    driver_library = driver_open("libcuda.so.1");
    driver_nvml = driver_open("libnvidia-ml.so.1");
    DRIVER_BASICS(LOAD)
    CHECK_EQ(DRIVER_NVML(nvmlInit_v2)(), NVML_SUCCESS);
    CHECK_EQ(cuInit(0), CUDA_SUCCESS);
    CHECK_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSetCurrent(context), CUDA_SUCCESS);
}

/* Physical bytes of a process on a GPU; 0 if it is not there. */
static inline uint64_t driver_held_by(pid_t pid, unsigned gpu)
{
    nvmlDevice_t device;
    nvmlProcessInfo_t infos[16];
    unsigned count = 16;
    DRIVER_NVML(nvmlDeviceGetHandleByIndex_v2)(gpu, &device);
    if (DRIVER_NVML(nvmlDeviceGetComputeRunningProcesses_v3)(device, &count, infos) != NVML_SUCCESS) return UINT64_MAX;
    for (unsigned at = 0; at < count; at++)
        if ((pid_t)infos[at].pid == pid) return infos[at].usedGpuMemory;
    return 0;
}

/* Ours on GPU 0, beyond the context. */
static inline uint64_t driver_held(void)
{
    return driver_held_by(getpid(), 0) - CONTEXT_BYTES;
}

static inline uint64_t driver_used(unsigned gpu)
{
    nvmlDevice_t device;
    nvmlMemory_v2_t memory = {.version = NVML_MEMORY_V2};
    DRIVER_NVML(nvmlDeviceGetHandleByIndex_v2)(gpu, &device);
    CHECK_EQ(DRIVER_NVML(nvmlDeviceGetMemoryInfo_v2)(device, &memory), NVML_SUCCESS);
    return memory.used;
}

/* GPU work of about that long, in virtual time. */
static inline void driver_work(CUstream stream, uint64_t nanoseconds)
{
    void *parameters[] = {&nanoseconds};
    if (driver_spin == NULL) {
        CUmodule module;
        CHECK_EQ(cuModuleLoadData(&module, "image"), CUDA_SUCCESS);
        CHECK_EQ(cuModuleGetFunction(&driver_spin, module, "spin"), CUDA_SUCCESS);
    }
    CHECK_EQ(cuLaunchKernel(driver_spin, 1, 1, 1, 32, 1, 1, 0, stream, parameters, NULL), CUDA_SUCCESS);
}

/* ---- between a case and its partner: bytes, and a descriptor where one goes along ---- */

static inline void driver_send(const void *bytes, size_t count, int fd)
{
    struct iovec part = {(void *)bytes, count};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control.room;
        message.msg_controllen = sizeof control.room;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        *header = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    CHECK_EQ(sendmsg(driver_link[driver_is_partner], &message, 0), count);
}

/* Returns the descriptor that came along, or -1. */
static inline int driver_receive(void *bytes, size_t count)
{
    struct iovec part = {bytes, count};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    int fd = -1;
    CHECK_EQ(recvmsg(driver_link[driver_is_partner], &message, 0), count);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

/* The two take turns: what the other did up to here has happened. */
static inline void driver_turn(void)
{
    char word = 0;
    driver_send(&word, 1, -1);
    (void)driver_receive(&word, 1);
}

/* ---- the outside ---- */

struct driver_case {
    const char *name;
    const char *conf;
    void (*test)(void);
    void (*partner)(void); /* NULL: alone */
};

static inline pid_t driver_start(const struct driver_case *one, bool partner)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        setenv(ENV_SIM_DIR, driver_fixture.root, 1);
        check_name = one->name;
        check_failures_here = 0;
        driver_is_partner = partner;
        close(driver_link[!partner]);
        if (driver_prepare != NULL) driver_prepare();
        driver_enter();
        if (one->partner != NULL) driver_turn(); /* both contexts are there before anything is counted */
        (partner ? one->partner : one->test)();
        fflush(stdout);
        exit(check_failures_here != 0);
    }
    return pid;
}

static inline int driver_cases(const struct driver_case *cases, size_t count)
{
    check_needs_build();
    for (size_t at = 0; at < count; at++) {
        fixture_open(&driver_fixture, cases[at].conf);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, driver_link) != 0) fixture_fail("socketpair");
        pid_t partner = cases[at].partner == NULL ? -1 : driver_start(&cases[at], true);
        int status = fixture_wait(driver_start(&cases[at], false), 60);
        close(driver_link[0]);
        close(driver_link[1]);
        status |= partner < 0 ? 0 : fixture_wait(partner, 60);
        printf("%s %s\n", status == 0 ? "PASS" : "FAIL", cases[at].name);
        check_failures += status != 0;
        fixture_close(&driver_fixture);
    }
    return check_done();
}

#endif
