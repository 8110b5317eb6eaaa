/* What reads bytes that others wrote, each as a function of those bytes: run by libFuzzer (`npm run fuzz`), and with
 * mutated good examples by test/agent/fuzz_state_test.c. The sources are included, so that what is static is reached.
 *   line      a line of the protocol, and nested values as the command line reads them
 *   state     slices.jsonl, with the checksum set right: what stands behind it must hold too
 *   settings  the files `settings` and `quotas`
 *   audit     audit.jsonl, each line with its checksum set right
 *   cgroup    /proc/PID/cgroup, whose names its owner chooses
 *   history   a ring file of the past, and a question about it
 *   regions   policy, usage and board files, then what the shim does with them
 * An input that crashes, hangs, leaks or breaks a rule stops the run; refusing it is right, of whatever kind it is. */
#include "../../agent/src/journal/audit.c"
#undef KIND_COUNT

#include "admit.h"
#include "bucket.h"
#include "hash.h"
#include "base/line.h"
#include "base/now.h"
#include "records/history.h"
#include "state/settings.h"
#include "state/slice_store.h"
#include "state/undo.h"
#include "json.h"
#include "slices/measure.h"
#include "region_file.h"
#include "state/slice.h"
#include "base/workload.h"

#include <stdlib.h>

#define ONE_LINE_MAX 65536
#define LIMIT (UINT64_C(1) << 30)

/* ---- what the rest of the agent would be ---- */

static struct agent agent;

int64_t now_wall_ms(void)
{
    return INT64_C(1763827200000);
}
int64_t now_mono_ms(void)
{
    return 1;
}
void notices_tell(struct agent *a, const char *code, const char *id, uint32_t pid, const char *message)
{
    (void)a, (void)code, (void)id, (void)pid, (void)message;
}
struct gpu_state *agent_gpu(struct agent *a, const char *uuid)
{
    (void)a, (void)uuid;
    return NULL;
}
uint64_t measure_believed(const struct gpu_state *gpu, const struct slice *slice)
{
    (void)gpu, (void)slice;
    return 1;
}
void notices_send(struct agent *a, struct json_writer *w, bool is_minor)
{
    (void)a, (void)is_minor;
    json_writer_free(w);
}

/* A directory of this process alone, made once. */
static const char *folder(void)
{
    static char root[64];
    char path[128];
    if (root[0] == '\0') {
        strcpy(root, "/dev/shm/tranche-fuzz-XXXXXX");
        if (mkdtemp(root) == NULL) abort();
        snprintf(path, sizeof path, "%s/history", root);
        if (mkdir(path, 0700) != 0) abort();
        strcpy(agent.places.state, root);
        json_writer_init(&agent.scratch, AGENT_LINE_MAX_BYTES);
    }
    return root;
}

static void put_file(char path[128], const char *name, const void *data, size_t size)
{
    snprintf(path, 128, "%s/%s", folder(), name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) != 0) abort();
}

/* ---- the targets ---- */

static void target_line(const uint8_t *data, size_t size)
{
    static char line[ONE_LINE_MAX + 1];
    static struct json_object object;
    if (size > ONE_LINE_MAX) return;
    memcpy(line, data, size);
    line[size] = '\0';
    struct json_span member, whole = {line, line + size};
    (void)json_member(whole, "slices", &member);
    if (json_parse_flat(line, size, &object, NULL) != 0) return;
    for (size_t at = 0; at < object.count; at++) {
        const struct json_field *field = &object.fields[at];
        int64_t number;
        const char *text;
        (void)json_get_integer(&object, field->key, 0, JSON_INTEGER_MAX, &number);
        if (json_get_text(&object, field->key, &text) == 1 && strlen(text) > size) abort();
    }
}

static void target_state(const uint8_t *data, size_t size)
{
    static char file[ONE_LINE_MAX + 256];
    char path[128];
    if (size > ONE_LINE_MAX) return;
    memcpy(file, data, size);
    int64_t lines = 0;
    for (size_t at = 0; at < size; at++) lines += data[at] == '\n';
    int tail = snprintf(file + size, 256, "{\"kind\":\"end\",\"lines\":%lld,\"checksum\":\"%016llx\"}\n",
                        (long long)lines, (unsigned long long)hash_bytes(file, size));
    put_file(path, "slices.jsonl", file, size + (size_t)tail);
    struct slice_table table;
    if (slice_store_load(&table, folder(), now_wall_ms()) == 0) {
        /* What was taken must be fit to be written, and to be read again as it was. */
        size_t count = table.count;
        if (count > 0 && slice_store_save(&table, folder()) == 0) {
            struct slice_table again;
            if (slice_store_load(&again, folder(), now_wall_ms()) != 0 || again.count != count) abort();
            slice_table_free(&again);
        }
    }
    slice_table_free(&table);
    snprintf(path, sizeof path, "%s/slices.jsonl.broken-%lld", folder(), (long long)now_wall_ms());
    (void)unlink(path);
    snprintf(path, sizeof path, "%s/slices.jsonl.prev", folder());
    (void)unlink(path);
}

static void target_settings(const uint8_t *data, size_t size)
{
    char path[128];
    put_file(path, "settings", data, size);
    settings_load(&agent);
    put_file(path, "quotas", data, size);
    quota_load(&agent);
    for (size_t at = 0; at < agent.quota_count; at++) {
        const struct quota *q = &agent.quotas[at];
        if (q->subject[0] == '\0' || q->memory_bytes_max < QUOTA_NONE || q->slices_max > SLICES_MAX) abort();
    }
    if (agent.memory_overcommit_max_percent != 0 &&
        (agent.memory_overcommit_max_percent < 100 || agent.memory_overcommit_max_percent > OVERCOMMIT_MAX_PERCENT)) {
        abort();
    }
}

