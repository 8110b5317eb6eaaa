/* The requests for memory that the simulated driver makes of the kernel: what is asked is what NVML shows for the process,
 * by every route; a refusal is out of memory and leaves nothing; what is given back has the number it was given under.
 *
 * Each request reaches the real kernel, on links to /dev/null and /dev/zero that stand for the driver's devices, and is
 * read here on its way, by an ioctl() of our own, at NVIDIA's offsets and not by the simulator's structures.
 * build: agent/common/region_file.c
 * flags: -rdynamic
 * sanitize: none
 * needs: native
 */
#include "sim_driver.h"

#include <dirent.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#define DRIVER(X)                                                                                                     \
    X(cuMemAlloc, (CUdeviceptr_v1 * out, unsigned bytes))                                                             \
    X(cuMemFree, (CUdeviceptr_v1 address))                                                                            \
    X(cuMemAllocPitch_v2, (CUdeviceptr * out, size_t * pitch, size_t width, size_t height, unsigned element))         \
    X(cuMemAllocManaged, (CUdeviceptr * out, size_t bytes, unsigned flags))                                           \
    X(cuMemAllocAsync, (CUdeviceptr * out, size_t bytes, CUstream stream))                                            \
    X(cuMemAllocFromPoolAsync, (CUdeviceptr * out, size_t bytes, CUmemoryPool pool, CUstream stream))                 \
    X(cuMemFreeAsync, (CUdeviceptr address, CUstream stream))                                                         \
    X(cuDeviceGetDefaultMemPool, (CUmemoryPool * out, CUdevice device))                                               \
    X(cuMemPoolCreate, (CUmemoryPool * out, const CUmemPoolProps *props))                                             \
    X(cuMemPoolDestroy, (CUmemoryPool pool))                                                                          \
    X(cuMemPoolTrimTo, (CUmemoryPool pool, size_t keep))                                                              \
    X(cuMemPoolSetAttribute, (CUmemoryPool pool, int attribute, void *value))                                         \
    X(cuArray3DCreate_v2, (CUarray * out, const CUDA_ARRAY3D_DESCRIPTOR *descriptor))                                 \
    X(cuArrayDestroy, (CUarray array))                                                                                \
    X(cuMipmappedArrayCreate, (CUmipmappedArray * out, const CUDA_ARRAY3D_DESCRIPTOR *descriptor, unsigned levels))   \
    X(cuMipmappedArrayDestroy, (CUmipmappedArray array))                                                              \
    X(cuMemCreate,                                                                                                    \
      (CUmemGenericAllocationHandle * out, size_t bytes, const CUmemAllocationProp *prop, unsigned long long flags))  \
    X(cuMemRelease, (CUmemGenericAllocationHandle handle))                                                            \
    X(cuStreamBeginCapture_v2, (CUstream stream, int mode))                                                           \
    X(cuStreamEndCapture, (CUstream stream, CUgraph * out))                                                           \
    X(cuGraphInstantiateWithFlags, (CUgraphExec * out, CUgraph graph, unsigned long long flags))                      \
    X(cuGraphUpload, (CUgraphExec exec, CUstream stream))                                                             \
    X(cuGraphLaunch, (CUgraphExec exec, CUstream stream))                                                             \
    X(cuDeviceGraphMemTrim, (CUdevice device))                                                                        \
    X(cuCtxCreate_v2, (CUcontext * out, unsigned flags, CUdevice device))                                             \
    X(cuCtxDestroy_v2, (CUcontext context))                                                                           \
    X(cuCtxSetLimit, (int limit, size_t value))                                                                       \
    X(cuDeviceGetDevResource, (CUdevice device, CUdevResource * resource, int type))                                  \
    X(cuDevResourceGenerateDesc, (CUdevResourceDesc * out, CUdevResource * resources, unsigned count))                \
    X(cuGreenCtxCreate, (CUgreenCtx * out, CUdevResourceDesc description, CUdevice device, unsigned flags))           \
    X(cuGreenCtxDestroy, (CUgreenCtx context))                                                                        \
    X(cuModuleUnload, (CUmodule module))                                                                              \
    X(cuIpcGetMemHandle, (CUipcMemHandle * out, CUdeviceptr address))                                                 \
    X(cuIpcOpenMemHandle, (CUdeviceptr * out, CUipcMemHandle handle, unsigned flags))                                 \
    X(cuIpcCloseMemHandle, (CUdeviceptr address))
