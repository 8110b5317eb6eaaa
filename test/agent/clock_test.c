/* A limit of GPU time under clocks that are not the host's: interposed ones that stand still, run fast or are a day off,
 * and time namespaces. On a driver that works in real time, so bounds are wide.
 * build: agent/common/region_file.c
 * needs: native
 * sanitize: none */
#include "check.h"
#include "cuda_min.h"
#include "program.h"

#include <dlfcn.h>
#include <sys/syscall.h>
#include <time.h>

#define LIMIT_BP 2000
#define RUN_NS UINT64_C(2000000000)
#define KERNEL_US 1000u
/* A limit of 20 percent, on a machine that may be busy otherwise. */
#define LEAST 0.05
#define MOST 0.35

static uint64_t real_ns(void)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Launches kernels of a millisecond, each waited for, and says which part of the time the GPU was busy. */
static void work(void)
{
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (cuda == NULL) fixture_fail(dlerror());
    CUresult (*init)(unsigned) = (CUresult(*)(unsigned))dlsym(cuda, "cuInit");
    CUresult (*load)(CUmodule *, const void *) =
        (CUresult(*)(CUmodule *, const void *))dlsym(cuda, "cuModuleLoadData");
    CUresult (*find)(CUfunction *, CUmodule, const char *) =
        (CUresult(*)(CUfunction *, CUmodule, const char *))dlsym(cuda, "cuModuleGetFunction");
    CUresult (*wait)(CUstream) = (CUresult(*)(CUstream))dlsym(cuda, "cuStreamSynchronize");
    CUresult (*launch)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream,
                       void **, void **) =
        (CUresult(*)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream,
                     void **, void **))dlsym(cuda, "cuLaunchKernel");
    CUmodule module;
    CUfunction function;
    CHECK_EQ(init(0), CUDA_SUCCESS);
    CHECK_EQ(load(&module, "image"), CUDA_SUCCESS);
    CHECK_EQ(find(&function, module, "kernel"), CUDA_SUCCESS);
    uint64_t launches = 0, begin = 0;
    for (uint64_t start = real_ns(), now = start; now - start < RUN_NS; now = real_ns()) {
        if (begin == 0 && now - start > RUN_NS / 4) { /* after what was saved up and what prices cost to learn */
            begin = now;
            launches = 0;
        }
        CHECK_EQ(launch(function, KERNEL_US, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL), CUDA_SUCCESS);
        CHECK_EQ(wait(NULL), CUDA_SUCCESS);
        launches++;
    }
    printf("{\"busy\":%.4f}\n", (double)launches * KERNEL_US * 1000 / (double)(real_ns() - begin));
}

static const struct program programs[] = {PROGRAM(work)};

/* ---- outside ---- */

static struct fixture fixture;
static struct fixture_slice slice;

/* What libfaketime and replay tools do: FAKE is "stands", "fast" or "off". */
static const char fake_source[] =
    "#define _GNU_SOURCE\n#include <stdlib.h>\n#include <sys/syscall.h>\n#include <time.h>\n#include <unistd.h>\n"
    "int clock_gettime(clockid_t id, struct timespec *t) { static struct timespec first; const char *how = "
    "getenv(\"FAKE\");\n"
    "  int r = (int)syscall(SYS_clock_gettime, id, t); if (id != CLOCK_MONOTONIC || !how) return r;\n"
    "  if (!first.tv_sec) first = *t;\n"
    "  if (how[0] == 's') *t = first;\n"
    "  if (how[0] == 'o') t->tv_sec -= 86400 < t->tv_sec ? 86400 : t->tv_sec - 1;\n"
    "  if (how[0] == 'f') { long long ns = (t->tv_sec - first.tv_sec) * 1000000000ll + t->tv_nsec - first.tv_nsec;\n"
    "    ns = ns * 10 + first.tv_nsec; t->tv_sec = first.tv_sec + ns / 1000000000; t->tv_nsec = ns % 1000000000; }\n"
    "  return r; }\n";

