/* Hostile input, by mutation from good examples, under the sanitizers: lines to the JSON parser, and the files that
 * tenants can write (usage, board) or that may lie there damaged (policy). Nothing may crash or hang, a file that is not
 * what it claims is refused, and whatever stands in a usage file, nobody is admitted beyond the limit by it.
 * The seed is printed; FUZZ_SEED and FUZZ_ROUNDS run others and longer.
 * build: agent/common/json.c agent/common/text.c agent/common/region_file.c agent/common/admit.c agent/common/proc_stat.c agent/common/life.c agent/common/host_clock.c agent/common/bucket.c
 * sanitize: address,undefined
 */
#include "admit.h"
#include "bucket.h"
#include "check.h"
#include "json.h"
#include "region_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT (UINT64_C(1) << 30)
#define ROUNDS_DEFAULT 20000u
#define HANG_SECONDS 120

static uint64_t state;
static unsigned rounds;
static char folder[64];

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Words that break arithmetic more often than chance would find them. */
static uint64_t nasty(void)
{
    static const uint64_t words[] = {
        0,     1,         UINT64_MAX, INT64_MAX,         (uint64_t)INT64_MIN,   UINT32_MAX, REGION_CLAIMING,
        LIMIT, LIMIT - 1, LIMIT + 1,  UINT64_C(1) << 48, UINT64_MAX - LIMIT + 1};
    return next() % 4 == 0 ? next() : words[next() % (sizeof words / sizeof words[0])];
}

static void path_of(char path[128], const char *name)
{
    snprintf(path, 128, "%s/%s", folder, name);
}

/* ---- lines ---- */

static void mutate(char *text, size_t *length, size_t room)
{
    static const char tokens[] = "{}[]\",:\\u0d8nulltruefalse-+.eE0123456789 \t\xff\xc3\x80";
    for (unsigned change = (unsigned)(next() % 8); change > 0; change--) {
        size_t at = *length == 0 ? 0 : next() % *length;
        switch (next() % 5) {
        case 0: text[at] = (char)next(); break;
        case 1: text[at] = tokens[next() % (sizeof tokens - 1)]; break;
        case 2: *length = at; break;
        case 3:
            if (*length + 1 < room) {
                memmove(text + at + 1, text + at, *length - at);
                text[at] = tokens[next() % (sizeof tokens - 1)];
                (*length)++;
            }
            break;
        default:
            if (*length * 2 < room) {
                memcpy(text + *length, text + at, *length - at);
                *length += *length - at;
            }
        }
    }
}

static void lines(void)
{
    static const char *const seeds[] = {
        "{\"op\":\"slice-create\",\"id\":7,\"gpuUuid\":\"GPU-1\",\"memoryLimitBytes\":8589934592,\"name\":"
        "\"a\\u00e9\"}",
        "{\"op\":\"slice-resize\",\"sliceId\":\"s-0123456789abcdef\",\"computeLimitPercent\":-1.5e300,\"x\":null}",
        "{\"op\":\"hello\",\"ranges\":[[1,2],[3,4]],\"deep\":{\"a\":{\"b\":[true,false]}}}",
    };
    unsigned taken = 0;
    for (unsigned round = 0; round < rounds * 5; round++) {
        char text[2048];
        const char *seed = seeds[next() % (sizeof seeds / sizeof seeds[0])];
        size_t length = strlen(seed);
        memcpy(text, seed, length);
        mutate(text, &length, sizeof text - 1);
        /* From memory of exactly this size, so that a read beyond the end is seen. */
        char *line = malloc(length + 1);
        memcpy(line, text, length);
        line[length] = 0;
        struct json_object object;
        const char *why = NULL;
        if (json_parse_flat(line, length, &object, &why) == 0) {
            taken++;
            CHECK(object.count <= JSON_FIELDS_MAX);
            for (unsigned at = 0; at < object.count; at++)
                if (object.fields[at].type == JSON_STRING) CHECK(strlen(object.fields[at].text) <= length);
        } else {
            CHECK(why != NULL);
        }
        free(line);
    }
    CHECK(taken > rounds / 10); /* it is the parser that is tested, not its first character */
}