DRIVER(MEMBER)

/* ---- the kernel's side ------------------------------------------------------------------------------------- */

#define NUMBER_FREE 0x29
#define NUMBER_ALLOC 0x2b
#define CLASS_MEMORY 0x40
#define CLASS_CLIENT 0x41
#define CLASS_DEVICE 0x80
#define CLASS_SUBDEVICE 0x2080
#define NO_MEMORY 0x51
#define OBJECTS 256
#define GPUS 2 /* that are looked at */
#define NOBODY UINT32_MAX

struct object {
    uint32_t number, parent, class, gpu;
    uint64_t bytes;
};

/* What one process asked for. Outlives it, so that its end can be looked at. */
struct book {
    uint32_t client;
    uint32_t requests; /* all of them */
    uint32_t asked;    /* for memory */
    uint32_t freed;
    uint32_t granted_until; /* this many more requests for memory are granted, */
    uint32_t refused_until; /* then that many are refused, and the rest granted */
    int error;              /* 0: refused by status, else by this errno */
    int free_error;         /* 0: frees are taken */
    uint32_t highest;       /* number of an object */
    uint32_t count;
    struct object objects[OBJECTS];
};
static struct book *books; /* ours, and our partner's */

static struct book *book(void)
{
    return &books[driver_is_partner];
}

static uint32_t word(const void *bytes, size_t at)
{
    uint32_t value;
    memcpy(&value, (const char *)bytes + at, sizeof value);
    return value;
}

static uint64_t long_word(const void *bytes, size_t at)
{
    uint64_t value;
    memcpy(&value, (const char *)bytes + at, sizeof value);
    return value;
}

static struct object *object_numbered(uint32_t number)
{
    for (uint32_t at = 0; at < book()->count; at++)
        if (book()->objects[at].number == number) return &book()->objects[at];
    return NULL;
}

static uint64_t asked_bytes(uint32_t gpu)
{
    uint64_t sum = 0;
    for (uint32_t at = 0; at < book()->count; at++)
        sum += book()->objects[at].gpu == gpu ? book()->objects[at].bytes : 0;
    return sum;
}

