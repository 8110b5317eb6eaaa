/* How a program gets at our hooks: dlsym by handle, RTLD_DEFAULT, RTLD_NEXT and a handle of the whole program,
 * cuGetProcAddress in both versions and for both kinds of stream, direct linkage; and that a program which never opens
 * libcuda finds nothing of ours. The test starts itself again as each kind of program.
 * build: agent/common/region_file.c
 * sanitize: none
 * needs: native
 */
#include "cuda_min.h"
#include "nvml_min.h"
#include "owner.h"
#include "program.h"

#include <dlfcn.h>

typedef CUresult (*get_v1)(const char *name, void **function, int version, cuuint64_t flags);
typedef CUresult (*get_v2)(const char *name, void **function, int version, cuuint64_t flags, int *status);

static void *symbol_of(void *address)
{
    Dl_info info;
    return dladdr(address, &info) == 0 ? NULL : (void *)info.dli_sname;
}

static void dlsym_by_handle(void)
{
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    CHECK(cuda != NULL);
    CHECK_STR(owner(dlsym(cuda, "cuMemAlloc_v2")), "shim");
    CHECK_STR(owner(dlsym(cuda, "cuLaunchKernel_ptsz")), "shim");
    CHECK_STR(owner(dlsym(cuda, "cuGetProcAddress_v2")), "shim");
    CHECK_STR(owner(dlsym(cuda, "cuStreamCreate")), "driver"); /* not hooked */
    CHECK_STR(owner(dlsym(cuda, "cuNoSuchFunction")), "none");
    CHECK(dlerror() != NULL);                                             /* the real dlsym's own words */
    CHECK_STR(owner(dlsym(cuda, "cuStreamBeginCaptureToGraph")), "none"); /* hooked, but this driver lacks it */
    void *nvml = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    CHECK_STR(owner(dlsym(nvml, "nvmlDeviceGetMemoryInfo")), "shim");
    CHECK_STR(owner(dlsym(nvml, "nvmlDeviceGetCount_v2")), "nvml");
}

static void dlsym_pseudo_handles(void)
{
    void *whole = dlopen(NULL, RTLD_NOW);
    CHECK_STR(owner(dlsym(RTLD_DEFAULT, "cuMemAlloc_v2")), "none");
    CHECK_STR(owner(dlsym(RTLD_NEXT, "cuMemAlloc_v2")), "none");
    CHECK_STR(owner(dlsym(whole, "cuMemAlloc_v2")), "none");
    CHECK(dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) != NULL);
    CHECK_STR(owner(dlsym(RTLD_DEFAULT, "cuMemAlloc_v2")), "shim");
    CHECK_STR(owner(dlsym(RTLD_NEXT, "cuMemAlloc_v2")), "shim");
    CHECK_STR(owner(dlsym(RTLD_NEXT, "cuMemAlloc_v2")), "shim"); /* a second time as the first */
    CHECK_STR(owner(dlsym(whole, "cuMemAlloc_v2")), "shim");
}

/* The program's own function: a shim that answers in its own name would find a different RTLD_NEXT. */
int puts(const char *text);
static void foreign_names_keep_their_caller(void)
{
    int (*next)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "puts");
    int (*first)(const char *) = (int (*)(const char *))dlsym(RTLD_DEFAULT, "puts");
    CHECK_STR(owner((void *)next), "libc");
    CHECK(next == first);
    CHECK(dlsym(RTLD_NEXT, "main") == NULL);
    CHECK(dlsym(RTLD_DEFAULT, "no_such_symbol_here") == NULL);
}

/* The driver looks functions of its own up by name, and means its own. */
static void the_driver_finds_itself(void)
{
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW);
    void *(*own_lookup)(const char *) = (void *(*)(const char *))dlsym(cuda, "tranche_sim_own_lookup");
    CHECK(own_lookup != NULL);
    CHECK_STR(owner(own_lookup("cuMemAlloc_v2")), "driver");
    CHECK_STR(owner(dlsym(cuda, "cuMemAlloc_v2")), "shim");
}