/* ---- files ---- */

static void write_file(const char *path, const void *content, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && write(fd, content, bytes) == (ssize_t)bytes);
    close(fd);
}

/* Headers that are wrong in one word, sizes that are wrong by some bytes: all refused, by every way in. */
static void damaged_files_are_refused(void)
{
    static struct region_usage usage;
    static struct region_policy policy;
    static struct region_line line;
    char path[128];
    path_of(path, "file");
    for (unsigned round = 0; round < rounds / 40; round++) {
        struct {
            uint64_t magic;
            uint32_t abi, bytes;
        } head;
        unsigned kind = (unsigned)(next() % 3);
        void *content = kind == 0 ? (void *)&policy : kind == 1 ? (void *)&usage : (void *)&line;
        size_t size = kind == 0 ? sizeof policy : kind == 1 ? sizeof usage : sizeof line;
        head.magic = kind == 0 ? REGION_POLICY_MAGIC : kind == 1 ? REGION_USAGE_MAGIC : REGION_LINE_MAGIC;
        head.abi = REGION_ABI;
        head.bytes = (uint32_t)size;
        size_t written = size;
        switch (next() % 4) {
        case 0: head.magic ^= UINT64_C(1) << next() % 64; break;
        case 1: head.abi ^= 1u << next() % 32; break;
        case 2: head.bytes ^= 1u << next() % 32; break;
        default: written = next() % size; break;
        }
        memcpy(content, &head, sizeof head);
        write_file(path, content, written);
        const struct region_policy *mapped_policy = NULL;
        struct region_policy *writable = NULL;
        struct region_usage *mapped_usage = NULL;
        int fd = -1;
        CHECK(region_policy_map_ro(path, &mapped_policy) < 0);
        CHECK(region_policy_map_rw(path, &writable) < 0);
        CHECK(region_usage_map(path, &mapped_usage, NULL) < 0);
        CHECK(region_usage_open(path, &fd) < 0);
        const struct region_line *mapped_line = NULL;
        struct region_line *own_line = NULL;
        CHECK(region_line_open(path, &fd) < 0);
        CHECK(region_line_map_ro(path, &mapped_line) < 0);
        CHECK(region_line_map(path, &own_line) < 0);
    }
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(mkfifo(path, 0600), 0); /* opening it must not wait for a writer */
    struct region_usage *mapped = NULL;
    CHECK(region_usage_map(path, &mapped, NULL) < 0);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(symlink("/etc/passwd", path), 0);
    CHECK(region_usage_map(path, &mapped, NULL) < 0);
    CHECK_EQ(unlink(path), 0);
}

/* A tenant cuts its file while another reads it. */
static void truncated_under_a_reader(void)
{
    static struct region_usage content;
    char path[128];
    int fd = -1;
    path_of(path, "usage");
    CHECK_EQ(region_usage_create(path, 0600), 0);
    CHECK_EQ(region_usage_open(path, &fd), 0);
    CHECK_EQ(region_usage_read(fd, &content), 0);
    CHECK_EQ(truncate(path, 4096), 0);
    CHECK(region_usage_read(fd, &content) < 0);
    CHECK_EQ(truncate(path, 0), 0);
    CHECK(region_usage_read(fd, &content) < 0);
    close(fd);
    CHECK_EQ(unlink(path), 0);
}