static bool is_open_for_the_driver(int fd, unsigned minor_number)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, minor_number) &&
           (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

/* The request for a new object, of which the first words are known to be good. */
static void note_object(struct object made, const void *parameters, uint32_t size)
{
    struct object *parent = object_numbered(made.parent);
    switch (made.class) {
    case CLASS_DEVICE:
        CHECK_EQ(made.parent, book()->client);
        CHECK_EQ(size, 56);
        made.gpu = word(parameters, 0);
        break;
    case CLASS_SUBDEVICE:
        CHECK(parent && parent->class == CLASS_DEVICE);
        CHECK_EQ(size, 4);
        CHECK_EQ(word(parameters, 0), 0);
        break;
    case CLASS_MEMORY:
        CHECK(parent && parent->class == CLASS_DEVICE);
        CHECK_EQ(size, 128);
        made.gpu = parent ? parent->gpu : NOBODY;
        made.bytes = long_word(parameters, 64);
        CHECK_EQ(word(parameters, 24), 0); /* memory of the card, in any pages */
        CHECK(made.bytes > 0);
        break;
    default: CHECK_THAT(false, "class %#x", made.class); break;
    }
    CHECK(made.number > book()->highest);
    CHECK(book()->count < OBJECTS);
    book()->highest = made.number;
    if (book()->count < OBJECTS) book()->objects[book()->count++] = made;
}

/* Returns whether it is granted; what is refused is none of the kernel's any more. */
static bool admit_alloc(const void *bytes)
{
    uint32_t class = word(bytes, 12);
    CHECK_EQ(word(bytes, 36), 0); /* flags */
    CHECK_EQ(word(bytes, 40), 0); /* status, before anybody has answered */
    if (class == CLASS_MEMORY) {
        book()->asked++;
        bool granted = book()->granted_until > 0;
        book()->granted_until -= granted ? 1 : 0;
        if (!granted && book()->refused_until > 0) {
            book()->refused_until--;
            return false;
        }
    }
    if (class == CLASS_CLIENT) {
        CHECK_EQ(word(bytes, 0) | word(bytes, 4) | word(bytes, 8), 0);
        CHECK_EQ(book()->client, 0);
        book()->client = NOBODY; /* its first use says its number */
        return true;
    }
    if (book()->client == NOBODY) book()->client = word(bytes, 0);
    CHECK_EQ(word(bytes, 0), book()->client);
    note_object((struct object){word(bytes, 8), word(bytes, 4), class, NOBODY, 0},
                (const void *)(uintptr_t)long_word(bytes, 16), word(bytes, 32));
    return true;
}

static void take_free(const void *bytes)
{
    uint32_t number = word(bytes, 8);
    struct object *object = object_numbered(number);
    if (book()->client == NOBODY) book()->client = word(bytes, 0);
    CHECK_EQ(word(bytes, 0), book()->client);
    book()->freed++;
    if (number == book()->client) {
        book()->count = 0;
        book()->client = 0;
        return;
    }
    CHECK_THAT(object && object->class == CLASS_MEMORY, "%#x was freed, which is no memory", number);
    if (!object) return;
    CHECK_EQ(word(bytes, 4), object->parent);
    *object = book()->objects[--book()->count];
}

static int answer_errno(int error)
{
    errno = error;
    return -1;
}

/* Takes the place of the library's, also for the simulated driver. */
int ioctl(int fd, unsigned long command, ...)
{
    va_list rest;
    va_start(rest, command);
    void *bytes = va_arg(rest, void *);
    va_end(rest);
    bool alloc = command == _IOC(_IOC_READ | _IOC_WRITE, 'F', NUMBER_ALLOC, 48);
    bool freed = command == _IOC(_IOC_READ | _IOC_WRITE, 'F', NUMBER_FREE, 16);
    if (!alloc && !freed) return (int)syscall(SYS_ioctl, fd, command, bytes);
    book()->requests++;
    CHECK(is_open_for_the_driver(fd, 3));
    if (freed && book()->free_error != 0) return answer_errno(book()->free_error);
    if (alloc && !admit_alloc(bytes)) {
        const uint32_t status = NO_MEMORY;
        if (book()->error != 0) return answer_errno(book()->error);
        memcpy((char *)bytes + 40, &status, sizeof status);
        return 0;
    }
    if (freed) take_free(bytes);
    return (int)syscall(SYS_ioctl, fd, command, bytes); /* where a stand-in answers ENOTTY */
}

/* ---- routes ------------------------------------------------------------------------------------------------- */

static CUstream stream;

/* What is asked for, by GPU, is what the process has. */
static void check_same(void)
{
    for (uint32_t gpu = 0; gpu < GPUS; gpu++) CHECK_EQ(asked_bytes(gpu), driver_held_by(getpid(), gpu));
}

static void link_device(const char *folder, const char *name, const char *to)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (symlink(to, path) != 0 && errno != EEXIST) fixture_fail(path);
}

static void devices_folder(char *out, size_t size)
{
    snprintf(out, size, "%s/devices", driver_fixture.root);
    if (mkdir(out, 0755) != 0 && errno != EEXIST) fixture_fail(out);
}

static void link_gpus(const char *folder)
{
    for (int gpu = 0; gpu < 16; gpu++) {
        char name[32];
        snprintf(name, sizeof name, "nvidia%d", gpu);
        link_device(folder, name, "/dev/zero");
    }
}

static void prepare(void)
{
    char folder[PATH_MAX / 2];
    devices_folder(folder, sizeof folder);
    link_device(folder, "nvidiactl", "/dev/null");
    link_gpus(folder);
    setenv(ENV_SIM_RM_DEVICES, folder, 1);
}

static void begin(void)
{
    DRIVER(LOAD)
    CHECK_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
}

struct route {
    const char *name;
    uint32_t requests; /* that it makes */
    CUresult (*take)(void);
    void (*give)(void);
};

