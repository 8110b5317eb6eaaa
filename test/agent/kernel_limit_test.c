/* The limit that a driver keeps and the one that programs read move together: in every state between the steps of every
 * edit the driver lets a slice have at least what its page does, and a refusal leaves both as they were. A driver that is
 * written here, groups of the real kernel.
 * build: agent/common/json.c agent/common/text.c agent/common/fs.c agent/common/log.c agent/common/region_file.c agent/src/state/slice.c agent/src/state/undo.c agent/src/state/slice_settings.c agent/src/state/slice_store.c agent/src/slices/policy.c agent/src/slices/upkeep.c agent/src/base/places.c agent/src/base/procs.c agent/common/proc_stat.c agent/src/base/workload.c agent/src/base/people.c agent/src/base/sealed.c agent/src/base/accounts.c agent/src/base/ours.c agent/src/slices/measure.c agent/src/slices/measure_left.c agent/src/slices/enforcement.c agent/src/slices/edit.c agent/src/slices/edit_commit.c agent/src/slices/edit_forget.c agent/src/slices/strays.c agent/src/slices/files.c agent/src/slices/edit_rules.c agent/src/slices/edit_move.c agent/common/admit.c agent/common/life.c agent/common/host_clock.c agent/common/nested.c agent/src/journal/audit.c agent/src/state/admission.c agent/src/state/quota.c agent/src/base/groups.c agent/src/base/failure.c agent/src/gpu/gpu.c agent/src/slices/kernel_limit.c agent/src/slices/kernel_proof.c agent/src/slices/scopes.c agent/src/slices/scope_upkeep.c agent/src/base/cgroup.c
 * sanitize: address,undefined
 */
#include "check.h"
#include "base/cgroup.h"
#include "env.h"
#include "journal/notices.h"
#include "slices/edit.h"
#include "slices/edit_move.h"
#include "slices/kernel_limit.h"
#include "slices/policy.h"
#include "slices/scope_upkeep.h"
#include "slices/scopes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#define GPU_UUID "GPU-00000000-0000-4000-8000-000000000000"
#define OTHER_UUID "GPU-00000000-0000-4000-8000-000000000001"
#define GIB (UINT64_C(1) << 30)
#define SKIPPED 77
#define ROUNDS 1000

static struct agent agent;
static struct slice *slice;
static const struct editor editor = {.name = "tester", .claimed_from = "", .action = "test"};

/* ---- the driver --------------------------------------------------------------------------------------------- */

static uint64_t most[2] = {GPU_NO_GROUP_LIMIT, GPU_NO_GROUP_LIMIT}, used[2];
static int refuse_in, told, wrong; /* refuse_in: the how many-eth call from now is refused; 0: none is */

/* Whenever the driver is told: what programs read is never more than what it lets them have. */
static void look(void)
{
    bool open = slice && slice->policy && (atomic_load(&slice->policy->flags) & REGION_POLICY_DELETED) == 0;
    int gpu = slice && strcmp(slice->r.gpu_uuid, OTHER_UUID) == 0;
    if (open && slice->kernel.holds && atomic_load(&slice->policy->memory_limit_bytes) > most[gpu]) wrong++;
}

static int limit_group(size_t gpu, const char *path, uint64_t most_bytes, char *why, size_t cap)
{
    (void)path;
    told++;
    look();
    if (refuse_in > 0 && --refuse_in == 0) {
        snprintf(why, cap, "Not now.");
        return EIO;
    }
    if (most_bytes >= used[gpu]) most[gpu] = most_bytes; /* as dmem does */
    look();
    return 0;
}

static int group_limit(size_t gpu, const char *path, struct gpu_group_limit *out, char *why, size_t cap)
{
    (void)path, (void)why, (void)cap;
    *out = (struct gpu_group_limit){0, most[gpu], used[gpu]};
    return 0;
}

