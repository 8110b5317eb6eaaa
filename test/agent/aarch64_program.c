/* One part of a test each, named by the first argument; started by aarch64.test.ts with and without the shim. */
#include "cuda_min.h"
#include "owner.h"
#include "program.h"

#include <dlfcn.h>

typedef CUresult (*get_v2)(const char *name, void **function, int version, cuuint64_t flags, int *status);
typedef CUresult (*alloc_v2)(CUdeviceptr *out, size_t bytes);
typedef CUresult (*free_v2)(CUdeviceptr address);
typedef CUresult (*info_v2)(size_t *free_bytes, size_t *total);

/* Makes the slice that the other parts run in: under a private directory, 1 GiB. */
static void make_slice(void)
{
    struct fixture fixture;
    struct fixture_slice slice;
    fixture_open(&fixture, "");
    fixture_slice(&fixture, &slice, 1, UINT64_C(1) << 30, 10000);
    printf("%s %s\n", fixture.root, slice.id);
}

static void gpu_less(void)
{
    static const char *const names[] = {"cuInit", "cuMemAlloc_v2", "cuLaunchKernel", "nvmlDeviceGetMemoryInfo"};
    for (size_t at = 0; at < sizeof names / sizeof names[0]; at++)
        CHECK_STR(owner(dlsym(RTLD_DEFAULT, names[at])), "none");
    CHECK(dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_LAZY) == NULL);
    CHECK(dlerror() != NULL);
}

/* The program's own puts: a lookup made in the shim's name instead of the caller's would give it back as "next". */
__attribute__((visibility("default"))) int puts(const char *text)
{
    return printf("own %s\n", text);
}

static void foreign_names(void)
{
    int (*next)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "puts");
    CHECK_STR(owner((void *)next), "libc");
    CHECK_STR(owner(dlsym(RTLD_DEFAULT, "puts")), "program");
    CHECK_STR(owner(dlsym(RTLD_NEXT, "getpid")), "libc");
    CHECK_STR(owner(dlsym(RTLD_DEFAULT, "getpid")), "libc");
    CHECK(dlsym(RTLD_NEXT, "main") == NULL);
    CHECK(dlsym(RTLD_DEFAULT, "no_such_symbol_here") == NULL);
    const char *error = dlerror();
    CHECK_THAT(error != NULL && strstr(error, "no_such_symbol_here") != NULL, "%s", error == NULL ? "(null)" : error);
    void *whole = dlopen(NULL, RTLD_NOW);
    CHECK_STR(owner(dlsym(whole, "getpid")), "libc");
    CHECK_EQ(((pid_t(*)(void))dlsym(whole, "getpid"))(), getpid());
}

static void hooked_pointers(void)
{
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    CHECK_THAT(cuda != NULL, "%s", dlerror());
    CHECK_STR(owner(dlsym(cuda, "cuMemAlloc_v2")), "shim");
    CHECK_STR(owner(dlsym(cuda, "cuMemFree_v2")), "shim");
    CHECK_STR(owner(dlsym(cuda, "cuGetProcAddress_v2")), "shim");
    CHECK_STR(owner(dlsym(cuda, "cuDriverGetVersion")), "driver");
    CHECK_STR(owner(dlsym(cuda, "cuMemAllocAsync")), "none"); /* hooked, but this driver lacks it */
    get_v2 get = (get_v2)dlsym(cuda, "cuGetProcAddress_v2");
    void *found = NULL;
    int status = -1;
    CHECK_EQ(get("cuMemAlloc", &found, 12000, 0, &status), CUDA_SUCCESS);
    CHECK_EQ(status, CU_GET_PROC_ADDRESS_SUCCESS);
    CHECK_STR(owner(found), "shim");
    CHECK(found == dlsym(cuda, "cuMemAlloc_v2"));
    CHECK_EQ(get("cuDriverGetVersion", &found, 12000, 0, &status), CUDA_SUCCESS);
    CHECK_STR(owner(found), "driver");
    CHECK_EQ(get("cuNoSuchFunction", &found, 12000, 0, &status), CUDA_ERROR_NOT_FOUND);
    CHECK(dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) != NULL);
    CHECK_STR(owner(dlsym(RTLD_DEFAULT, "cuMemAlloc_v2")), "shim");
    CHECK_STR(owner(dlsym(RTLD_NEXT, "cuMemAlloc_v2")), "shim");
}

static void limit(void)
{
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW);
    alloc_v2 alloc = (alloc_v2)dlsym(cuda, "cuMemAlloc_v2");
    free_v2 release = (free_v2)dlsym(cuda, "cuMemFree_v2");
    info_v2 info = (info_v2)dlsym(cuda, "cuMemGetInfo_v2");
    CUdeviceptr first = 0;
    CUdeviceptr second = 0;
    size_t free_bytes = 0;
    size_t total = 0;
    CHECK_EQ(alloc(&first, (size_t)768 << 20), CUDA_SUCCESS);
    CHECK_EQ(alloc(&second, ((size_t)256 << 20) + 1), CUDA_ERROR_OUT_OF_MEMORY); /* by one byte */
    CHECK_EQ(second, 0);
    CHECK_EQ(info(&free_bytes, &total), CUDA_SUCCESS);
    CHECK_EQ(total, (size_t)1 << 30);
    CHECK_EQ(free_bytes, (size_t)256 << 20);
    CHECK_EQ(alloc(&second, (size_t)256 << 20), CUDA_SUCCESS);
    CHECK_EQ(release(first), CUDA_SUCCESS);
    CHECK_EQ(alloc(&first, (size_t)512 << 20), CUDA_SUCCESS);
    CHECK_EQ(release(first), CUDA_SUCCESS);
    CHECK_EQ(release(second), CUDA_SUCCESS);
}

int main(int argc, char **argv)
{
    static const struct program parts[] = {
        {.name = "make-slice", .run = make_slice},
        {.name = "gpu-less", .run = gpu_less},
        {.name = "foreign-names", .run = foreign_names},
        {.name = "hooked-pointers", .run = hooked_pointers},
        {.name = "limit", .run = limit},
    };
    return argc == 2 ? program_inside(parts, sizeof parts / sizeof parts[0], argv[1], NULL) : 2;
}