static CUdeviceptr address;
static CUdeviceptr_v1 low_address;
static CUarray array;
static CUmipmappedArray mipmaps;
static CUmemGenericAllocationHandle handle;
static CUmemoryPool pool;
static CUgraphExec exec;
static CUcontext context;
static CUgreenCtx green_context;
static CUmodule module;
static const CUDA_ARRAY3D_DESCRIPTOR texture = {2048, 2048, 0, CU_AD_FORMAT_FLOAT, 4, 0};
static const CUmemAllocationProp on_second = {.type = 1, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 1}};
static const char image[] = "tranche-sim-image\ncode 3M\nglobal g 5M\nglobal h 1K\nkernel spin 4M";

static CUresult take_plain(void)
{
    return cuMemAlloc_v2(&address, 3 * MIB);
}

static CUresult take_small(void)
{
    return cuMemAlloc_v2(&address, 1000);
}

static CUresult take_pitch(void)
{
    size_t pitch;
    return cuMemAllocPitch_v2(&address, &pitch, 1000, 10000, 4);
}

static void give_address(void)
{
    CHECK_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
}

static CUresult take_low(void)
{
    return cuMemAlloc(&low_address, 3 * MIB);
}

static void give_low(void)
{
    CHECK_EQ(cuMemFree(low_address), CUDA_SUCCESS);
}

static CUresult take_array(void)
{
    return cuArray3DCreate_v2(&array, &texture);
}

static void give_array(void)
{
    CHECK_EQ(cuArrayDestroy(array), CUDA_SUCCESS);
}

static CUresult take_mipmaps(void)
{
    return cuMipmappedArrayCreate(&mipmaps, &texture, 12);
}

static void give_mipmaps(void)
{
    CHECK_EQ(cuMipmappedArrayDestroy(mipmaps), CUDA_SUCCESS);
}

static CUresult take_handle(void)
{
    return cuMemCreate(&handle, 6 * MIB, &on_second, 0);
}

static void give_handle(void)
{
    CHECK_EQ(cuMemRelease(handle), CUDA_SUCCESS);
}

static CUresult take_async(void)
{
    return cuMemAllocAsync(&address, 100 * MIB, stream);
}

static void give_async(void)
{
    CHECK_EQ(cuMemFreeAsync(address, stream), CUDA_SUCCESS);
    CHECK_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
}

static CUresult take_from_pool(void)
{
    CUmemPoolProps props = {.allocType = 1, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
    CHECK_EQ(cuMemPoolCreate(&pool, &props), CUDA_SUCCESS);
    CUresult result = cuMemAllocFromPoolAsync(&address, 40 * MIB, pool, stream);
    if (result != CUDA_SUCCESS) CHECK_EQ(cuMemPoolDestroy(pool), CUDA_SUCCESS);
    return result;
}

static void give_from_pool(void)
{
    give_async();
    CHECK_EQ(cuMemPoolDestroy(pool), CUDA_SUCCESS);
}

static CUgraphExec captured(uint64_t bytes)
{
    CUgraph graph;
    CUdeviceptr inside;
    CUgraphExec made = NULL;
    CHECK_EQ(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocAsync(&inside, bytes, stream), CUDA_SUCCESS);
    CHECK_EQ(cuMemFreeAsync(inside, stream), CUDA_SUCCESS);
    CHECK_EQ(cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
    CHECK_EQ(cuGraphInstantiateWithFlags(&made, graph, 0), CUDA_SUCCESS);
    return made;
}

static CUresult take_launch(void)
{
    if (exec == NULL) exec = captured(70 * MIB);
    return cuGraphLaunch(exec, stream);
}

static CUresult take_upload(void)
{
    if (exec == NULL) exec = captured(70 * MIB);
    return cuGraphUpload(exec, stream);
}

static void give_graph(void)
{
    CHECK_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    CHECK_EQ(cuDeviceGraphMemTrim(0), CUDA_SUCCESS);
}

static CUresult take_context(void)
{
    return cuCtxCreate_v2(&context, 0, 1);
}

static void give_context(void)
{
    CHECK_EQ(cuCtxDestroy_v2(context), CUDA_SUCCESS);
}

static CUresult take_green(void)
{
    CUdevResource all;
    CUdevResourceDesc description;
    CHECK_EQ(cuDeviceGetDevResource(0, &all, CU_DEV_RESOURCE_TYPE_SM), CUDA_SUCCESS);
    CHECK_EQ(cuDevResourceGenerateDesc(&description, &all, 1), CUDA_SUCCESS);
    return cuGreenCtxCreate(&green_context, description, 0, CU_GREEN_CTX_DEFAULT_STREAM);
}

static void give_green(void)
{
    CHECK_EQ(cuGreenCtxDestroy(green_context), CUDA_SUCCESS);
}

static CUresult take_stack(void)
{
    return cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 2048);
}

static void give_stack(void)
{
    CHECK_EQ(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 1024), CUDA_SUCCESS);
}

