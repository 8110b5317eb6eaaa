/* The targets of test/fuzz without libFuzzer: good examples, and what becomes of them by a few thousand mutations each.
 * The seed is printed; FUZZ_SEED and FUZZ_ROUNDS run others and longer.
 * build: agent/src/base/sealed.c agent/common/json.c agent/common/text.c agent/common/fs.c agent/common/log.c agent/common/region_file.c agent/common/admit.c agent/common/proc_stat.c agent/common/life.c agent/common/host_clock.c agent/common/bucket.c agent/src/state/slice.c agent/src/state/undo.c agent/src/state/slice_settings.c agent/src/state/slice_store.c agent/src/records/history.c agent/src/state/settings.c agent/src/base/workload.c agent/src/state/quota.c agent/src/base/groups.c agent/src/base/people.c agent/src/state/admission.c agent/src/base/failure.c agent/src/base/line.c
 * sanitize: address,undefined
 */
#include "../fuzz/targets.c"

#include "check.h"

#include <dirent.h>

#define ROUNDS_DEFAULT 3000u
#define HANG_SECONDS 120
#define EXAMPLE_MAX 8192

static uint64_t seed;

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static size_t mutate(uint8_t *data, size_t size)
{
    static const char tokens[] = "{}[]\",:\\nulltrue-0123456789.e\n \xff";
    for (unsigned change = 1 + (unsigned)(next() % 6); change > 0 && size > 0; change--) {
        size_t at = next() % size;
        switch (next() % 5) {
        case 0: data[at] = (uint8_t)next(); break;
        case 1: data[at] = (uint8_t)tokens[next() % (sizeof tokens - 1)]; break;
        case 2: size = at; break;
        case 3:
            memmove(data + at, data + at + 1, size - at - 1);
            size--;
            break;
        default: {
            size_t more = next() % 64 < size - at ? next() % 64 : size - at;
            if (size + more <= EXAMPLE_MAX && at + more <= size) {
                memmove(data + at + more, data + at, size - at);
                size += more;
            }
        }
        }
    }
    return size;
}

static const char *const examples[TARGETS] = {
    "{\"id\":7,\"op\":\"slice-create\",\"gpuUuid\":\"GPU-1\",\"memoryLimitBytes\":1073741824,\"name\":\"m\\u00e9\"}",
    "{\"kind\":\"tranche-slices\",\"format\":1,\"revision\":9}\n",
    "{\"memoryOvercommitMaxPercent\":150,\"subject\":\"@a\",\"memoryBytesMax\":9,\"slicesMax\":2}\n",
    "{\"seq\":1,\"atMs\":1763827200000,\"action\":\"slice-create\",\"sliceId\":\"s-00000000000000aa\",\"uid\":0}\n",
    "0::/kubepods.slice/kubepods-pod1f2e3d4c_5b6a_7980_91a2_b3c4d5e6f708.slice/"
    "crio-3f2a91c0b1de4c55a0f4d2b6e8970123456789abcdef0123456789abcdef0123.scope\n1:a:/slurm/job_1\n",
    "\1\0\0\0\0\0\0\0\0\0\0\0",
    "\1\0\0\0\377\377\377\377",
};

static void run_target(size_t which)
{
    static uint8_t example[EXAMPLE_MAX], data[EXAMPLE_MAX];
    const char *rounds_text = getenv("FUZZ_ROUNDS");
    unsigned rounds = rounds_text == NULL ? ROUNDS_DEFAULT : (unsigned)atoi(rounds_text);
    size_t size = which >= 5 ? EXAMPLE_MAX / 2 : strlen(examples[which]);
    memcpy(example, examples[which], which >= 5 ? 8 : size);
    targets[which].run(example, size);
    for (unsigned round = 0; round < rounds; round++) {
        memcpy(data, example, size);
        targets[which].run(data, mutate(data, size));
    }
}

#define TEST(name, index)                                                                                             \
    static void name(void)                                                                                            \
    {                                                                                                                 \
        run_target(index);                                                                                            \
    }
TEST(lines, 0)
TEST(state_files, 1)
TEST(settings_files, 2)
TEST(audit_files, 3)
TEST(control_groups, 4)
TEST(history_files, 5)
TEST(region_files, 6)

static void tidy(void)
{
    static const char *const folders[] = {"/history", ""};
    char path[400];
    for (int at = 0; at < 2; at++) {
        snprintf(path, sizeof path, "%s%s", folder(), folders[at]);
        DIR *d = opendir(path);
        for (struct dirent *e = d == NULL ? NULL : readdir(d); e != NULL; e = readdir(d)) {
            if (e->d_name[0] == '.') continue;
            char file[700];
            snprintf(file, sizeof file, "%s/%s", path, e->d_name);
            (void)unlink(file);
        }
        if (d != NULL) closedir(d);
        (void)rmdir(path);
    }
    json_writer_free(&agent.scratch);
}

int main(void)
{
    const char *given = getenv("FUZZ_SEED");
    seed = given == NULL ? UINT64_C(0x7ac4e) : strtoull(given, NULL, 0);
    printf("seed %llu\n", (unsigned long long)seed);
    alarm(HANG_SECONDS);
    (void)folder();
    RUN(lines);
    RUN(state_files);
    RUN(settings_files);
    RUN(audit_files);
    RUN(control_groups);
    RUN(history_files);
    RUN(region_files);
    tidy();
    return check_done();
}