static void get_proc_address(void)
{
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW);
    get_v1 v1 = (get_v1)dlsym(cuda, "cuGetProcAddress");
    get_v2 v2 = (get_v2)dlsym(cuda, "cuGetProcAddress_v2");
    void *plain = NULL;
    void *per_thread = NULL;
    int status = -1;
    CHECK_EQ(v1("cuMemAlloc", &plain, 3020, 0), CUDA_SUCCESS);
    CHECK_STR(owner(plain), "shim");
    CHECK_STR(symbol_of(plain), "cuMemAlloc_v2");
    CHECK_EQ(v2("cuLaunchKernel", &plain, 7000, CU_GET_PROC_ADDRESS_LEGACY_STREAM, &status), CUDA_SUCCESS);
    CHECK_EQ(v2("cuLaunchKernel", &per_thread, 7000, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, &status),
             CUDA_SUCCESS);
    CHECK_EQ(status, CU_GET_PROC_ADDRESS_SUCCESS);
    CHECK_STR(symbol_of(plain), "cuLaunchKernel");
    CHECK_STR(symbol_of(per_thread), "cuLaunchKernel_ptsz");
    CHECK_STR(owner(per_thread), "shim");
    /* A version the name did not have yet, and a name that does not exist: the driver's own answers. */
    CHECK_EQ(v2("cuMemAllocAsync", &plain, 3020, 0, &status), CUDA_SUCCESS);
    CHECK(plain == NULL);
    CHECK_EQ(status, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
    CHECK_EQ(v1("cuNoSuchFunction", &plain, 13000, 0), CUDA_ERROR_NOT_FOUND);
    CHECK_EQ(v2("cuStreamCreate", &plain, 13000, 0, &status), CUDA_SUCCESS);
    CHECK_STR(owner(plain), "driver");
    /* Through itself, as the runtime does: the older and the newer form, each hooked. */
    get_v2 again = NULL;
    CHECK_EQ(v2("cuGetProcAddress", (void **)&again, 12000, 0, &status), CUDA_SUCCESS);
    CHECK_STR(symbol_of((void *)again), "cuGetProcAddress_v2");
    get_v1 older = NULL;
    CHECK_EQ(again("cuGetProcAddress", (void **)&older, 11030, 0, &status), CUDA_SUCCESS);
    CHECK_STR(symbol_of((void *)older), "cuGetProcAddress");
    CHECK_EQ(older("cuMemFree", &plain, 3020, 0), CUDA_SUCCESS);
    CHECK_STR(symbol_of(plain), "cuMemFree_v2");
    CHECK_STR(owner(plain), "shim");
}

/* Every name in the shim's list that the driver has must be found hooked by handle. */
static void every_hook_is_reached(void)
{
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW);
    void *nvml = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    int reached = 0;
