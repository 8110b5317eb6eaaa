/* What the agent makes of a slice's usage file: rates, denials, dead processes, liars, truncation, residue, shrinking.
 * build: agent/src/base/sealed.c agent/common/json.c agent/common/text.c agent/common/fs.c agent/common/log.c agent/common/region_file.c agent/src/state/slice.c agent/src/state/undo.c agent/src/state/slice_settings.c agent/src/state/slice_store.c agent/src/slices/policy.c agent/src/slices/upkeep.c agent/src/base/places.c agent/src/base/procs.c agent/common/proc_stat.c agent/src/base/workload.c agent/src/base/people.c agent/src/base/accounts.c agent/src/base/ours.c agent/src/slices/measure.c agent/src/slices/measure_left.c agent/src/slices/enforcement.c agent/src/slices/edit.c agent/src/slices/edit_commit.c agent/src/slices/edit_forget.c agent/src/slices/strays.c agent/src/slices/files.c agent/src/slices/edit_rules.c agent/src/slices/edit_move.c agent/common/admit.c agent/common/life.c agent/common/host_clock.c agent/common/nested.c agent/src/journal/audit.c agent/src/state/admission.c agent/src/state/quota.c agent/src/base/groups.c agent/src/base/failure.c agent/src/gpu/gpu.c agent/src/slices/kernel_limit.c agent/src/slices/kernel_proof.c agent/src/slices/scopes.c agent/src/slices/scope_upkeep.c agent/src/base/cgroup.c
 * sanitize: address,undefined
 */
#include "admit.h"
#include "check.h"
#include "journal/notices.h"
#include "slices/edit.h"
#include "slices/edit_forget.h"
#include "slices/edit_move.h"
#include "slices/enforcement.h"
#include "slices/measure.h"
#include "slices/measure_left.h"
#include "slices/policy.h"
#include "base/now.h"
#include "state/slice_store.h"
#include "region_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define GPU_UUID "GPU-00000000-0000-4000-8000-000000000000"
#define OTHER_UUID "GPU-00000000-0000-4000-8000-000000000001"
#define GIB (UINT64_C(1) << 30)
#define DEATH_TIMEOUT_MS 10000
#define OWNER_UID 2001
#define OTHER_UID 2002

static const struct gpu_backend limits_all = {
    .can = {[GPU_CAN_LIMIT_MEMORY] = true, [GPU_CAN_LIMIT_COMPUTE] = true},
};
static struct backend_state kind = {.backend = &limits_all, .open = true};

/* The parts of the agent that this test stands in for. */
static struct agent agent;
static uint64_t region_now_ns = UINT64_C(1000000000000);
static char last_notice[64];
static int notices;

int64_t now_mono_ms(void)
{
    return (int64_t)(region_now_ns / 1000000);
}
int64_t now_wall_ms(void)
{
    return INT64_C(1763827200000) + now_mono_ms();
}
uint64_t now_region_ns(const struct agent *a)
{
    (void)a;
    return region_now_ns;
}
bool gpu_is_open(const struct gpu_state *gpu)
{
    return gpu->kind->open;
}

struct gpu_state *agent_gpu(struct agent *a, const char *uuid)
{
    for (size_t i = 0; i < a->gpu_count; i++)
        if (strcmp(a->gpus[i].info.uuid, uuid) == 0) return &a->gpus[i];
    return NULL;
}
void notices_tell(struct agent *a, const char *code, const char *id, uint32_t pid, const char *message)
{
    (void)a, (void)id, (void)pid, (void)message;
    snprintf(last_notice, sizeof last_notice, "%s", code);
    notices++;
}
void notices_send(struct agent *a, struct json_writer *w, bool is_minor)
{
    (void)a, (void)is_minor;
    json_writer_free(w);
}

static char root[64];
static struct slice *slice;
static struct region_usage *usage;
static pid_t tenant;

static void path_in(char *out, const char *folder)
{
    sprintf(out, "%s/%s/%s", root, folder, slice->r.id);
}

static uint64_t token_of(pid_t pid)
{
    uint64_t ticks = 0;
    CHECK_EQ(procs_start_ticks(pid, &ticks), 0);
    return (ticks & 0x7fffffffu) << 32 | (uint64_t)pid;
}