static CUresult take_module(void)
{
    return cuModuleLoadData(&module, image);
}

static void give_module(void)
{
    CHECK_EQ(cuModuleUnload(module), CUDA_SUCCESS);
}

/* Code after the limits were set: a heap for it, which goes with its context. */
static CUresult take_heap(void)
{
    CUresult result = cuCtxCreate_v2(&context, 0, 0);
    if (result != CUDA_SUCCESS) return result;
    CHECK_EQ(cuCtxSetLimit(CU_LIMIT_MALLOC_HEAP_SIZE, 72 * MIB), CUDA_SUCCESS);
    result = take_module();
    if (result != CUDA_SUCCESS) give_context();
    return result;
}

static void give_heap(void)
{
    give_module();
    give_context();
}

/* A kernel's own code comes with its first launch. */
static CUresult take_kernel(void)
{
    uint64_t nanoseconds = 1000;
    void *parameters[] = {&nanoseconds};
    CUfunction spin = NULL;
    CUresult result = take_module();
    if (result != CUDA_SUCCESS) return result;
    CHECK_EQ(cuModuleGetFunction(&spin, module, "spin"), CUDA_SUCCESS);
    result = cuLaunchKernel(spin, 1, 1, 1, 32, 1, 1, 0, stream, parameters, NULL);
    if (result != CUDA_SUCCESS) give_module();
    return result;
}

static const struct route routes[] = {
    {"plain", 1, take_plain, give_address},
    {"small", 1, take_small, give_address},
    {"pitch", 1, take_pitch, give_address},
    {"low", 1, take_low, give_low},
    {"array", 1, take_array, give_array},
    {"mipmaps", 1, take_mipmaps, give_mipmaps},
    {"handle", 1, take_handle, give_handle},
    {"async", 4, take_async, give_async},
    {"from pool", 2, take_from_pool, give_from_pool},
    {"graph launch", 3, take_launch, give_graph},
    {"graph upload", 3, take_upload, give_graph},
    {"context", 1, take_context, give_context},
    {"green context", 1, take_green, give_green},
    {"stack", 1, take_stack, give_stack},
    {"module", 3, take_module, give_module},
    {"heap", 5, take_heap, give_heap},
    {"kernel", 4, take_kernel, give_module},
};

/* Every request of a route in its turn is the one from which on nothing more is given. */
static void refuse_route(const struct route *route, int error)
{
    uint32_t objects = book()->count;
    uint64_t before[GPUS] = {asked_bytes(0), asked_bytes(1)};
    for (uint32_t granted = 0; granted < route->requests; granted++) {
        book()->granted_until = granted;
        book()->refused_until = UINT32_MAX;
        book()->error = error;
        CUresult result = route->take();
        CHECK_THAT(result == CUDA_ERROR_OUT_OF_MEMORY, "%s, after %u: %d", route->name, granted, (int)result);
        book()->granted_until = book()->refused_until = 0;
        CHECK_THAT(book()->count == objects, "%s, after %u: something is left", route->name, granted);
        for (uint32_t gpu = 0; gpu < GPUS; gpu++) CHECK_EQ(asked_bytes(gpu), before[gpu]);
        check_same();
    }
}