static const struct gpu_backend driver = {
    .id = "test",
    .can = {[GPU_CAN_LIMIT_MEMORY] = true, [GPU_CAN_LIMIT_COMPUTE] = true},
    .limit_group = limit_group,
    .group_limit = group_limit,
};
static struct backend_state kind = {
    .backend = &driver, .open = true, .driver = "1", .kernel = KERNEL_PROVED, .kernel_driver = "1"};

/* ---- the parts of the agent that this test stands in for ------------------------------------------------------- */

static int64_t clock_ms = 1000000;

int64_t now_mono_ms(void)
{
    return clock_ms;
}
int64_t now_wall_ms(void)
{
    return INT64_C(1763827200000) + clock_ms;
}
uint64_t now_region_ns(const struct agent *a)
{
    (void)a;
    return (uint64_t)clock_ms * 1000000;
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
    (void)a, (void)code, (void)id, (void)pid, (void)message;
}
void notices_send(struct agent *a, struct json_writer *w, bool is_minor)
{
    (void)a, (void)is_minor;
    json_writer_free(w);
}

static char root[64], groups[96], group_name[48];
static int top = -1;

static void tidy(void)
{
    int fd = top < 0 ? -1 : openat(top, group_name, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return;
    int folder = openat(fd, "slices", O_RDONLY | O_DIRECTORY);
    if (folder >= 0 && slice) cgroup_remove(folder, slice->r.id);
    cgroup_remove(fd, "slices");
    cgroup_remove(top, group_name);
}

static void begin(void)
{
    char path[128];
    static const char *const folders[] = {"policy", "usage", "board"};
    CHECK(mkdtemp(root));
    strcpy(agent.places.runtime, root);
    strcpy(agent.places.state, root);
    strcpy(agent.host_name, "test");
    agent.places.uid = geteuid();
    procs_init(&agent.procs);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", root, folders[i]);
        mkdir(path, 0711);
    }
    agent.gpu_count = 2;
    agent.backend_count = 0; /* nothing is proved here */
    for (uint32_t i = 0; i < 2; i++) {
        agent.gpus[i].kind = &kind;
        agent.gpus[i].handle = agent.gpus[i].info.index = i;
        strcpy(agent.gpus[i].info.uuid, i ? OTHER_UUID : GPU_UUID);
        agent.gpus[i].info.capacity_bytes = 80 * GIB;
    }
    setenv(ENV_CGROUP_ROOT, groups, 1);
    scopes_open(&agent);
    CHECK_THAT(!scopes_why_not(&agent), "%s", scopes_why_not(&agent));
}

static void make(void)
{
    struct slice_changes changes = {
        .has = {[SETTING_memory_limit_bytes] = true, [SETTING_compute_limit_percent] = true},
        .value = {[SETTING_memory_limit_bytes] = (int64_t)(10 * GIB), [SETTING_compute_limit_percent] = 50},
        .gpu_uuid = GPU_UUID,
        .name = "test"};
    struct edit_reply reply;
    struct failure failure = {0};
    CHECK_THAT(edit_create(&agent, &changes, &editor, &reply, &failure) == 0, "%s", failure.message);
    slice = agent.slices.items[0];
}

/* ---- tests --------------------------------------------------------------------------------------------------- */

static uint64_t page_bytes(void)
{
    return atomic_load(&slice->policy->memory_limit_bytes);
}

static int gpu_of_slice(void)
{
    return strcmp(slice->r.gpu_uuid, OTHER_UUID) == 0;
}

static int resize(uint64_t bytes)
{
    struct slice_changes changes = {.has = {[SETTING_memory_limit_bytes] = true},
                                    .value = {[SETTING_memory_limit_bytes] = (int64_t)bytes}};
    struct edit_reply reply;
    struct failure failure = {0};
    return edit_resize(&agent, slice, &changes, &editor, &reply, &failure);
}

static void a_new_slice_has_it_at_once(void)
{
    make();
    CHECK(kernel_limit_holds(&agent, slice));
    CHECK_EQ(most[0], 10 * GIB);
    CHECK_EQ(most[1], 0);
}