static void target_audit(const uint8_t *data, size_t size)
{
    static char file[2 * ONE_LINE_MAX];
    size_t length = 0;
    char path[128];
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t n = end == NULL ? size - at : (size_t)(end - (data + at));
        if (length + n + 32 > sizeof file) break;
        length +=
            (size_t)sprintf(file + length, "%016llx ", (unsigned long long)hash_bytes((const char *)data + at, n));
        memcpy(file + length, data + at, n);
        length += n;
        if (end != NULL) file[length++] = '\n';
        at += n + 1;
    }
    put_file(path, "audit.jsonl", file, length);
    if (audit_open(&agent) != 0) return;
    struct json_writer out;
    json_writer_init(&out, AGENT_LINE_MAX_BYTES);
    json_open(&out, '{');
    struct audit_query query = {.to_ms = JSON_INTEGER_MAX, .before_seq = JSON_INTEGER_MAX, .max = AUDIT_RECORDS_MAX};
    (void)audit_read(&agent, &query, &out);
    query.slice_id = "s-00000000000000aa";
    (void)audit_read(&agent, &query, &out);
    json_writer_free(&out);
}

static void target_cgroup(const uint8_t *data, size_t size)
{
    struct workload w;
    workload_of_cgroup((const char *)data, size, &w);
    for (const char *at = w.container; *at; at++) {
        if (*at < ' ' || *at > '~' || strlen(w.container) >= WORKLOAD_BYTES) abort();
    }
    for (const char *at = w.unit; *at; at++) {
        if (*at < ' ' || *at > '~' || strlen(w.unit) >= WORKLOAD_BYTES) abort();
    }
}

static void target_history(const uint8_t *data, size_t size)
{
    char path[128];
    put_file(path, "history/s-00000000000000aa.1s", data, size);
    struct history_job *job =
        history_query(&agent, "s-00000000000000aa", false, now_wall_ms() - 600000, now_wall_ms(), 500);
    bool last = job == NULL;
    for (int chunk = 0; !last && chunk < 1000; chunk++) {
        struct shared_line *line = history_chunk(&agent, job, &last);
        if (line == NULL) break;
        free(line);
    }
    free(job);
}

static void target_regions(const uint8_t *data, size_t size)
{
    static uint8_t whole[sizeof(struct region_usage)];
    char path[128];
    const struct region_policy *policy = NULL;
    struct region_policy *written = NULL;
    struct region_usage *usage = NULL;
    struct region_policy initial = {
        .compute_limit_bp = 5000, .memory_limit_bytes = LIMIT, .gpu_capacity_bytes = LIMIT};
    const struct region_line *line = NULL;
    struct region_board_slot slot;
    /* As it is; then with a right header, so that what stands behind it is reached. */
    put_file(path, "usage", data, size);
    if (region_usage_map(path, &usage, NULL) == 0) region_usage_unmap(usage);
    put_file(path, "policy-raw", data, size);
    if (region_policy_map_ro(path, &policy) == 0) region_policy_unmap(policy);
    put_file(path, "line", data, size);
    if (region_line_map_ro(path, &line) == 0) {
        (void)region_line_read(&line, 1, &slot);
        region_line_unmap(line);
    }
    snprintf(path, sizeof path, "%s/policy", folder());
    (void)unlink(path);
    if (region_policy_create(path, &initial, 0600) != 0 || region_policy_map_rw(path, &written) != 0) return;
    snprintf(path, sizeof path, "%s/usage-made", folder());
    (void)unlink(path);
    if (region_usage_create(path, 0600) == 0 && region_usage_map(path, &usage, NULL) == 0) {
        size_t header = offsetof(struct region_usage, entries_high);
        size_t n = size < sizeof whole - header ? size : sizeof whole - header;
        memcpy((uint8_t *)usage + header, data, n);
        const struct life_place place = {.usage = usage, .pid_namespace = life_pid_namespace()};
        struct region_entry *own = NULL;
        void *kept = NULL;
        if (admit_claim(&place, admit_token((uint32_t)getpid(), 1), 1, &own, &kept) == 0 &&
            admit_reserve(written, &place, own, LIMIT / 2) && admit_used(usage) > LIMIT)
            abort();
        bucket_refill(usage, now_wall_ms() < 0 ? 0 : 1u << 30, 5000);
        (void)bucket_take(usage, 1000);
        (void)bucket_wait_ns(bucket_level(usage), 5000);
        region_usage_unmap(usage);
    }
    region_policy_unmap(written);
}

static const struct {
    const char *name;
    void (*run)(const uint8_t *data, size_t size);
} targets[] = {
    {"line", target_line},     {"state", target_state},     {"settings", target_settings}, {"audit", target_audit},
    {"cgroup", target_cgroup}, {"history", target_history}, {"regions", target_regions},
};
#define TARGETS (sizeof targets / sizeof targets[0])

#ifdef FUZZ_TARGET
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)folder();
    for (size_t at = 0; at < TARGETS; at++) {
        if (strcmp(targets[at].name, FUZZ_TARGET) == 0) targets[at].run(data, size);
    }
    return 0;
}
#endif
