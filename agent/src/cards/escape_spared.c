#include "cards/escape_spared.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/people.h"
#include "base/procs.h"
#include "base/workload.h"
#include "gpu/gpu.h"
#include "state/agent_state.h"
#include "state/concurrent.h"
#include "state/door_settings.h"
#include "state/escape_rule.h"

#define SYSTEM_SLICE "/system.slice/"
#define ANCESTORS_MAX 8 /* between the agent and a program that it has started: its supervisors and their children */

void escape_set_answer(struct escape *e, enum escape_answer answer, const char *format, ...)
{
    va_list args;
    e->answer = answer;
    va_start(args, format);
    vsnprintf(e->why, sizeof e->why, format, args);
    va_end(args);
}

/* The agent, what it has started and has not let go (the trial of the gate), and the daemon by which programs run at the
 * same time, with its server, which is its child. Nobody makes himself a descendant of a process of somebody else. */
static bool is_ours(const struct agent *agent, pid_t pid)
{
    uid_t uid;
    for (int up = 0; up < ANCESTORS_MAX && pid > 1; up++) {
        if (pid == getpid()) return true;
        for (size_t i = 0; i < agent->concurrent_count && up < 2; i++)
            if (agent->concurrent[i].daemon == pid) return true;
        if (procs_status(pid, &uid, &pid) != 0) return false;
    }
    return false;
}

/* Below system.slice root alone makes groups: a unit of the same name elsewhere is somebody's own. */
static bool in_system_unit(pid_t pid, const char *unit)
{
    char group[ESCAPE_EXEMPT_BYTES + sizeof SYSTEM_SLICE];
    snprintf(group, sizeof group, SYSTEM_SLICE "%s", unit);
    return procs_in_group(pid, group);
}

static bool is_vendors(const struct agent *agent, pid_t pid)
{
    for (size_t i = 0; i < agent->backend_count; i++) {
        const char *const *unit = agent->backends[i].backend->services;
        for (; unit && *unit; unit++)
            if (in_system_unit(pid, *unit)) return true;
    }
    return false;
}

bool escape_is_of_host(struct agent *agent, struct escape *e)
{
    if (e->pid != 1 && !is_ours(agent, e->pid) && !is_vendors(agent, e->pid)) return false;
    escape_set_answer(e, ESCAPE_IS_PROTECTED, "it serves this host");
    return true;
}

/* Whom operators let through the door is meant to be on GPUs without a slice, shut or not. */
static bool passes_the_door(const struct agent *agent, struct escape *e)
{
    const struct door_settings *door = agent->door_settings;
    bool passes = false;
    for (size_t i = 0; door && i < door->exempt_count && !passes; i++) passes = door->exempt[i].uid == e->person;
    for (size_t i = 0; door && i < door->service_count && !passes; i++)
        passes = procs_in_group(e->pid, door->services[i]);
    if (passes) escape_set_answer(e, ESCAPE_IS_EXEMPT, "the door lets it through");
    return passes;
}

bool escape_is_exempt(struct agent *agent, struct escape *e)
{
    const char *at = agent->escape_settings.exempt, *name, *owner = people_name_of(e->person);
    char one[ESCAPE_EXEMPT_BYTES];
    for (size_t n; (n = escape_rule_next_exempt(&at, &name)) > 0;) {
        snprintf(one, sizeof one, "%.*s", (int)n, name);
        bool is_unit = strncmp(one, ESCAPE_UNIT_PREFIX, strlen(ESCAPE_UNIT_PREFIX)) == 0;
        bool is_it =
            is_unit ? in_system_unit(e->pid, one + strlen(ESCAPE_UNIT_PREFIX)) : owner && strcmp(owner, one) == 0;
        if (!is_it) continue;
        escape_set_answer(e, ESCAPE_IS_EXEMPT, "%.80s is exempt", one);
        return true;
    }
    return passes_the_door(agent, e);
}

/* What root runs in a container is somebody's program; what root runs beside is the system. */
bool escape_is_roots(struct escape *e, struct proc *proc, int64_t mono_ms)
{
    if (e->uid != 0 || procs_workload(proc, mono_ms)->container[0] != '\0') return false;
    escape_set_answer(e, ESCAPE_IS_PROTECTED, "root runs it, in no container");
    return true;
}
