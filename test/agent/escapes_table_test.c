/* Who has a place in the table of processes outside every slice when there are more than it holds, and what a pid that was
 * given to another process takes over: nothing.
 * build: agent/src/cards/escapes_table.c agent/common/log.c agent/common/text.c
 * sanitize: address,undefined
 */
#include "base/accounts.h"
#include "base/now.h"
#include "base/procs.h"
#include "cards/escapes_table.h"
#include "check.h"
#include "state/agent_state.h"

#include <stdlib.h>

#define TOM 61201
#define MIA 61202

static struct agent agent;
static struct proc proc;
static uid_t owner;

/* The parts of the agent that this test stands in for: every pid is a living process of `owner`. */
int64_t now_wall_ms(void)
{
    return 1;
}
uid_t accounts_owner(uid_t uid, int64_t mono_ns)
{
    (void)mono_ns;
    return uid;
}
struct proc *procs_get(struct procs *procs, pid_t pid, int64_t mono_ms)
{
    (void)procs;
    (void)mono_ms;
    proc.pid = pid;
    return &proc;
}
int procs_status(pid_t pid, uid_t *real_uid, pid_t *parent)
{
    (void)pid;
    *real_uid = owner;
    *parent = 1;
    return 0;
}
signed char procs_names_slice(const struct proc *one, const char *slice_id)
{
    (void)one;
    (void)slice_id;
    return -1;
}

static void begin(uid_t uid)
{
    static struct escapes all;
    free(all.items);
    all = (struct escapes){.count = 0};
    agent.escapes = &all;
    proc = (struct proc){.start_ticks = 7};
    owner = uid;
}

static struct escape *listed(pid_t pid)
{
    struct escape *e = escapes_get(&agent, pid, true, 1000);
    if (e) e->is_off = false; /* as the look does with whom the driver lists */
    return e;
}

static void one_person_takes_no_place_of_a_program_on_a_gpu(void)
{
    begin(TOM);
    for (pid_t pid = 1; pid <= ESCAPES_MAX; pid++) listed(pid)->is_off = true; /* told, and gone from the GPU since */
    owner = MIA;
    struct escape *e = listed(5000);
    CHECK(e != NULL && e->person == MIA);
    CHECK(agent.escapes->count == ESCAPES_MAX);
    CHECK(!agent.escapes->is_full);
}

static void who_is_on_a_gpu_keeps_his_place(void)
{
    begin(TOM);
    for (pid_t pid = 1; pid <= ESCAPES_MAX; pid++) CHECK(listed(pid) != NULL);
    owner = MIA;
    CHECK(listed(5000) == NULL);
    CHECK(agent.escapes->is_full);
    CHECK(agent.escapes->count == ESCAPES_MAX);
    CHECK(escapes_seek(agent.escapes, 1) != NULL);
}

static void who_only_has_a_node_open_takes_nobodys_place(void)
{
    begin(TOM);
    for (pid_t pid = 1; pid <= ESCAPES_MAX; pid++) listed(pid);
    agent.escapes->items[3].is_off = true;
    owner = MIA;
    CHECK(escapes_get(&agent, 5000, false, 1000) == NULL);
    CHECK(escapes_seek(agent.escapes, 4) != NULL);
}

static void one_person_has_so_many_that_are_on_no_gpu(void)
{
    begin(TOM);
    for (pid_t pid = 1; pid <= ESCAPE_HOLDERS_PER_PERSON; pid++) CHECK(escapes_get(&agent, pid, false, 1000) != NULL);
    CHECK(escapes_get(&agent, 4000, false, 1000) == NULL);
    CHECK(escapes_get(&agent, 1, false, 1000) != NULL); /* is there already */
    owner = MIA;
    CHECK(escapes_get(&agent, 4001, false, 1000) != NULL);
}

static void a_pid_of_another_process_is_another_record(void)
{
    begin(TOM);
    struct escape *e = listed(9);
    e->term_at_ms = 5;
    e->was_told = e->has_stopped = true;
    CHECK(escapes_get(&agent, 9, true, 2000)->term_at_ms == 5); /* the same process */
    proc.start_ticks = 8;
    owner = MIA;
    e = escapes_get(&agent, 9, true, 2000);
    CHECK(e && e->person == MIA && e->term_at_ms == 0 && !e->was_told && !e->has_stopped);
    CHECK(agent.escapes->count == 1);
}

int main(void)
{
    RUN(one_person_takes_no_place_of_a_program_on_a_gpu);
    RUN(who_is_on_a_gpu_keeps_his_place);
    RUN(who_only_has_a_node_open_takes_nobodys_place);
    RUN(one_person_has_so_many_that_are_on_no_gpu);
    RUN(a_pid_of_another_process_is_another_record);
    free(agent.escapes->items);
    return check_done();
}