static void up_before_the_pages_and_down_after_them(void)
{
    CHECK_EQ(resize(20 * GIB), 0);
    CHECK_EQ(most[0], 20 * GIB);
    CHECK_EQ(resize(5 * GIB), 0);
    CHECK_EQ(most[0], 5 * GIB);
    CHECK_EQ(page_bytes(), 5 * GIB);
    CHECK_EQ(wrong, 0);
}

static void a_refusal_leaves_both(void)
{
    for (int i = 0; i < 2; i++) {
        refuse_in = 1;
        CHECK_EQ(resize(i ? 3 * GIB : 9 * GIB), -1);
        CHECK_EQ(most[0], 5 * GIB);
        CHECK_EQ(page_bytes(), 5 * GIB);
        CHECK_EQ(slice->r.memory_limit_bytes, 5 * GIB);
        CHECK(kernel_limit_holds(&agent, slice));
    }
    CHECK_EQ(wrong, 0);
}

/* A state that cannot be written: the edit was none, for the driver as well. */
static void what_was_not_saved_was_not_told(void)
{
    strcpy(agent.places.state, "/nonexistent");
    CHECK_EQ(resize(9 * GIB), -1);
    CHECK_EQ(resize(3 * GIB), -1);
    struct edit_reply reply;
    struct failure failure = {0};
    CHECK_EQ(edit_move(&agent, slice, OTHER_UUID, &editor, &reply, &failure), -1);
    strcpy(agent.places.state, root);
    CHECK_EQ(most[0], 5 * GIB);
    CHECK_EQ(most[1], 0);
    CHECK_EQ(page_bytes(), 5 * GIB);
    CHECK_EQ(wrong, 0);
}

static unsigned seed = 1;
static unsigned draw(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % below;
}

/* Edits, refusals, use and the agent's own looks, in any order. */
static void a_random_walk(void)
{
    struct edit_reply reply;
    struct failure failure = {0};
    for (int i = 0; i < ROUNDS; i++) {
        int gpu = gpu_of_slice();
        refuse_in = draw(4) == 0 ? 1 + (int)draw(3) : 0;
        switch (draw(5)) {
        case 0:
        case 1: resize((1 + draw(40)) * GIB); break;
        case 2:
            used[0] = used[1] = 0; /* nobody is in it while it moves */
            edit_move(&agent, slice, gpu ? GPU_UUID : OTHER_UUID, &editor, &reply, &failure);
            break;
        case 3: used[gpu] = most[gpu] == 0 ? 0 : draw((unsigned)(most[gpu] / GIB) + 1) * GIB; break;
        default: clock_ms += 1000; kernel_limit_watch(&agent, clock_ms);
        }
        if (wrong > 0) break;
    }
    CHECK_EQ(wrong, 0);
    refuse_in = 0;
    used[0] = used[1] = 0;
    for (int i = 0; i < 20; i++) kernel_limit_watch(&agent, clock_ms += 1000);
    CHECK(kernel_limit_holds(&agent, slice));
    CHECK_EQ(most[gpu_of_slice()], page_bytes());
    CHECK_EQ(most[!gpu_of_slice()], 0);
    CHECK(told > ROUNDS / 4);
}

int main(void)
{
    strcpy(root, "/tmp/tranche-kernel-XXXXXX");
    if (geteuid() != 0 || !cgroup_mount()) {
        puts("skipped: not root, or no cgroup v2 hierarchy");
        return SKIPPED;
    }
    top = open(cgroup_mount(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(group_name, sizeof group_name, "tranche-test-kernel-%d", (int)getpid());
    snprintf(groups, sizeof groups, "%s/%s", cgroup_mount(), group_name);
    if (top < 0 || mkdirat(top, group_name, 0755) != 0) {
        puts("skipped: the cgroup v2 hierarchy may not be written to");
        return SKIPPED;
    }
    atexit(tidy);
    begin();
    RUN(a_new_slice_has_it_at_once);
    RUN(up_before_the_pages_and_down_after_them);
    RUN(a_refusal_leaves_both);
    RUN(what_was_not_saved_was_not_told);
    RUN(a_random_walk);
    return check_done();
}
