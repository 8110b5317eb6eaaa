/* Whom no rule for processes outside every slice touches, by who began it: the agent, what it has started, and the daemon by
 * which programs run at the same time. The rest is tried with real processes (escapes_spared.test.ts).
 * build: agent/src/base/sealed.c agent/src/cards/escape_spared.c agent/src/state/escape_rule.c agent/src/base/failure.c agent/common/fs.c agent/common/json.c agent/common/log.c agent/common/text.c
 * sanitize: address,undefined
 */
#include "base/people.h"
#include "base/procs.h"
#include "cards/escape_spared.h"
#include "check.h"
#include "state/agent_state.h"
#include "state/concurrent.h"
#include "state/door_settings.h"

#include <unistd.h>

#define TOM 61201
#define FIRST 1000000 /* pids of this test, which are nobody's */

static struct agent agent;
static struct concurrent concurrent[1];
static pid_t parents[16]; /* of FIRST, FIRST + 1, … */

/* The parts of the agent that this test stands in for. */
int procs_status(pid_t pid, uid_t *real_uid, pid_t *parent)
{
    if (pid < FIRST || pid >= FIRST + 16 || parents[pid - FIRST] == 0) return -1;
    *real_uid = TOM;
    *parent = parents[pid - FIRST];
    return 0;
}
static const char *group_of_all = "";
bool procs_in_group(pid_t pid, const char *group)
{
    (void)pid;
    return strcmp(group, group_of_all) == 0;
}
const struct workload *procs_workload(struct proc *proc, int64_t mono_ms)
{
    (void)proc;
    (void)mono_ms;
    static struct workload none;
    return &none;
}
const char *people_name_of(uid_t uid)
{
    return uid == TOM ? "tom" : NULL;
}
int people_uid_of(const char *name, uid_t *uid)
{
    *uid = TOM;
    return strcmp(name, "tom") == 0 ? 0 : -1;
}

/* A line of processes, each the parent of the one before; the last one's parent is `above`. */
static pid_t line(int length, pid_t above)
{
    memset(parents, 0, sizeof parents);
    for (int i = 0; i < length; i++) parents[i] = i == length - 1 ? above : FIRST + i + 1;
    return FIRST;
}

static bool is_of_host(pid_t pid)
{
    struct escape e = {.pid = pid, .uid = TOM, .person = TOM};
    bool is = escape_is_of_host(&agent, &e);
    CHECK(is == (e.answer == ESCAPE_IS_PROTECTED));
    return is;
}

static void what_the_agent_has_started_is_the_hosts(void)
{
    agent.concurrent = concurrent;
    CHECK(is_of_host(getpid()));
    CHECK(is_of_host(1));
    for (int length = 1; length <= 4; length++) CHECK(is_of_host(line(length, getpid())));
    CHECK(!is_of_host(line(3, 1)));
    CHECK(!is_of_host(line(1, getppid()))); /* who began the agent as well */
    CHECK(!is_of_host(FIRST + 9));          /* it has ended */
}

static void a_line_without_end_is_left(void)
{
    parents[0] = FIRST;
    CHECK(!is_of_host(FIRST));
}

static void the_daemon_and_its_server_are_the_hosts(void)
{
    agent.concurrent = concurrent;
    agent.concurrent_count = 1;
    concurrent[0].daemon = FIRST + 1;
    CHECK(is_of_host(line(1, 1) + 1) == true);
    CHECK(is_of_host(line(2, 1)));
    concurrent[0].daemon = FIRST + 2;
    CHECK(!is_of_host(line(3, 1))); /* a program of its server is somebody's */
    concurrent[0].daemon = 0;
    CHECK(!is_of_host(line(1, 1)));
}

static void a_list_of_names_exempts_those(void)
{
    static const struct {
        const char *list;
        bool is_it;
    } lists[] = {{"", false}, {"tom", true}, {"mia, tom", true}, {"to", false}, {"tommy", false}, {"unit:tom", false}};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct escape e = {.pid = FIRST, .uid = 100000, .person = TOM}; /* a subordinate uid of his */
        snprintf(agent.escape_settings.exempt, sizeof agent.escape_settings.exempt, "%s", lists[i].list);
        CHECK_THAT(escape_is_exempt(&agent, &e) == lists[i].is_it, "“%s”", lists[i].list);
    }
}

static void whom_the_door_lets_through_is_exempt(void)
{
    static struct door_settings door = {.service_count = 1, .exempt_count = 1};
    struct escape e = {.pid = FIRST, .uid = TOM, .person = TOM};
    agent.escape_settings.exempt[0] = '\0';
    agent.door_settings = &door;
    snprintf(door.services[0], sizeof door.services[0], "/gpu.slice");
    CHECK(!escape_is_exempt(&agent, &e));
    door.exempt[0].uid = TOM;
    CHECK(escape_is_exempt(&agent, &e));
    door.exempt[0].uid = TOM + 1;
    group_of_all = "/gpu.slice";
    CHECK(escape_is_exempt(&agent, &e));
    CHECK(e.answer == ESCAPE_IS_EXEMPT);
    agent.door_settings = NULL;
    CHECK(!escape_is_exempt(&agent, &e));
    group_of_all = "";
}

static void what_root_runs_is_the_systems(void)
{
    struct proc proc = {.pid = FIRST};
    struct escape roots = {.pid = FIRST, .uid = 0}, toms = {.pid = FIRST, .uid = TOM};
    CHECK(escape_is_roots(&roots, &proc, 1));
    CHECK(!escape_is_roots(&toms, &proc, 1));
}

int main(void)
{
    RUN(what_the_agent_has_started_is_the_hosts);
    RUN(a_line_without_end_is_left);
    RUN(the_daemon_and_its_server_are_the_hosts);
    RUN(a_list_of_names_exempts_those);
    RUN(whom_the_door_lets_through_is_exempt);
    RUN(what_root_runs_is_the_systems);
    return check_done();
}