static void every_route(void)
{
    begin();
    check_same();
    CHECK_EQ(asked_bytes(0), CONTEXT_BYTES);
    for (size_t at = 0; at < sizeof routes / sizeof routes[0]; at++) {
        const struct route *route = &routes[at];
        static const int errors[] = {0, EPERM, ENOSYS};
        uint32_t objects = book()->count;
        uint32_t asked = book()->asked;
        for (int error = 0; error < 3; error++) refuse_route(route, errors[error]);
        asked = book()->asked;
        CUresult result = route->take();
        CHECK_THAT(result == CUDA_SUCCESS, "%s: %d", route->name, (int)result);
        CHECK_THAT(book()->asked - asked == route->requests, "%s: %u requests", route->name, book()->asked - asked);
        CHECK_THAT(book()->count == objects + route->requests, "%s: %u", route->name, book()->count - objects);
        check_same();
        route->give();
        CHECK_THAT(book()->count == objects, "%s: something is left", route->name);
        check_same();
    }
    CHECK_EQ(asked_bytes(0), CONTEXT_BYTES);
    CHECK_EQ(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
    CHECK_EQ(asked_bytes(0) + asked_bytes(1), 0);
    check_same();
}

/* ---- what is not asked for ------------------------------------------------------------------------------------ */

static void no_request(void)
{
    CUdeviceptr more[3];
    CUmemPoolProps managed = {.allocType = CU_MEM_ALLOCATION_TYPE_MANAGED,
                              .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
    begin();
    CHECK_EQ(take_small(), CUDA_SUCCESS);
    uint32_t asked = book()->asked;
    uint64_t bytes = asked_bytes(0);
    CHECK_EQ(cuMemAlloc_v2(&more[0], MIB), CUDA_SUCCESS); /* into the same page */
    CHECK_EQ(cuMemAllocManaged(&more[1], 64 * MIB, 1), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocManaged(&more[2], 1000, 1), CUDA_SUCCESS);
    CHECK_EQ(book()->asked, asked);
    CHECK_EQ(driver_held_by(getpid(), 0), bytes + 66 * MIB);
    uint32_t freed = book()->freed;
    for (int at = 0; at < 3; at++) CHECK_EQ(cuMemFree_v2(more[at]), CUDA_SUCCESS);
    CHECK_EQ(book()->freed, freed);
    check_same();
    give_address();
    CHECK_EQ(book()->freed, freed + 1);
    check_same();
    CHECK_EQ(cuMemPoolCreate(&pool, &managed), CUDA_SUCCESS);
    CHECK_EQ(cuMemAllocFromPoolAsync(&address, 40 * MIB, pool, stream), CUDA_SUCCESS);
    CHECK_EQ(book()->asked, asked);
    CHECK_EQ(driver_held(), 64 * MIB);
    give_from_pool();
    CHECK_EQ(book()->freed, freed + 1);
    check_same();
}

/* A card that is full refuses after the request: nothing was made, so nothing is freed, and its number is not used
 * again. Whoever only listens does not know that. */
static void full_card(void)
{
    begin();
    uint32_t objects = book()->count;
    uint32_t freed = book()->freed;
    CHECK_EQ(cuMemAlloc_v2(&address, 200 * GIB), CUDA_ERROR_OUT_OF_MEMORY);
    CHECK_EQ(book()->count, objects + 2); /* once more after its pools gave way */
    CHECK_EQ(book()->freed, freed);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(cuMemAlloc_v2(&address, 4 * MIB), CUDA_SUCCESS);
    CHECK_EQ(book()->count, objects + 3);
    CHECK_EQ(driver_held(), 4 * MIB);
}

/* ---- what is given back ----------------------------------------------------------------------------------------- */

static void pools_give_way(void)
{
    uint64_t all = UINT64_MAX;
    begin();
    CHECK_EQ(cuDeviceGetDefaultMemPool(&pool, 0), CUDA_SUCCESS);
    CHECK_EQ(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &all), CUDA_SUCCESS);
    CHECK_EQ(take_async(), CUDA_SUCCESS);
    give_async();
    CHECK_EQ(asked_bytes(0), CONTEXT_BYTES + 128 * MIB);
    CHECK_EQ(cuMemPoolTrimTo(pool, 64 * MIB), CUDA_SUCCESS);
    CHECK_EQ(asked_bytes(0), CONTEXT_BYTES + 64 * MIB);
    check_same();
    uint32_t freed = book()->freed;
    book()->refused_until = 1;
    CHECK_EQ(take_plain(), CUDA_SUCCESS);
    CHECK_EQ(book()->freed, freed + 2);
    CHECK_EQ(asked_bytes(0), CONTEXT_BYTES + 4 * MIB);
    check_same();
}

/* A stack that grows is asked for in steps, and one that shrinks within a step is asked for anew. */
static void steps(void)
{
    begin();
    uint64_t step = UINT64_C(132) * 2048 * 1024;
    CHECK_EQ(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 2048), CUDA_SUCCESS);
    CHECK_EQ(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 5120), CUDA_SUCCESS);
    uint32_t objects = book()->count;
    CHECK_EQ(asked_bytes(0), CONTEXT_BYTES + 4 * step);
    check_same();
    book()->refused_until = 1;
    CHECK_EQ(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 3072), CUDA_SUCCESS);
    CHECK_EQ(asked_bytes(0), CONTEXT_BYTES + 4 * step); /* no smaller one was to be had */
    check_same();
    CHECK_EQ(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 3072), CUDA_SUCCESS);
    CHECK_EQ(asked_bytes(0), CONTEXT_BYTES + 2 * step);
    CHECK_EQ(book()->count, objects);
    check_same();
    CHECK_EQ(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 2048), CUDA_SUCCESS);
    CHECK_EQ(asked_bytes(0), CONTEXT_BYTES + step);
    CHECK_EQ(book()->count, objects - 1);
    check_same();
}