static pid_t start(const char *name, const char *fake, char *const before[])
{
    static char preload[2 * PATH_MAX + 32], library_path[PATH_MAX], how[32], self[PATH_MAX];
    char *argv[16] = {"/usr/bin/env"};
    int count = 1;
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s/fake.so:%s/libtranche.so", fixture.root, fixture.build);
    snprintf(library_path, sizeof library_path, "LD_LIBRARY_PATH=%s/driver", fixture.root);
    snprintf(how, sizeof how, "FAKE=%s", fake == NULL ? "" : fake);
    CHECK(realpath("/proc/self/exe", self) != NULL);
    for (; before != NULL && *before != NULL; before++) argv[count++] = *before;
    argv[count++] = "/usr/bin/env";
    argv[count++] = preload;
    argv[count++] = library_path;
    argv[count++] = how;
    argv[count++] = self;
    argv[count++] = "work";
    argv[count] = NULL;
    return fixture_start(&fixture, slice.id, false, name, argv);
}

static double busy_of(const char *name, pid_t pid)
{
    char output[4096];
    int status = fixture_wait(pid, 60);
    fixture_output(&fixture, name, output, sizeof output);
    CHECK_THAT(status == 0, "status %d: %s", status, output);
    return fixture_figure(output, "busy");
}

static void check_alone(const char *fake)
{
    double busy = busy_of("alone", start("alone", fake, NULL));
    CHECK_THAT(busy >= LEAST && busy <= MOST, "busy %.3f of the time", busy);
}

static void the_hosts_clock(void)
{
    check_alone(NULL);
}

static void a_clock_that_stands_still(void)
{
    check_alone("stands");
}

static void a_clock_that_runs_fast(void)
{
    check_alone("fast");
}

static void check_beside(const char *fake, char *const before[])
{
    pid_t plain = start("plain", NULL, NULL);
    double other = busy_of("other", start("other", fake, before));
    double busy = busy_of("plain", plain);
    CHECK_THAT(busy + other >= LEAST && busy + other <= MOST, "%.3f and %.3f", busy, other);
}

static void a_day_off_beside_another(void)
{
    check_beside("off", NULL);
}

static void a_time_namespace_beside_another(void)
{
    char *const before[] = {"unshare", "-Ur", "--time", "--monotonic", "86400", "--boottime", "86400", NULL};
    char *const probe[] = {"/usr/bin/env", "unshare", "-Ur", "--time", "--monotonic", "86400", "true", NULL};
    if (fixture_wait(fixture_start(&fixture, NULL, false, "probe", probe), 30) != 0) {
        printf("     no time namespaces here: a_time_namespace_beside_another did not run\n");
        return;
    }
    check_beside(NULL, before);
}

int main(int argc, char **argv)
{
    char command[3 * PATH_MAX];
    if (argc == 2) return program_inside(programs, 1, argv[1], NULL);
    check_needs_build();
    fixture_open(&fixture, "");
    fixture_slice(&fixture, &slice, 1, UINT64_C(1) << 30, LIMIT_BP);
    fixture_write(&fixture, "fake.c", fake_source);
    snprintf(command, sizeof command,
             "mkdir -p '%s/driver' && gcc -shared -fPIC -o '%s/fake.so' '%s/fake.c' && gcc -shared -fPIC "
             "-Iagent/vendor -Wl,-soname,libcuda.so.1 -o '%s/driver/libcuda.so.1' test/agent/clock_driver.c",
             fixture.root, fixture.root, fixture.root, fixture.root);
    if (system(command) != 0) fixture_fail(command);
    RUN(the_hosts_clock);
    RUN(a_clock_that_stands_still);
    RUN(a_clock_that_runs_fast);
    RUN(a_day_off_beside_another);
    RUN(a_time_namespace_beside_another);
    fixture_close(&fixture);
    return check_done();
}