/* Every word of the page hostile, but for a process's own entry: it gets nothing beyond the limit, and gives back all. */
static void nonsense_admits_nobody_beyond_the_limit(void)
{
    static struct region_usage usage;
    static struct region_policy policy;
    const uint64_t token = admit_token((uint32_t)getpid(), admit_start_ticks((uint32_t)getpid()));
    unsigned granted = 0;
    unsigned refused = 0;
    for (unsigned round = 0; round < rounds / 4; round++) {
        memset(&usage, 0, sizeof usage);
        memset(&policy, 0, sizeof policy);
        atomic_store(&policy.memory_limit_bytes, next() % 8 == 0 ? nasty() : LIMIT);
        atomic_store(&policy.residue_bytes, next() % 4 == 0 ? nasty() : 0);
        atomic_store(&policy.residue_sequence, next() % 4 == 0 ? nasty() : 0);
        atomic_store(&usage.entries_high, next() % 2 == 0 ? (uint32_t)nasty() : 4u);
        unsigned spoilt = (unsigned)(next() % 4);
        for (unsigned at = 0; at < spoilt; at++) {
            struct region_entry *entry = &usage.entries[next() % 6];
            atomic_store(&entry->token, next() % 2 == 0 ? token + (1 + next() % 3) * UINT64_C(0x100000000) : nasty());
            atomic_store(&entry->memory_bytes, nasty());
            atomic_store(&entry->pending_bytes, next() % 4 == 0 ? nasty() : 0);
            atomic_store(&entry->estimate_bytes, nasty());
            atomic_store(&entry->estimate_until, nasty());
            atomic_store(&entry->flags, (uint32_t)nasty());
        }
        atomic_store(&usage.bucket_level_ns, (int64_t)nasty());
        atomic_store(&usage.bucket_refilled_at_ns, nasty());
        const struct life_place place = {.usage = &usage, .pid_namespace = life_pid_namespace()};
        struct region_entry *own = NULL;
        void *kept = NULL;
        if (admit_claim(&place, token, 1, &own, &kept) != 0)
            continue; /* every place is taken by somebody who may live: then nothing is admitted */
        CHECK_EQ(atomic_load(&own->memory_bytes), 0);
        uint64_t limit = atomic_load(&policy.memory_limit_bytes);
        uint64_t bytes = next() % 2 == 0 ? nasty() : next() % LIMIT;
        bool got = admit_reserve(&policy, &place, own, bytes);
        granted += got;
        refused += !got;
        if (got) {
            CHECK(bytes <= limit);
            CHECK_EQ(atomic_load(&own->memory_bytes), bytes);
            CHECK(admit_used(&usage) <= limit);
            admit_release(own, bytes);
        }
        CHECK_EQ(atomic_load(&own->memory_bytes), 0);
        CHECK_EQ(ADMIT_PENDING(atomic_load(&own->pending_bytes)), 0);
        admit_release(own, nasty()); /* more than there is */
        CHECK_EQ(atomic_load(&own->memory_bytes), 0);
        (void)admit_beyond(&policy, &usage);
        (void)admit_reap(&place);
        admit_leave(own, token, kept);
        bucket_refill(&usage, next() % (UINT64_C(1) << 60), (uint32_t)nasty());
        int64_t level = bucket_take(&usage, (int64_t)nasty());
        CHECK(level >= -BUCKET_DEBT_MAX_NS && level <= BUCKET_BURST_NS + BUCKET_DEBT_MAX_NS);
        (void)bucket_wait_ns(bucket_level(&usage), (uint32_t)nasty());
    }
    CHECK(granted > rounds / 100);
    CHECK(refused > rounds / 100);
}

int main(void)
{
    const char *seed = getenv("FUZZ_SEED");
    const char *asked = getenv("FUZZ_ROUNDS");
    state = seed != NULL ? strtoull(seed, NULL, 10) : UINT64_C(0x9e3779b97f4a7c15);
    state = state == 0 ? 1 : state;
    rounds = asked != NULL ? (unsigned)strtoul(asked, NULL, 10) : ROUNDS_DEFAULT;
    printf("     seed %llu, %u rounds\n", (unsigned long long)state, rounds);
    strcpy(folder, "/tmp/tranche-fuzz-XXXXXX");
    if (mkdtemp(folder) == NULL) check_skip("no folder in /tmp");
    if (asked == NULL) alarm(HANG_SECONDS); /* a hang is a finding, too */
    RUN(lines);
    RUN(damaged_files_are_refused);
    RUN(truncated_under_a_reader);
    RUN(nonsense_admits_nobody_beyond_the_limit);
    CHECK_EQ(rmdir(folder), 0);
    return check_done();
}