/* With nobody there to let a free through, the kernel keeps it, and so does the process. */
static void kept_by_the_kernel(void)
{
    begin();
    CHECK_EQ(take_plain(), CUDA_SUCCESS);
    book()->free_error = ENOSYS;
    give_address();
    CHECK_EQ(asked_bytes(0), CONTEXT_BYTES + 4 * MIB);
    check_same();
    book()->free_error = 0;
    CHECK_EQ(take_plain(), CUDA_SUCCESS);
    CHECK_EQ(asked_bytes(0), CONTEXT_BYTES + 8 * MIB);
    check_same();
    give_address();
    check_same();
}

static void exporter(void)
{
    CUipcMemHandle record;
    begin();
    CHECK_EQ(cuMemAlloc_v2(&address, 64 * MIB), CUDA_SUCCESS);
    CHECK_EQ(cuIpcGetMemHandle(&record, address), CUDA_SUCCESS);
    driver_send(&record, sizeof record, -1);
    driver_turn(); /* opened there */
    check_same();
    give_address();
    check_same();
    CHECK_EQ(asked_bytes(0), CONTEXT_BYTES);
    driver_turn();
}

/* Has the memory then, by NVML, and no request of ours says so. */
static void importer(void)
{
    CUipcMemHandle record;
    begin();
    uint32_t requests = book()->requests;
    (void)driver_receive(&record, sizeof record);
    CHECK_EQ(cuIpcOpenMemHandle(&address, record, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS), CUDA_SUCCESS);
    driver_turn();
    driver_turn(); /* freed there */
    CHECK_EQ(driver_held(), 64 * MIB);
    CHECK_EQ(cuIpcCloseMemHandle(address), CUDA_SUCCESS);
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(book()->requests, requests);
    CHECK(books[0].client != books[1].client);
}

/* ---- processes and files ------------------------------------------------------------------------------------------ */