#define HOOK(group, type, name, parameters)                                                                           \
    {                                                                                                                 \
        void *found = dlsym(strncmp(#name, "nvml", 4) == 0 ? nvml : cuda, #name);                                     \
        CHECK_THAT(found == NULL || strcmp(owner(found), "shim") == 0, "%s is not ours", #name);                      \
        reached += found != NULL;                                                                                     \
    }
#include "cuda/hooks.def"
#undef HOOK
    CHECK_THAT(reached > 40, "only %d", reached);
}

static void gpu_less_program(void)
{
    CHECK_STR(owner(dlsym(RTLD_DEFAULT, "cuInit")), "none");
    CHECK_STR(owner(dlsym(RTLD_DEFAULT, "cuLaunchKernel")), "none");
    CHECK_STR(owner(dlsym(RTLD_DEFAULT, "nvmlDeviceGetMemoryInfo")), "none");
    CHECK(dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_LAZY) == NULL); /* nobody loaded it for us */
    CHECK(dlopen("libnvidia-ml.so.1", RTLD_NOLOAD | RTLD_LAZY) == NULL);
}

/* ---- running the above in preloaded programs ---- */

static const struct program programs[] = {
    PROGRAM(dlsym_by_handle),         PROGRAM(dlsym_pseudo_handles), PROGRAM(foreign_names_keep_their_caller),
    PROGRAM(the_driver_finds_itself), PROGRAM(get_proc_address),     PROGRAM(every_hook_is_reached),
    PROGRAM(gpu_less_program),
};
#define PROGRAMS (sizeof programs / sizeof programs[0])

/* A program linked to libcuda: its references bind to ours, and go on to the driver. */
static const char direct_source[] =
    "#include <stddef.h>\n"
    "int cuInit(unsigned f); int cuDeviceGet(int *d, int n); int cuDevicePrimaryCtxRetain(void **c, int d);\n"
    "int cuCtxSetCurrent(void *c); int cuMemAlloc_v2(unsigned long long *p, size_t n);\n"
    "int cuMemGetInfo_v2(size_t *f, size_t *t);\n"
    "int main(void) { void *c; int d; unsigned long long p; size_t f, t;\n"
    "  if (cuInit(0) || cuDeviceGet(&d, 0) || cuDevicePrimaryCtxRetain(&c, d) || cuCtxSetCurrent(c)) return 1;\n"
    "  if (cuMemGetInfo_v2(&f, &t) || t != (size_t)1 << 30) return 2;\n"
    "  if (cuMemAlloc_v2(&p, (size_t)1 << 29)) return 3;\n"
    "  return cuMemAlloc_v2(&p, (size_t)1 << 30) == 2 ? 0 : 4; }\n";

static struct fixture fixture;
static struct fixture_slice slice;

static void direct_link(void)
{
    char command[PATH_MAX * 2];
    char program[PATH_MAX];
    fixture_write(&fixture, "direct.c", direct_source);
    snprintf(program, sizeof program, "%s/direct", fixture.root);
    snprintf(command, sizeof command, "gcc -o '%s' '%s/direct.c' '%s/sim/libcuda.so.1'", program, fixture.root,
             fixture.build);
    CHECK_EQ(system(command), 0);
    char *argv[] = {program, NULL};
    program_check(&fixture, slice.id, true, argv);
    int status = fixture_wait(fixture_start(&fixture, slice.id, false, "program", argv), 30);
    CHECK_EQ(status, 2); /* without the shim it sees the whole card: the program itself can tell */
}

/* Programs that look for a driver try stubs first, and files of other places after. What they find then is limited,
 * whether they close the stub or not; and a stub that is met later says what a stub says. */
static const char stub_source[] =
    "int cuInit(unsigned f) { (void)f; return 34; }\n"
    "int cuMemAlloc_v2(unsigned long long *p, unsigned long n) { (void)p; (void)n; return 34; }\n"
    "int cuMemGetInfo_v2(unsigned long *f, unsigned long *t) { (void)f; (void)t; return 34; }\n"
    "int nvmlInit_v2(void) { return 12; }\n"
    "int nvmlDeviceGetMemoryInfo(void *d, void *m) { (void)d; (void)m; return 12; }\n";
static const char seeking_source[] =
    "#include <dlfcn.h>\n#include <string.h>\n"
    "typedef int (*init_fn)(unsigned); typedef int (*retain_fn)(void **, int); typedef int (*set_fn)(void *);\n"
    "typedef int (*alloc_fn)(unsigned long long *, unsigned long);\n"
    "int main(int n, char **v) { void *c; unsigned long long p; (void)n;\n"
    "  void *stub = 0; if (strchr(v[1], 'f')) { stub = dlopen(v[2], RTLD_NOW); if (!stub) return 1;\n"
    "    if (((init_fn)dlsym(stub, \"cuInit\"))(0) != 34) return 2;\n"
    "    if (((alloc_fn)dlsym(stub, \"cuMemAlloc_v2\"))(&p, 1) != 34) return 3;\n"
    "    if (strchr(v[1], 'c')) { dlclose(stub); if (dlsym(RTLD_DEFAULT, \"cuInit\")) return 4; } }\n"
    "  void *cuda = dlopen(v[3], RTLD_NOW); if (!cuda) return 5;\n"
    "  if (((init_fn)dlsym(cuda, \"cuInit\"))(0)) return 6;\n"
    "  if (((retain_fn)dlsym(cuda, \"cuDevicePrimaryCtxRetain\"))(&c, 0)) return 7;\n"
    "  if (((set_fn)dlsym(cuda, \"cuCtxSetCurrent\"))(c)) return 8;\n"
    "  alloc_fn alloc = (alloc_fn)dlsym(cuda, \"cuMemAlloc_v2\");\n"
    "  if (strchr(v[1], 'l')) { stub = dlopen(v[2], RTLD_NOW);\n"
    "    if (!stub || ((init_fn)dlsym(stub, \"cuInit\"))(0) != 34) return 9; }\n"
    "  return alloc(&p, 1ul << 29) ? 10 : alloc(&p, 1ul << 30) == 2 ? 0 : 11; }\n";

/* musl has no dlvsym, and looks for libraries in its own way. */
static const char other_libc_source[] =
    "#include <dlfcn.h>\n#include <stdio.h>\n#include <string.h>\n"
    "int main(int n, char **v) { unsigned long long p; (void)n; if (!dlsym(RTLD_DEFAULT, \"strlen\")) return 2;\n"
    "  void *cuda = dlopen(v[1], RTLD_NOW); if (!cuda) { puts(dlerror()); return 3; }\n"
    "  if (((int (*)(unsigned))dlsym(cuda, \"cuInit\"))(0)) return 4;\n"
    "  int (*alloc)(unsigned long long *, unsigned long) = (int (*)(unsigned long long *, unsigned long))\n"
    "      dlsym(cuda, \"cuMemAlloc_v2\");\n"
    "  return alloc(&p, 1ul << 29) ? 5 : alloc(&p, 1ul << 30) == 2 ? 0 : 6; }\n";

static void another_libc(void)
{
    char command[PATH_MAX * 3];
    char program[PATH_MAX], driver[PATH_MAX];
    if (system("command -v musl-gcc >/dev/null") != 0) {
        printf("     musl-gcc is not installed (package musl-tools): another_libc did not run\n");
        return;
    }
    fixture_write(&fixture, "other_libc.c", other_libc_source);
    snprintf(program, sizeof program, "%s/other_libc", fixture.root);
    snprintf(driver, sizeof driver, "%s/other/libcuda.so.1", fixture.root);
    snprintf(command, sizeof command,
             "mkdir -p '%s/other' && musl-gcc -o '%s' '%s/other_libc.c' && musl-gcc -shared -fPIC -Iagent/vendor "
             "-Wl,-soname,libcuda.so.1 -o '%s' test/agent/clock_driver.c",
             fixture.root, program, fixture.root, driver);
    CHECK_EQ(system(command), 0);
    char *argv[] = {program, driver, NULL};
    program_check(&fixture, slice.id, true, argv);
    char *shell[] = {program, "/nowhere", NULL}; /* without CUDA it runs as it would without us */
    CHECK_EQ(fixture_wait(fixture_start(&fixture, slice.id, true, "program", shell), 30), 3);
}

static void a_stub_first(void)
{
    char command[PATH_MAX * 3];
    char program[PATH_MAX], stub[PATH_MAX], real[PATH_MAX];
    fixture_write(&fixture, "stub.c", stub_source);
    fixture_write(&fixture, "seeking.c", seeking_source);
    snprintf(stub, sizeof stub, "%s/stubs/libcuda.so", fixture.root);
    snprintf(real, sizeof real, "%s/sim/libcuda.so.1", fixture.build);
    snprintf(program, sizeof program, "%s/seeking", fixture.root);
    snprintf(command, sizeof command,
             "mkdir -p '%s/stubs' && gcc -shared -fPIC -Wl,-soname,libcuda.so.1 -o '%s' '%s/stub.c' && gcc -o '%s' "
             "'%s/seeking.c' -ldl",
             fixture.root, stub, fixture.root, program, fixture.root);
    CHECK_EQ(system(command), 0);
    for (unsigned at = 0; at < 4; at++) {
        /* f: first, c: closed, l: later */
        const char *letters[] = {"fc", "f", "l", "fcl"};
        char *argv[] = {program, (char *)letters[at], stub, real, NULL};
        program_check(&fixture, slice.id, true, argv);
    }
}

static const char nvml_source[] =
    "#include <dlfcn.h>\n"
    "struct memory { unsigned long long total, free, used; };\n"
    "typedef int (*init_fn)(void); typedef int (*handle_fn)(unsigned, void **);\n"
    "typedef int (*info_fn)(void *, struct memory *);\n"
    "int main(int n, char **v) { struct memory m = {0}; void *d; (void)n; void *stub = dlopen(v[1], RTLD_NOW);\n"
    "  if (!stub || ((init_fn)dlsym(stub, \"nvmlInit_v2\"))() != 12) return 1;\n"
    "  if (((info_fn)dlsym(stub, \"nvmlDeviceGetMemoryInfo\"))(0, &m) != 12) return 2;\n"
    "  void *nvml = dlopen(v[2], RTLD_NOW); if (!nvml || ((init_fn)dlsym(nvml, \"nvmlInit_v2\"))()) return 3;\n"
    "  if (((handle_fn)dlsym(nvml, \"nvmlDeviceGetHandleByIndex_v2\"))(0, &d)) return 4;\n"
    "  if (((info_fn)dlsym(nvml, \"nvmlDeviceGetMemoryInfo\"))(d, &m)) return 5;\n"
    "  return m.total == 1ull << 30 ? 0 : 6; }\n";

static void a_stub_of_nvml_first(void)
{
    char command[PATH_MAX * 3];
    char program[PATH_MAX], stub[PATH_MAX], real[PATH_MAX];
    fixture_write(&fixture, "stub.c", stub_source);
    fixture_write(&fixture, "nvml.c", nvml_source);
    snprintf(stub, sizeof stub, "%s/stubs/libnvidia-ml.so", fixture.root);
    snprintf(real, sizeof real, "%s/sim/libnvidia-ml.so.1", fixture.build);
    snprintf(program, sizeof program, "%s/nvml", fixture.root);
    snprintf(command, sizeof command,
             "mkdir -p '%s/stubs' && gcc -shared -fPIC -Wl,-soname,libnvidia-ml.so.1 -o '%s' '%s/stub.c' && gcc -o "
             "'%s' '%s/nvml.c' -ldl",
             fixture.root, stub, fixture.root, program, fixture.root);
    CHECK_EQ(system(command), 0);
    char *argv[] = {program, stub, real, NULL};
    program_check(&fixture, slice.id, true, argv);
}

/* A program that defines such a name itself gets its own by RTLD_DEFAULT, not ours, with and without a driver. */
static const char own_source[] =
    "#define _GNU_SOURCE\n#include <dlfcn.h>\n"
    "int cuMemFree_v2(unsigned long long p) { return (int)p; }\n"
    "int main(void) { void *mine = (void *)cuMemFree_v2;\n"
    "  if (dlsym(RTLD_DEFAULT, \"cuMemFree_v2\") != mine) return 1;\n"
    "  void *cuda = dlopen(\"libcuda.so.1\", RTLD_NOW | RTLD_LOCAL); if (!cuda) return 2;\n"
    "  if (dlsym(RTLD_DEFAULT, \"cuMemFree_v2\") != mine) return 3;\n"
    "  void *theirs = dlsym(cuda, \"cuMemFree_v2\"); return theirs != mine && theirs ? 0 : 4; }\n";

static void own_function_of_that_name(void)
{
    char command[PATH_MAX * 2];
    char program[PATH_MAX];
    fixture_write(&fixture, "own.c", own_source);
    snprintf(program, sizeof program, "%s/own", fixture.root);
    snprintf(command, sizeof command, "gcc -rdynamic -o '%s' '%s/own.c' -ldl", program, fixture.root);
    CHECK_EQ(system(command), 0);
    char *argv[] = {program, NULL};
    program_check(&fixture, slice.id, true, argv);
}

/* A library between the program and another one asks for the next of a name: the one behind it, not the one behind us. */
static const char first_source[] = "#define _GNU_SOURCE\n#include <dlfcn.h>\n"
                                   "int which(void) { return 1; }\n"
                                   "int next(void) { int (*f)(void) = (int (*)(void))dlsym(RTLD_NEXT, \"which\");\n"
                                   "  return f ? f() : 0; }\n";
static const char behind_source[] = "int which(void) { return 2; }\n";
static const char between_source[] = "int next(void); int which(void);\n"
                                     "int main(void) { return which() == 1 && next() == 2 ? 0 : 10 + next(); }\n";

static void the_next_is_the_callers(void)
{
    char command[PATH_MAX * 4];
    char program[PATH_MAX];
    const char *root = fixture.root;
    fixture_write(&fixture, "first.c", first_source);
    fixture_write(&fixture, "behind.c", behind_source);
    fixture_write(&fixture, "between.c", between_source);
    snprintf(program, sizeof program, "%s/between", root);
    snprintf(
        command, sizeof command,
        "cd '%s' && gcc -shared -fPIC -o libfirst.so first.c -ldl && gcc -shared -fPIC -o libbehind.so behind.c && "
        "gcc -o between between.c -Wl,--no-as-needed -L. -lfirst -lbehind -Wl,-rpath,'%s'",
        root, root);
    CHECK_EQ(system(command), 0);
    char *argv[] = {program, NULL};
    program_check(&fixture, slice.id, true, argv);
}

/* What a shell and its tools do must not change. */
static void common_programs(void)
{
    const char *node = getenv("NODE") == NULL ? "" : getenv("NODE");
    char *const commands[][4] = {
        {"/bin/sh", "-c", "echo hello | tr a-z A-Z | grep -q HELLO", NULL},
        {"/usr/bin/env", "true", NULL, NULL},
        {"/usr/bin/python3", "-c", "import ctypes, threading; assert not hasattr(ctypes.CDLL(None), 'cuInit')", NULL},
        {"/bin/bash", "-c", "for i in 1 2 3; do (exit 0); done", NULL},
        {(char *)node, "-e", "process.exit(require('os').availableParallelism() > 0 ? 0 : 1)", NULL},
        {"/usr/bin/java", "-Xmx64m", "-version", NULL},
    };
    for (size_t at = 0; at < sizeof commands / sizeof commands[0]; at++) {
        if (access(commands[at][0], X_OK) == 0) {
            char plain[8192], preloaded[8192];
            program_check(&fixture, slice.id, false, commands[at]);
            fixture_output(&fixture, "program", plain, sizeof plain);
            program_check(&fixture, slice.id, true, commands[at]);
            fixture_output(&fixture, "program", preloaded, sizeof preloaded);
            CHECK_STR(preloaded, plain);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc == 2) return program_inside(programs, PROGRAMS, argv[1], NULL);
    check_needs_build();
    fixture_open(&fixture, "");
    fixture_slice(&fixture, &slice, 1, UINT64_C(1) << 30, 10000);
    for (size_t at = 0; at < PROGRAMS; at++) program_test(&fixture, slice.id, true, programs[at].name);
    RUN(direct_link);
    RUN(a_stub_first);
    RUN(a_stub_of_nvml_first);
    RUN(another_libc);
    RUN(own_function_of_that_name);
    RUN(the_next_is_the_callers);
    RUN(common_programs);
    fixture_close(&fixture);
    return check_done();
}