/* A child that ends with the test, also when the test crashes. */
static pid_t fork_bound(void)
{
    pid_t pid = fork();
    if (pid == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static pid_t start_tenant(void)
{
    pid_t pid = fork_bound();
    if (pid == 0)
        for (;;) pause();
    return pid;
}

static void end_tenant(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static struct region_entry *claim(unsigned index, pid_t pid)
{
    struct region_entry *e = &usage->entries[index];
    memset(e, 0, sizeof *e);
    e->claimed_at_ns = region_now_ns;
    e->pid_namespace = life_pid_namespace();
    if (usage->entries_high <= index) usage->entries_high = index + 1;
    e->token = token_of(pid);
    return e;
}

static void setup(void)
{
    char path[256];
    strcpy(root, "/tmp/tranche-measure-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    memset(&agent, 0, sizeof agent);
    strcpy(agent.places.runtime, root);
    strcpy(agent.places.state, root);
    strcpy(agent.host_name, "test");
    agent.places.uid = geteuid();
    procs_init(&agent.procs);
    static const char *const folders[] = {"policy", "usage", "board"};
    for (int i = 0; i < 3; i++) {
        sprintf(path, "%s/%s", root, folders[i]);
        mkdir(path, 0711);
    }
    agent.gpu_count = 1;
    agent.gpus[0].kind = agent.gpus[1].kind = &kind;
    strcpy(agent.gpus[0].info.uuid, GPU_UUID);
    agent.gpus[0].info.capacity_bytes = 80 * GIB;
    strcpy(agent.gpus[1].info.uuid, OTHER_UUID);
    agent.gpus[1].info.capacity_bytes = 24 * GIB;
    struct slice_changes changes = {
        .has = {[SETTING_memory_limit_bytes] = true, [SETTING_compute_limit_percent] = true},
        .value = {[SETTING_memory_limit_bytes] = (int64_t)(10 * GIB), [SETTING_compute_limit_percent] = 50},
        .gpu_uuid = GPU_UUID,
        .name = "test"};
    struct editor editor = {.uid = geteuid(), .name = "tester", .claimed_from = "", .action = "test"};
    struct edit_reply reply;
    struct failure failure = {0};
    CHECK_THAT(edit_create(&agent, &changes, &editor, &reply, &failure) == 0, "%s", failure.message);
    slice = agent.slices.items[0];
    path_in(path, "usage");
    CHECK_EQ(region_usage_map(path, &usage, NULL), 0);
    tenant = start_tenant();
    notices = 0;
}

static void teardown(void)
{
    char command[128];
    end_tenant(tenant);
    region_usage_unmap(usage);
    for (size_t i = 0; i < agent.slices.count; i++) policy_close(&agent, agent.slices.items[i], true);
    slice_table_free(&agent.slices);
    procs_free(&agent.procs);
    free(agent.gpus[0].processes);
    sprintf(command, "rm -rf %s", root);
    CHECK_EQ(system(command), 0);
}

static void look_after_ms(uint64_t ms)
{
    region_now_ns += ms * 1000000;
    measure_slice(&agent, slice, now_mono_ms());
}

static void rates_are_differences(void)
{
    setup();
    look_after_ms(100);
    struct region_entry *e = claim(0, tenant);
    e->memory_bytes = 3 * GIB;
    e->charged_ns = 250 * 1000000;
    e->throttled_ns = 100 * 1000000;
    e->throttled_since_ns = region_now_ns + 900 * 1000000;
    look_after_ms(1000);
    CHECK(slice->m.usage_known && slice->m.rates_known);
    CHECK_EQ(slice->m.ledger_bytes, 3 * GIB);
    CHECK_EQ(slice->m.compute_tenths, 250);
    CHECK_EQ(slice->m.throttled_tenths, 200); /* 100 ms done, 100 ms going on */
    CHECK_EQ(slice->m.process_count, 1);
    e->charged_ns += 10 * 1000000;
    look_after_ms(10); /* too short for a rate: the last one stays */
    CHECK_EQ(slice->m.compute_tenths, 250);
    e->throttled_ns += 110 * 1000000; /* the wait that went on is over */
    e->throttled_since_ns = 0;
    look_after_ms(990);
    CHECK_EQ(slice->m.compute_tenths, 10);
    CHECK_THAT(slice->m.throttled_tenths <= 11, "%u", slice->m.throttled_tenths);
    teardown();
}

static void an_older_process_counts_from_the_first_look(void)
{
    setup();
    struct region_entry *e = claim(0, tenant);
    e->claimed_at_ns = 1;
    e->charged_ns = UINT64_C(3600) * 1000000000;
    e->denied_count = 5;
    look_after_ms(1000);
    look_after_ms(1000);
    e->charged_ns += 500 * 1000000;
    look_after_ms(1000);
    CHECK_EQ(slice->m.compute_tenths, 500);
    CHECK_EQ(notices, 0);
    CHECK_EQ(slice->m.denied_count, 5);
    teardown();
}

static void entries_of_dead_processes_are_freed(void)
{
    setup();
    pid_t other = start_tenant();
    claim(0, tenant)->memory_bytes = GIB;
    claim(1, other)->memory_bytes = 2 * GIB;
    usage->entries[1].denied_count = 4;
    claim(2, other)->token |= REGION_CLAIMING;
    usage->entries_high = 3;
    look_after_ms(100);
    CHECK_EQ(slice->m.ledger_bytes, 3 * GIB);
    end_tenant(other);
    look_after_ms(100);
    CHECK_EQ(slice->m.ledger_bytes, GIB);
    CHECK_EQ(usage->entries[1].token, 0);
    CHECK_EQ(usage->entries[2].token, 0);
    CHECK(usage->entries[0].token != 0);
    CHECK_EQ(slice->m.denied_count, 4); /* what it was refused is not forgotten */
    teardown();
}

/* A supervisor stands for the same process with a second entry: one process, with the bytes of both. */
static void a_supervisors_entry_is_the_same_process(void)
{
    setup();
    look_after_ms(100);
    claim(0, tenant)->memory_bytes = 2 * GIB;
    usage->entries[0].charged_ns = 100 * 1000000;
    struct region_entry *gate = claim(1, tenant);
    gate->flags |= REGION_ENTRY_GATE;
    gate->memory_bytes = GIB;
    gate->denied_count = 1;
    look_after_ms(1000);
    CHECK_EQ(slice->m.process_count, 1);
    CHECK_EQ(slice->track_count, 1);
    CHECK_EQ(slice->m.ledger_bytes, 3 * GIB);
    CHECK_EQ(slice->m.gate_bytes, GIB);
    CHECK_EQ(slice->tracks[0].memory_bytes, 3 * GIB);
    CHECK_EQ(slice->m.compute_tenths, 100);
    CHECK_EQ(slice->m.denied_count, 1);
    CHECK_EQ(notices, 1);
    look_after_ms(1000); /* nothing is added up over looks, or told again */
    CHECK_EQ(slice->tracks[0].memory_bytes, 3 * GIB);
    CHECK_EQ(notices, 1);
    /* The file says that it is held; the kernel knows of no filter. */
    CHECK(slice->tracks[0].is_held);
    CHECK_EQ(enforcement_holds(&agent, slice, &slice->tracks[0], now_mono_ms()), 0);
    CHECK_EQ(enforcement_ungated(&agent, slice, now_mono_ms()), 1);
    /* Whoever is charged GPU time is a program, whatever its entry says. */
    gate->charged_ns = 1;
    look_after_ms(1000);
    CHECK_EQ(slice->m.gate_bytes, 0);
    teardown();
}

/* Alone, it is a program without the library: what it computes is not known from here. */
static void a_supervisors_entry_alone_is_an_unmetered_process(void)
{
    setup();
    struct region_entry *gate = claim(0, tenant);
    gate->flags |= REGION_ENTRY_GATE;
    gate->memory_bytes = GIB;
    look_after_ms(100);
    CHECK_EQ(slice->m.process_count, 1);
    CHECK_EQ(slice->m.gate_bytes, GIB);
    CHECK(slice->tracks[0].believed && !slice->tracks[0].is_metered);
    teardown();
}

/* Its pid says nothing to us where its PID namespace is another: then only its lock can say that it is gone. */
static void who_lives_in_another_namespace_is_not_judged(void)
{
    char path[256];
    int fd;
    setup();
    pid_t other = start_tenant();
    path_in(path, "usage");
    CHECK_EQ(region_usage_open(path, &fd), 0);
    CHECK_EQ(life_lock(fd, 1), 1);
    for (unsigned at = 0; at < 3; at++) {
        claim(at, other)->pid_namespace = life_pid_namespace() + 1;
        usage->entries[at].memory_bytes = GIB;
        if (at > 0) usage->entries[at].flags = REGION_ENTRY_LOCKED;
    }
    end_tenant(other);
    look_after_ms(100);
    CHECK(usage->entries[0].token != 0); /* has no lock */
    CHECK(usage->entries[1].token != 0); /* holds it */
    CHECK_EQ(usage->entries[2].token, 0);
    look_after_ms(100);
    CHECK_EQ(slice->m.ledger_bytes, 2 * GIB);
    close(fd);
    look_after_ms(100);
    CHECK(usage->entries[0].token != 0);
    CHECK_EQ(usage->entries[1].token, 0);
    teardown();
}

/* Nobody but who gets the lock empties an entry, and then only the one that was looked at. */
static void a_reap_takes_nothing_from_one_who_is_born(void)
{
    char path[256];
    int fd;
    setup();
    path_in(path, "usage");
    CHECK_EQ(region_usage_open(path, &fd), 0);
    uint64_t token = claim(0, tenant)->token;
    CHECK_EQ(life_lock(fd, 0), 1);
    policy_reap(slice, slice->usage_fd, 0, token);
    CHECK_EQ(usage->entries[0].token, token);
    close(fd);
    policy_reap(slice, slice->usage_fd, 0, token + 1);
    CHECK_EQ(usage->entries[0].token, token);
    policy_reap(slice, slice->usage_fd, 0, token);
    CHECK_EQ(usage->entries[0].token, 0);
    teardown();
}

/* The pid lives, but its start time says that it is somebody else. */
static void a_reused_pid_is_not_the_process(void)
{
    setup();
    struct region_entry *e = claim(0, tenant);
    e->memory_bytes = GIB;
    e->token ^= UINT64_C(1) << 40;
    look_after_ms(100);
    CHECK_EQ(slice->m.process_count, 0);
    CHECK_EQ(usage->entries[0].token, 0);
    teardown();
}

static void a_liar_harms_only_its_own_figures(void)
{
    setup();
    memset(usage->entries, 0xff, sizeof usage->entries);
    for (unsigned i = 0; i < REGION_USAGE_ENTRIES; i++) {
        usage->entries[i].flags &= ~REGION_ENTRY_LOCKED; /* else the kernel says that nobody is there */
        usage->entries[i].pid_namespace = life_pid_namespace();
    }
    usage->entries_high = UINT32_MAX;
    for (unsigned i = 0; i < REGION_USAGE_ENTRIES; i++) usage->entries[i].token = token_of(tenant);
    look_after_ms(1000);
    look_after_ms(1000);
    CHECK(slice->m.ledger_bytes <= (uint64_t)JSON_INTEGER_MAX);
    CHECK(slice->m.compute_tenths <= 1000 && slice->m.throttled_tenths <= 1000);
    CHECK(measure_used(slice) <= (uint64_t)JSON_INTEGER_MAX);
    CHECK(slice->m.denied_at_ms >= 0);
    teardown();
}

static void a_truncated_file_is_unknown_usage(void)
{
    char path[256];
    setup();
    look_after_ms(100);
    CHECK(slice->m.usage_known);
    path_in(path, "usage");
    region_usage_unmap(usage);
    CHECK_EQ(truncate(path, 0), 0);
    look_after_ms(100);
    CHECK(!slice->m.usage_known);
    policy_reap(slice, slice->usage_fd, 0, 1);
    CHECK_EQ(truncate(path, 4096), 0);
    look_after_ms(100);
    policy_reap(slice, slice->usage_fd, 0, 1);
    /* A restarted agent makes a file that is not one of ours anew. */
    policy_close(&agent, slice, false);
    CHECK_EQ(policy_open(&agent, slice), 0);
    look_after_ms(100);
    CHECK(slice->m.usage_known);
    CHECK_EQ(region_usage_map(path, &usage, NULL), 0);
    teardown();
}

/* Another process cuts the file while entries are being reaped: the agent lives. */
static void a_reap_outlives_a_truncation(void)
{
    char path[256];
    setup();
    path_in(path, "usage");
    region_usage_unmap(usage);
    pid_t cutter = fork_bound();
    if (cutter == 0) {
        for (;;) {
            if (truncate(path, 0) != 0) _exit(1);
            int fd = open(path, O_RDWR);
            struct region_usage head = {.magic = REGION_USAGE_MAGIC, .abi = REGION_ABI, .bytes = sizeof head};
            if (fd < 0 || ftruncate(fd, sizeof head) != 0 || pwrite(fd, &head, 64, 0) != 64) _exit(1);
            close(fd);
        }
    }
    for (int i = 0; i < 20000; i++) policy_reap(slice, slice->usage_fd, 0, 1);
    end_tenant(cutter);
    policy_close(&agent, slice, true);
    CHECK_EQ(policy_open(&agent, slice), 0);
    CHECK_EQ(region_usage_map(path, &usage, NULL), 0);
    teardown();
}

static void denials_are_told_once_a_second(void)
{
    setup();
    look_after_ms(100);
    struct region_entry *e = claim(0, tenant);
    for (int i = 0; i < 10; i++) {
        e->denied_count++;
        e->denied_bytes = 7 * GIB;
        e->denied_at_ns = region_now_ns;
        look_after_ms(150);
    }
    CHECK_EQ(notices, 2);
    CHECK_STR(last_notice, "denied");
    CHECK_EQ(slice->m.denied_count, 10);
    CHECK_EQ(slice->m.denied_bytes, 7 * GIB);
    CHECK_EQ(slice->m.denied_at_ms, now_wall_ms() - 150);
    e->flags = REGION_ENTRY_LIMIT_NOT_HELD;
    look_after_ms(150);
    CHECK_STR(last_notice, "limit-not-held");
    CHECK(!slice->m.limit_held);
    teardown();
}

/* The flag of the other processes goes on and off as fast as a tenant likes: one notice a second is told, whoever's. */
static void a_flag_that_flickers_is_told_once_a_second(void)
{
    setup();
    for (unsigned i = 0; i < REGION_USAGE_ENTRIES; i++) claim(i, tenant);
    look_after_ms(1000);
    notices = 0;
    for (int round = 0; round < 40; round++) {
        for (unsigned i = 0; i < REGION_USAGE_ENTRIES; i++)
            usage->entries[i].flags = round % 2 ? 0 : REGION_ENTRY_LIMIT_NOT_HELD;
        look_after_ms(100);
    }
    CHECK_THAT(notices >= 3 && notices <= 5, "%d notices in four seconds", notices);
    teardown();
}

static void nvml_shows(uint64_t bytes)
{
    struct gpu_state *gpu = &agent.gpus[0];
    if (!gpu->processes) gpu->processes = calloc(1, sizeof *gpu->processes);
    gpu->processes[0] = (struct gpu_process){.pid = (uint32_t)tenant, .bytes_known = true, .bytes = bytes};
    gpu->process_count = 1;
    gpu->processes_known = true;
}

static void residue_is_what_nvml_sees_beyond_the_ledger(void)
{
    setup();
    struct region_entry *e = claim(0, tenant);
    e->memory_bytes = 2 * GIB;
    look_after_ms(100);
    nvml_shows(3 * GIB);
    measure_residue(&agent, slice, 2 * GIB);
    CHECK_EQ(slice->m.residue_bytes, 0); /* an increase must be seen twice */
    measure_residue(&agent, slice, 2 * GIB);
    CHECK_EQ(slice->m.residue_bytes, GIB);
    CHECK_EQ(slice->policy->residue_bytes, GIB);
    CHECK_EQ(measure_used(slice), 3 * GIB);
    e->memory_bytes = GIB; /* freed between the two readings: no comparison */
    look_after_ms(100);
    for (int i = 0; i < 2; i++) measure_residue(&agent, slice, 2 * GIB);
    CHECK_EQ(slice->m.residue_bytes, GIB);
    nvml_shows(GIB + GIB / 2);
    measure_residue(&agent, slice, GIB);
    CHECK_EQ(slice->m.residue_bytes, GIB / 2); /* less is believed at once */
    nvml_shows(GIB / 2);
    measure_residue(&agent, slice, GIB);
    CHECK_EQ(slice->policy->residue_bytes, 0);
    agent.gpus[0].processes_known = false;
    measure_residue(&agent, slice, GIB);
    CHECK(!slice->m.residue_known);
    teardown();
}

static void a_shrink_below_use_waits_and_admits_nothing_new(void)
{
    struct editor editor = {.uid = geteuid(), .name = "tester", .claimed_from = "", .action = "test"};
    struct edit_reply reply;
    struct failure failure = {0};
    setup();
    struct region_entry *e = claim(0, tenant);
    e->memory_bytes = 8 * GIB;
    struct slice_changes shrink = {.has = {[SETTING_memory_limit_bytes] = true},
                                   .value = {[SETTING_memory_limit_bytes] = (int64_t)(4 * GIB)},
                                   .refuse_below_use = true};
    CHECK_EQ(edit_resize(&agent, slice, &shrink, &editor, &reply, &failure), -1);
    CHECK_STR(failure.code, "below-use");
    CHECK_EQ(slice->policy->memory_limit_bytes, 10 * GIB);
    shrink.refuse_below_use = false;
    uint32_t epoch = slice->policy->epoch;
    CHECK_EQ(edit_resize(&agent, slice, &shrink, &editor, &reply, &failure), 0);
    CHECK_EQ(slice->policy->memory_limit_bytes, 4 * GIB);
    CHECK(slice->policy->epoch != epoch);
    CHECK_EQ(slice->r.shrinks_from_bytes, 10 * GIB);
    look_after_ms(100);
    CHECK_EQ(slice->r.shrinks_from_bytes, 10 * GIB);
    e->memory_bytes = 3 * GIB;
    agent.state_dirty = false;
    look_after_ms(100);
    CHECK_EQ(slice->r.shrinks_from_bytes, 0);
    CHECK(agent.state_dirty);
    teardown();
}

static void a_slice_in_use_is_not_deleted_by_accident(void)
{
    struct editor editor = {.uid = geteuid(), .name = "tester", .claimed_from = "", .action = "test"};
    struct edit_reply reply, undo;
    struct failure failure = {0};
    setup();
    claim(0, tenant)->memory_bytes = GIB;
    CHECK_EQ(edit_delete(&agent, slice, false, &editor, &reply, &failure), -1);
    CHECK_STR(failure.code, "slice-in-use");
    CHECK_EQ(edit_delete(&agent, slice, true, &editor, &reply, &failure), 0);
    CHECK_EQ(slice->policy->flags, REGION_POLICY_DELETED);
    /* The tenant has the policy mapped: undo must speak through the same page. */
    const struct region_policy *page = slice->policy;
    CHECK_EQ(edit_undo(&agent, reply.undo_token, &editor, &undo, &failure), 0);
    CHECK(slice->policy == page && page->flags == 0);
    CHECK_EQ(edit_undo(&agent, reply.undo_token, &editor, &undo, &failure), -1);
    CHECK_STR(failure.code, "changed-since");
    teardown();
}

static void deleted_slices_go_when_nothing_needs_them(void)
{
    struct editor editor = {.uid = geteuid(), .name = "tester", .claimed_from = "", .action = "test"};
    struct edit_reply reply;
    struct failure failure = {0};
    char path[256];
    setup();
    claim(0, tenant)->memory_bytes = GIB;
    path_in(path, "policy");
    CHECK_EQ(edit_delete(&agent, slice, true, &editor, &reply, &failure), 0);
    region_now_ns += (uint64_t)(UNDO_LIFE_MS + 1000) * 1000000;
    look_after_ms(1);
    agent.prune_at_ms = 0;
    edit_prune(&agent, now_mono_ms());
    CHECK_EQ(agent.slices.count, 1); /* its process is still there */
    usage->entries[0].token = 0;
    look_after_ms(1);
    agent.prune_at_ms = 0;
    edit_prune(&agent, now_mono_ms());
    CHECK_EQ(agent.slices.count, 0);
    CHECK(access(path, F_OK) != 0);
    teardown();
}

/* 63 creations and deletions use up the board's lines: the oldest deleted slice makes room. */
static void deleted_slices_do_not_use_up_a_gpu(void)
{
    struct editor editor = {.uid = geteuid(), .name = "tester", .claimed_from = "", .action = "test"};
    struct edit_reply reply;
    struct failure failure = {0};
    setup();
    struct slice_changes changes = {
        .has = {[SETTING_memory_limit_bytes] = true, [SETTING_compute_limit_percent] = true},
        .value = {[SETTING_memory_limit_bytes] = (int64_t)GIB, [SETTING_compute_limit_percent] = 50},
        .gpu_uuid = GPU_UUID};
    for (int i = 0; i < 150; i++) {
        CHECK_THAT(edit_create(&agent, &changes, &editor, &reply, &failure) == 0, "%d: %s", i, failure.message);
        struct slice *made = slice_find(&agent.slices, reply.slice_id);
        CHECK_EQ(edit_delete(&agent, made, false, &editor, &reply, &failure), 0);
    }
    CHECK(agent.slices.count <= REGION_BOARD_SLOTS);
    bool used[REGION_BOARD_SLOTS] = {false};
    for (size_t i = 0; i < agent.slices.count; i++) {
        CHECK(!used[agent.slices.items[i]->r.board_slot]);
        used[agent.slices.items[i]->r.board_slot] = true;
    }
    teardown();
}

/* Who opened a slice's page before it moved, and asks after, gets nothing: neither here nor there. */
static void a_page_from_before_a_move_stays_shut(void)
{
    char path[256];
    struct editor editor = {.uid = geteuid(), .name = "tester", .claimed_from = "", .action = "test"};
    struct edit_reply reply;
    struct failure failure = {0};
    const struct region_policy *before, *after;
    struct region_usage *moved;
    setup();
    const struct life_place place = {.usage = usage};
    agent.gpu_count = 2;
    path_in(path, "policy");
    CHECK_EQ(region_policy_map_ro(path, &before), 0);
    struct region_entry *late = claim(0, tenant);
    uint32_t epoch = atomic_load(&before->epoch);
    CHECK_EQ(edit_move(&agent, slice, OTHER_UUID, &editor, &reply, &failure), -1);
    CHECK_STR(failure.code, "slice-in-use");
    CHECK_EQ(atomic_load(&before->epoch), epoch); /* whoever runs was not shut out, not for a moment */
    CHECK_EQ(atomic_load(&before->flags), 0);
    CHECK(admit_reserve(before, &place, late, GIB));
    late->token = 0; /* gone; and as if it had only mapped the files, it claims when the move is done */
    CHECK_THAT(edit_move(&agent, slice, OTHER_UUID, &editor, &reply, &failure) == 0, "%s", failure.message);
    claim(0, tenant);
    CHECK(!admit_reserve(before, &place, late, 1));
    CHECK_EQ(region_policy_map_ro(path, &after), 0);
    CHECK_STR(after->gpu_uuid, OTHER_UUID);
    CHECK_EQ(atomic_load(&after->flags), 0);
    CHECK_EQ(atomic_load(&after->gpu_capacity_bytes), 24 * GIB);
    path_in(path, "usage");
    CHECK_EQ(region_usage_map(path, &moved, NULL), 0);
    CHECK_EQ(moved->entries_high, 0);
    region_usage_unmap(moved);
    region_policy_unmap(before);
    region_policy_unmap(after);
    teardown();
}

static void only_the_owner_gets_access(void)
{
    char path[256], acl[256];
    struct editor editor = {.uid = geteuid(), .name = "tester", .claimed_from = "", .action = "test"};
    struct edit_reply reply;
    struct failure failure = {0};
    setup();
    claim(0, tenant)->memory_bytes = GIB;
    path_in(path, "usage");
    struct stat st;
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    if (geteuid() == 0) {
        CHECK_EQ(edit_assign(&agent, slice, "nobody", &editor, &reply, &failure), 0);
        CHECK(stat(path, &st) == 0 && st.st_uid == slice->r.owner_uid && st.st_uid != 0);
        CHECK_EQ(slice->acl_count, 0);
        CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
        CHECK(getxattr(path, "system.posix_acl_access", acl, sizeof acl) < 0);
    }
    teardown();
}

/* ---- another owner --------------------------------------------------------------------------------------- */

static struct editor by_tester = {.action = "test", .name = "tester", .claimed_from = ""};
static struct edit_reply reply_of;

static int give_to(const char *owner)
{
    struct failure failure = {0};
    by_tester.uid = geteuid();
    int result = edit_assign(&agent, slice, owner, &by_tester, &reply_of, &failure);
    if (result != 0) printf("%s: %s\n", failure.code, failure.message);
    return result;
}

static void look_at_all(void)
{
    region_now_ns += UINT64_C(100000000);
    for (size_t i = 0; i < agent.slices.count; i++) measure_slice(&agent, agent.slices.items[i], now_mono_ms());
    measure_inherited(&agent, GPU_UUID, now_mono_ms());
}

/* A process of another user's; root only. */
static pid_t start_of(uid_t uid)
{
    int ready[2];
    char byte;
    CHECK_EQ(pipe(ready), 0);
    pid_t pid = fork_bound();
    if (pid == 0) {
        if (setresuid(uid, uid, uid) != 0) _exit(1);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        for (;;) pause();
    }
    close(ready[1]);
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static struct slice *left_of(void)
{
    for (size_t i = 0; i < agent.slices.count; i++)
        if (slice_is_left(&agent.slices.items[i]->r)) return agent.slices.items[i];
    return NULL;
}

/* What the next owner's programs have: another entry, by their own process. */
static struct region_entry *join_new(struct region_usage *fresh, pid_t pid)
{
    struct region_entry *e = &fresh->entries[0];
    memset(e, 0, sizeof *e);
    e->claimed_at_ns = region_now_ns;
    e->pid_namespace = life_pid_namespace();
    fresh->entries_high = 1;
    e->token = token_of(pid);
    return e;
}

static void who_had_it_keeps_what_he_holds_and_no_more(void)
{
    const struct region_policy *before, *after;
    struct region_usage *fresh;
    char path[256];
    setup();
    if (geteuid() != 0) {
        teardown();
        return;
    }
    const struct life_place place = {.usage = usage};
    path_in(path, "policy");
    CHECK_EQ(region_policy_map_ro(path, &before), 0);
    struct region_entry *his = claim(0, tenant);
    CHECK(admit_reserve(before, &place, his, 3 * GIB));
    uint64_t tag = before->tag;
    CHECK_EQ(give_to("nobody"), 0);
    CHECK_EQ(region_policy_map_ro(path, &after), 0);
    path_in(path, "usage");
    CHECK_EQ(region_usage_map(path, &fresh, NULL), 0);
    CHECK(before->tag == tag && after->tag != tag);
    CHECK_EQ(before->memory_limit_bytes, 3 * GIB);
    CHECK_EQ(after->memory_limit_bytes, 10 * GIB);
    CHECK_EQ(after->residue_bytes, 3 * GIB);
    CHECK_EQ(before->flags | after->flags, 0);
    /* He may use again what he gives back, and not a byte beyond it; the others have the rest. */
    CHECK(!admit_reserve(before, &place, his, 1));
    his->memory_bytes -= GIB;
    CHECK(admit_reserve(before, &place, his, GIB));
    CHECK(!admit_reserve(before, &place, his, 1));
    const struct life_place heirs = {.usage = fresh};
    pid_t heir = start_of(slice->r.owner_uid);
    struct region_entry *hers = join_new(fresh, heir);
    CHECK(!admit_reserve(after, &heirs, hers, 7 * GIB + 1));
    CHECK(admit_reserve(after, &heirs, hers, 7 * GIB));
    /* They share the compute of the slice, and both are seen in it. */
    CHECK_EQ(before->compute_limit_bp, 2500);
    CHECK_EQ(after->compute_limit_bp, 2500);
    look_at_all();
    CHECK_EQ(measure_total(slice), 10 * GIB);
    CHECK_EQ(slice->m.process_count + slice->inherited_count, 2);
    /* Gone, it is all the next owner's. */
    end_tenant(tenant);
    look_at_all();
    CHECK_EQ(before->memory_limit_bytes, 0);
    CHECK_EQ(after->residue_bytes, 0);
    CHECK(admit_reserve(after, &heirs, hers, 3 * GIB));
    edit_forget_left(&agent);
    CHECK(left_of() == NULL);
    CHECK_EQ(after->compute_limit_bp, 5000);
    CHECK(before->flags & REGION_POLICY_DELETED);
    end_tenant(heir);
    tenant = start_tenant();
    region_usage_unmap(fresh);
    region_policy_unmap(before);
    region_policy_unmap(after);
    teardown();
}

static void what_was_kept_open_reaches_nothing_of_the_next_owner(void)
{
    const struct region_policy *after;
    struct region_usage *fresh;
    char path[256];
    setup();
    if (geteuid() != 0) {
        teardown();
        return;
    }
    path_in(path, "usage");
    int kept = open(path, O_RDWR | O_CLOEXEC);
    claim(0, tenant)->memory_bytes = GIB;
    CHECK_EQ(give_to("nobody"), 0);
    CHECK_EQ(region_usage_map(path, &fresh, NULL), 0);
    path_in(path, "policy");
    CHECK_EQ(region_policy_map_ro(path, &after), 0);
    /* 255 entries of a TiB, each of a process that lives. */
    for (unsigned i = 1; i < REGION_USAGE_ENTRIES; i++) claim(i, tenant)->memory_bytes = 1024 * GIB;
    look_at_all();
    CHECK_EQ(after->residue_bytes, GIB);
    CHECK(measure_total(slice) <= 10 * GIB);
    region_usage_unmap(usage);
    CHECK_EQ(ftruncate(kept, 0), 0);
    struct stat st;
    path_in(path, "usage");
    CHECK(stat(path, &st) == 0 && st.st_size == sizeof(struct region_usage));
    look_at_all();
    CHECK(after->residue_bytes <= GIB);
    CHECK(slice->m.usage_known);
    /* And it is his no longer than his program lives. */
    end_tenant(tenant);
    look_at_all();
    edit_forget_left(&agent);
    CHECK(left_of() == NULL);
    CHECK_EQ(after->residue_bytes, 0);
    close(kept);
    usage = fresh;
    tenant = start_tenant();
    region_policy_unmap(after);
    teardown();
}

static void taken_back_and_given_again_it_changes_hands_each_time(void)
{
    struct failure failure = {0};
    struct stat first, second, third;
    char path[256], token[UNDO_TOKEN_BYTES];
    setup();
    if (geteuid() != 0) {
        teardown();
        return;
    }
    path_in(path, "usage");
    claim(0, tenant)->memory_bytes = GIB;
    CHECK_EQ(stat(path, &first), 0);
    CHECK_EQ(give_to("nobody"), 0);
    CHECK_EQ(stat(path, &second), 0);
    CHECK(first.st_ino != second.st_ino);
    strcpy(token, reply_of.undo_token);
    CHECK_EQ(edit_undo(&agent, token, &by_tester, &reply_of, &failure), 0);
    CHECK_EQ(stat(path, &third), 0);
    CHECK(third.st_ino != first.st_ino && third.st_ino != second.st_ino);
    CHECK_EQ(slice->r.generation, 2);
    CHECK_EQ(slice->r.owner_uid, 0);
    look_at_all();
    CHECK_EQ(slice->inherited_bytes, GIB); /* what runs since before both, and nothing of who came between */
    edit_forget_left(&agent);
    CHECK(left_of() != NULL);
    teardown();
}

static void a_hand_over_that_was_not_saved_was_none(void)
{
    const struct region_policy *before;
    struct stat first, second;
    char path[256];
    setup();
    path_in(path, "policy");
    CHECK_EQ(region_policy_map_ro(path, &before), 0);
    path_in(path, "usage");
    CHECK_EQ(stat(path, &first), 0);
    claim(0, tenant)->memory_bytes = GIB;
    strcat(agent.places.state, "/none");
    struct failure failure = {0};
    CHECK_EQ(edit_assign(&agent, slice, geteuid() == 0 ? "nobody" : "root", &by_tester, &reply_of, &failure), -1);
    CHECK_STR(failure.code, "state-not-saved");
    strcpy(agent.places.state, root);
    CHECK_EQ(stat(path, &second), 0);
    CHECK_EQ(first.st_ino, second.st_ino);
    CHECK(left_of() == NULL);
    CHECK_EQ(before->memory_limit_bytes, 10 * GIB);
    CHECK_EQ(before->flags, 0);
    CHECK_EQ(slice->r.generation, 0);
    look_at_all();
    CHECK_EQ(slice->m.ledger_bytes, GIB);
    region_policy_unmap(before);
    teardown();
}

/* The agent is killed after the files were changed and before that was written down, and after it was. */
static void a_crash_leaves_it_with_one_owner_or_the_other(void)
{
    struct stat first, now;
    char path[256];
    setup();
    path_in(path, "usage");
    CHECK_EQ(stat(path, &first), 0);
    claim(0, tenant)->memory_bytes = GIB;
    look_after_ms(100);
    struct slice_record next = slice->r, left = slice->r;
    next.generation = 1;
    next.board_slot++;
    sprintf(left.id, "%s.0", slice->r.id);
    strcpy(left.successor, slice->r.id);
    left.deleted = true;
    left.memory_limit_bytes = GIB;
    CHECK_EQ(policy_hand_over(&agent, slice, &next, slice_add(&agent.slices, &left)), 0);
    CHECK(stat(path, &now) == 0 && now.st_ino != first.st_ino);
    /* The next agent finds the state of before. */
    struct slice_table empty = {0};
    for (size_t i = 0; i < agent.slices.count; i++) policy_close(&agent, agent.slices.items[i], false);
    slice_table_free(&agent.slices);
    agent.slices = empty;
    CHECK_EQ(slice_store_load(&agent.slices, agent.places.state, now_wall_ms()), 0);
    slice = agent.slices.items[0];
    CHECK_EQ(policy_open(&agent, slice), 0);
    CHECK(stat(path, &now) == 0 && now.st_ino == first.st_ino);
    look_at_all();
    CHECK_EQ(slice->m.ledger_bytes, GIB);
    /* The state of after: both are there, and what was set aside is. */
    if (geteuid() == 0) {
        CHECK_EQ(give_to("nobody"), 0);
        for (size_t i = 0; i < agent.slices.count; i++) policy_close(&agent, agent.slices.items[i], false);
        slice_table_free(&agent.slices);
        agent.slices = empty;
        CHECK_EQ(slice_store_load(&agent.slices, agent.places.state, now_wall_ms()), 0);
        policy_open_all(&agent);
        slice = agent.slices.items[0];
        look_at_all();
        CHECK(left_of() != NULL && left_of()->m.ledger_bytes == GIB);
        CHECK_EQ(slice->inherited_bytes, GIB);
        CHECK_EQ(atomic_load(&slice->policy->residue_bytes), GIB);
    }
    teardown();
}

/* ---- whose word is taken ---------------------------------------------------------------------------------- */

static void nvml_lists(pid_t pid, uint64_t bytes)
{
    struct gpu_state *gpu = &agent.gpus[0];
    struct gpu_process *list = realloc(gpu->processes, (gpu->process_count + 1) * sizeof *list);
    CHECK(list != NULL);
    gpu->processes = list;
    list[gpu->process_count++] = (struct gpu_process){.pid = (uint32_t)pid, .bytes_known = true, .bytes = bytes};
    gpu->processes_known = true;
}

static void a_token_alone_puts_nobody_into_a_slice(void)
{
    setup();
    if (geteuid() != 0) {
        teardown();
        return;
    }
    slice->r.owner_uid = OWNER_UID;
    pid_t owners = start_of(OWNER_UID), others = start_of(OTHER_UID);
    char says[64];
    snprintf(says, sizeof says, "TRANCHE_SLICES=s-x,%s", slice->r.id);
    pid_t operators = fork_bound();
    if (operators == 0) {
        execle("/bin/sleep", "sleep", "1000", (char *)NULL, (char *[]){says, NULL});
        _exit(127);
    }
    char path[64], word[16] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", (int)operators);
    for (int i = 0; i < 2000 && strncmp(word, "sleep", 5) != 0; i++) {
        fs_read_small(path, word, sizeof word);
        poll(NULL, 0, 5);
    }
    claim(0, others)->memory_bytes = 2 * GIB;
    claim(1, 1)->memory_bytes = 4096 * GIB; /* init */
    claim(2, getpid())->memory_bytes = GIB; /* root's, and it says nothing of the sort */
    nvml_lists(others, 2 * GIB);            /* on the GPU it is, in no slice */
    claim(3, owners)->memory_bytes = GIB;
    claim(4, operators)->memory_bytes = GIB; /* `tranche run` by root */
    look_after_ms(1000);
    CHECK_EQ(slice->m.process_count, 2);
    CHECK_EQ(slice->m.ledger_bytes, 2 * GIB);
    CHECK(slice_holds(slice, (uint32_t)owners) && slice_holds(slice, (uint32_t)operators));
    CHECK(!slice_holds(slice, (uint32_t)others) && !slice_holds(slice, 1) && !slice_holds(slice, (uint32_t)getpid()));
    measure_residue(&agent, slice, slice->m.ledger_bytes);
    CHECK_EQ(slice->m.residue_bytes, 0);
    end_tenant(owners);
    end_tenant(others);
    end_tenant(operators);
    teardown();
}

static void claims_have_bounds(void)
{
    setup();
    claim(0, tenant)->memory_bytes = 4096 * GIB;
    look_after_ms(1000);
    CHECK_EQ(slice->m.ledger_bytes, 80 * GIB); /* as much as there is */
    /* Many who say that they were charged all the time are one slice all the same. */
    pid_t more[4];
    for (int i = 0; i < 4; i++) {
        more[i] = start_tenant();
        claim((unsigned)i + 1, more[i]);
    }
    look_after_ms(1000);
    slice->uncounted_ns = 0;
    for (int i = 0; i < 5; i++) usage->entries[i].charged_ns += UINT64_C(100000000000);
    look_after_ms(1000);
    CHECK(slice->uncounted_ns <= 1000000000);
    for (int i = 0; i < 4; i++) end_tenant(more[i]);
    teardown();
}

static void a_context_is_not_what_somebody_makes_of_it(void)
{
    struct gpu_state *gpu = &agent.gpus[0];
    setup();
    memset(gpu, 0, offsetof(struct gpu_state, history_fd));
    strcpy(gpu->info.uuid, GPU_UUID);
    gpu->info.capacity_bytes = 80 * GIB;
    claim(0, tenant);
    nvml_shows(30 * GIB);
    for (int i = 0; i < 3; i++) {
        look_after_ms(1000);
        measure_residue(&agent, slice, slice->m.ledger_bytes);
    }
    CHECK_EQ(gpu->context_bytes, 0);
    nvml_shows(300 << 20);
    for (int i = 0; i < 3; i++) {
        look_after_ms(1000);
        measure_residue(&agent, slice, slice->m.ledger_bytes);
    }
    CHECK_EQ(gpu->context_bytes, 300 << 20);
    CHECK_EQ(slice->policy->context_bytes, 300 << 20);
    /* Less at once, more when the least was not seen for a while. */
    nvml_shows(600 << 20);
    for (int i = 0; i < 3; i++) {
        look_after_ms(11 * 60 * 1000);
        measure_residue(&agent, slice, slice->m.ledger_bytes);
    }
    CHECK_EQ(gpu->context_bytes, 600 << 20);
    /* Of a process outside every slice, and what a page of before says. */
    usage->entries[0].token = 0;
    look_after_ms(100);
    nvml_shows(200 << 20);
    measure_unmanaged_context(&agent, gpu, now_mono_ms());
    CHECK_EQ(gpu->context_bytes, 200 << 20);
    gpu->context_bytes = gpu->context_now_bytes = gpu->context_before_bytes = 0;
    slice->policy->context_bytes = 30 * GIB;
    policy_set_context(&agent, slice);
    CHECK_EQ(slice->policy->context_bytes, 0);
    teardown();
}

static void the_driver_is_heard_beside_them(void)
{
    setup();
    claim(0, tenant)->memory_bytes = GIB;
    look_after_ms(1000);
    CHECK(slice->m.limit_held);
    slice->r.compute_limit_percent = 10;
    notices = 0;
    for (int i = 0; i < 2; i++) measure_outside_use(&agent, slice, 25, now_mono_ms());
    for (int i = 0; i < 8; i++) measure_outside_use(&agent, slice, i % 4 == 0 ? 40 : 0, now_mono_ms()); /* coarse */
    look_after_ms(100);
    CHECK(slice->m.limit_held && notices == 0);
    for (int i = 0; i < 3; i++) measure_outside_use(&agent, slice, 92, now_mono_ms());
    look_after_ms(1000);
    CHECK(!slice->m.limit_held);
    CHECK_EQ(notices, 1);
    CHECK_STR(last_notice, "limit-not-held");
    /* And it is booked, whatever they say. */
    slice->uncounted_ns = 0;
    look_after_ms(1000);
    CHECK_THAT(slice->uncounted_ns > 800000000, "%" PRIu64, slice->uncounted_ns);
    for (int i = 0; i < 3; i++) measure_outside_use(&agent, slice, 0, now_mono_ms());
    look_after_ms(100);
    CHECK(slice->m.limit_held);
    /* Memory: twice in a row, beyond what a driver takes by itself. */
    notices = 0;
    nvml_shows(10 * GIB + GIB / 2);
    for (int i = 0; i < 3; i++) measure_residue(&agent, slice, slice->m.ledger_bytes);
    look_after_ms(100);
    CHECK(slice->m.limit_held);
    nvml_shows(30 * GIB);
    for (int i = 0; i < 3; i++) {
        usage->entries[0].memory_bytes += 4096; /* a ledger that never stands still */
        uint64_t before = slice->m.ledger_bytes;
        look_after_ms(1000);
        measure_residue(&agent, slice, before);
    }
    look_after_ms(100);
    CHECK(!slice->m.limit_held);
    CHECK_EQ(notices, 1);
    CHECK(measure_used(slice) >= 29 * GIB);
    teardown();
}

/* Procs keep their own clock in these tests: a polled process is asked for only when 50 ms of it have gone by. */
static size_t await_deaths(int64_t from_ms)
{
    struct timespec before, now;
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (;;) {
        struct pollfd p = {.fd = agent.procs.deaths_fd, .events = POLLIN};
        poll(&p, 1, 5);
        clock_gettime(CLOCK_MONOTONIC, &now);
        int64_t gone_ms = (now.tv_sec - before.tv_sec) * 1000 + (now.tv_nsec - before.tv_nsec) / 1000000;
        size_t deaths = procs_deaths(&agent.procs, from_ms + gone_ms);
        if (deaths > 0 || gone_ms > DEATH_TIMEOUT_MS) return deaths;
    }
}

static void check_deaths_are_told_once(size_t polled)
{
    claim(0, tenant)->memory_bytes = 3 * GIB;
    pid_t other = start_tenant();
    claim(1, other)->memory_bytes = GIB;
    look_after_ms(1000);
    CHECK_EQ(agent.procs.polled_count, polled);
    CHECK_EQ(procs_deaths(&agent.procs, now_mono_ms()), 0);
    end_tenant(other);
    CHECK_EQ(await_deaths(now_mono_ms()), 1);
    CHECK_EQ(procs_deaths(&agent.procs, now_mono_ms() + 1000), 0);
    CHECK(usage->entries[1].token != 0);
    /* The look that follows needs no second of waiting, with a pidfd or without. */
    look_after_ms(1);
    CHECK_EQ(usage->entries[1].token, 0);
    CHECK_EQ(slice->m.ledger_bytes, 3 * GIB);
    CHECK_EQ(slice->left_count, 1);
    CHECK_EQ(agent.procs.polled_count, polled == 0 ? 0 : 1);
}

static void deaths_are_told_once(void)
{
    setup();
    check_deaths_are_told_once(0);
    teardown();
}

/* What a kernel before 5.3 says. */
static int forbid_pidfd_open(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void deaths_are_told_without_pidfds(void)
{
    fflush(stdout);
    pid_t child = fork_bound();
    if (child == 0) {
        check_failures_here = 0;
        CHECK_EQ(forbid_pidfd_open(), 0);
        setup();
        check_deaths_are_told_once(2);
        teardown();
        fflush(stdout);
        _exit(check_failures_here > 0);
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

static void *keep_waiting(void *unused)
{
    (void)unused;
    for (;;) pause();
    return NULL;
}

/* A program may end its main thread and go on: /proc calls it a zombie. */
static void a_process_without_its_main_thread_lives(void)
{
    setup();
    pid_t other = fork_bound();
    if (other == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, keep_waiting, NULL) != 0) _exit(1);
        pthread_exit(NULL);
    }
    char path[64], text[512] = "";
    sprintf(path, "/proc/%d/stat", (int)other);
    for (int i = 0; i < DEATH_TIMEOUT_MS && !strstr(text, ") Z "); i++) {
        FILE *file = fopen(path, "r");
        CHECK(file != NULL && fgets(text, sizeof text, file) != NULL);
        if (file) fclose(file);
        usleep(1000);
    }
    claim(0, other)->memory_bytes = GIB;
    look_after_ms(1000);
    CHECK_EQ(slice->m.ledger_bytes, GIB);
    end_tenant(other);
    look_after_ms(1000);
    CHECK_EQ(slice->m.ledger_bytes, 0);
    teardown();
}

int main(void)
{
    RUN(rates_are_differences);
    RUN(an_older_process_counts_from_the_first_look);
    RUN(entries_of_dead_processes_are_freed);
    RUN(a_supervisors_entry_is_the_same_process);
    RUN(a_supervisors_entry_alone_is_an_unmetered_process);
    RUN(who_lives_in_another_namespace_is_not_judged);
    RUN(a_reap_takes_nothing_from_one_who_is_born);
    RUN(a_reused_pid_is_not_the_process);
    RUN(a_liar_harms_only_its_own_figures);
    RUN(a_truncated_file_is_unknown_usage);
    RUN(a_reap_outlives_a_truncation);
    RUN(denials_are_told_once_a_second);
    RUN(a_flag_that_flickers_is_told_once_a_second);
    RUN(residue_is_what_nvml_sees_beyond_the_ledger);
    RUN(a_shrink_below_use_waits_and_admits_nothing_new);
    RUN(a_slice_in_use_is_not_deleted_by_accident);
    RUN(deleted_slices_go_when_nothing_needs_them);
    RUN(deleted_slices_do_not_use_up_a_gpu);
    RUN(a_page_from_before_a_move_stays_shut);
    RUN(only_the_owner_gets_access);
    RUN(who_had_it_keeps_what_he_holds_and_no_more);
    RUN(what_was_kept_open_reaches_nothing_of_the_next_owner);
    RUN(taken_back_and_given_again_it_changes_hands_each_time);
    RUN(a_hand_over_that_was_not_saved_was_none);
    RUN(a_crash_leaves_it_with_one_owner_or_the_other);
    RUN(a_token_alone_puts_nobody_into_a_slice);
    RUN(claims_have_bounds);
    RUN(a_context_is_not_what_somebody_makes_of_it);
    RUN(the_driver_is_heard_beside_them);
    RUN(deaths_are_told_once);
    RUN(deaths_are_told_without_pidfds);
    RUN(a_process_without_its_main_thread_lives);
    return check_done();
}