static unsigned open_files(bool (*of)(int fd, unsigned minor_number), unsigned minor_number)
{
    unsigned count = 0;
    DIR *list = opendir("/proc/self/fd");
    if (list == NULL) fixture_fail("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(list)) != NULL;)
        count += of == NULL || of(atoi(entry->d_name), minor_number) ? 1 : 0;
    closedir(list);
    return count;
}

/* A child that was forked from a program with the driver open asks for nothing, and its end frees nothing. */
static void forked(void)
{
    begin();
    CHECK_EQ(open_files(is_open_for_the_driver, 3), 1);
    CHECK(open_files(is_open_for_the_driver, 5) >= GPUS);
    CHECK_EQ(take_plain(), CUDA_SUCCESS);
    uint32_t requests = book()->requests;
    pid_t child = fork();
    if (child == 0) {
        check_failures_here = 0;
        CHECK_EQ(take_plain(), CUDA_ERROR_NOT_INITIALIZED);
        CHECK_EQ(cuMemFree_v2(address), CUDA_ERROR_NOT_INITIALIZED);
        CHECK_EQ(cuInit(0), CUDA_ERROR_NOT_INITIALIZED);
        exit(check_failures_here != 0);
    }
    CHECK_EQ(fixture_wait(child, 60), 0);
    CHECK_EQ(book()->requests, requests);
    CHECK_EQ(book()->client != 0, 1);
    give_address();
    check_same();
}

static void unasked(void)
{
    unsigned before = open_files(is_open_for_the_driver, 3);
    begin();
    CHECK_EQ(before, 0);
    for (size_t at = 0; at < sizeof routes / sizeof routes[0]; at++) {
        CHECK_EQ(routes[at].take(), CUDA_SUCCESS);
        routes[at].give();
    }
    CHECK_EQ(driver_held(), 0);
    CHECK_EQ(book()->requests, 0);
}

/* Without devices there is no GPU, nothing is left open, and it can be tried again. */
static void opens(void)
{
    char folder[PATH_MAX / 2];
    driver_library = driver_open("libcuda.so.1");
    DRIVER_BASICS(LOAD)
    devices_folder(folder, sizeof folder);
    setenv(ENV_SIM_RM_DEVICES, folder, 1);
    unsigned before = open_files(NULL, 0);
    CHECK_EQ(cuInit(0), CUDA_ERROR_NO_DEVICE);
    CHECK_EQ(book()->requests, 0);
    link_device(folder, "nvidiactl", "/dev/null");
    CHECK_EQ(cuInit(0), CUDA_ERROR_NO_DEVICE);
    CHECK_EQ(book()->requests, 2);
    CHECK_EQ(book()->freed, 1);
    CHECK_EQ(open_files(NULL, 0), before);
    link_gpus(folder);
    CHECK_EQ(cuInit(0), CUDA_SUCCESS);
    CHECK(book()->client != 0);
    CHECK(open_files(NULL, 0) > before);
    uint32_t requests = book()->requests;
    CHECK_EQ(cuInit(0), CUDA_SUCCESS);
    CHECK_EQ(book()->requests, requests);
}

static int run_opens(void)
{
    fixture_open(&driver_fixture, "");
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        setenv(ENV_SIM_DIR, driver_fixture.root, 1);
        check_name = "opens";
        opens();
        fflush(stdout);
        exit(check_failures_here != 0);
    }
    int status = fixture_wait(pid, 60);
    printf("%s opens\n", status == 0 ? "PASS" : "FAIL");
    fixture_close(&driver_fixture);
    return status;
}

/* After its end a process has given back its client, and with it everything. */
static int check_ended(const char *name)
{
    int left = 0;
    for (int at = 0; at < 2; at++) left += books[at].client != 0 || books[at].count != 0;
    if (left != 0) printf("FAIL %s: something is left after its end\n", name);
    memset(books, 0, 2 * sizeof *books);
    return left;
}

int main(void)
{
    static const struct driver_case cases[] = {
        {"every_route", "", every_route, NULL},
        {"no_request", "", no_request, NULL},
        {"full_card", "", full_card, NULL},
        {"pools_give_way", "", pools_give_way, NULL},
        {"steps", "", steps, NULL},
        {"kept_by_the_kernel", "", kept_by_the_kernel, NULL},
        {"exporter", "", exporter, importer},
        {"forked", "", forked, NULL},
    };
    static const struct driver_case without = {"unasked", "", unasked, NULL};
    int failures = 0;
    check_needs_build();
    books = mmap(NULL, 2 * sizeof *books, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (books == MAP_FAILED) fixture_fail("mmap");
    failures += driver_cases(&without, 1) + check_ended(without.name);
    failures += run_opens() + check_ended("opens");
    driver_prepare = prepare;
    for (size_t at = 0; at < sizeof cases / sizeof cases[0]; at++)
        failures += driver_cases(&cases[at], 1) + check_ended(cases[at].name);
    return failures != 0;
}
