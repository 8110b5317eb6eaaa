#include "cards/escape_answers.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/accounts.h"
#include "base/people.h"
#include "base/procs.h"
#include "base/workload.h"
#include "cards/escape_spared.h"
#include "cards/escapes.h"
#include "cards/escapes_table.h"
#include "gpu/gpu.h"
#include "journal/audit.h"
#include "journal/notices.h"
#include "log.h"
#include "proc_stat.h"
#include "slices/measure.h"
#include "slices/policy.h"
#include "state/agent_state.h"
#include "state/escape_rule.h"
#include "state/slice.h"
#include "text.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

#define COMMAND_TOLD_BYTES 80
#define CHARGES_MAX (SLICES_MAX * 2) /* with those that are deleted and still have programs */

const char *escape_answer_name(enum escape_answer answer)
{
    static const char *const names[] = {[ESCAPE_WAITS] = "waiting",          [ESCAPE_IS_REPORTED] = "reported",
                                        [ESCAPE_IS_CHARGED] = "charged",     [ESCAPE_IS_STOPPED] = "stopped",
                                        [ESCAPE_IS_RELEASED] = "released",   [ESCAPE_IS_ENDING] = "ending",
                                        [ESCAPE_IS_KILLED] = "killed",       [ESCAPE_IS_EXEMPT] = "exempt",
                                        [ESCAPE_IS_PROTECTED] = "protected", [ESCAPE_NOT_PERMITTED] = "not-permitted"};
    return names[answer];
}

struct asked {
    struct agent *agent;
    struct escape *e;
    struct proc *proc;
    int64_t mono_ms;
    bool is_fresh; /* the driver's list was read in this turn, and has it */
};

/* The slice in which it holds more than was counted; of several the one that is beyond its limit. */
static const struct slice *beyond_slice(const struct asked *a)
{
    const struct slice *found = NULL;
    for (uint32_t at = 0; at < a->agent->gpu_count; at++) {
        if ((a->e->beyond >> at & 1) == 0) continue;
        for (size_t i = 0; i < a->agent->slices.count; i++) {
            const struct slice *slice = a->agent->slices.items[i];
            bool is_one = strcmp(slice->r.gpu_uuid, a->agent->gpus[at].info.uuid) == 0 &&
                          slice_holds(slice, (uint32_t)a->e->pid);
            if (is_one && (!found || slice->outside.holds_more)) found = slice;
        }
    }
    return found;
}

/* ---- telling --------------------------------------------------------------------------------------------- */

static struct escape_person *person_of(struct escapes *all, uid_t uid, int64_t mono_ms)
{
    struct escape_person *oldest = NULL;
    for (size_t i = 0; i < all->person_count; i++) {
        struct escape_person *one = &all->people[i];
        if (one->person == uid) return one;
        if (!oldest || one->since_ms < oldest->since_ms) oldest = one;
    }
    if (all->person_count < ESCAPE_PEOPLE_MAX) oldest = &all->people[all->person_count++];
    *oldest = (struct escape_person){.person = uid, .since_ms = mono_ms};
    return oldest;
}

/* Bytes that the driver lists of it on all GPUs where it is outside. false: of none it says how many. */
static bool bytes_of(const struct asked *a, uint64_t *bytes_out)
{
    bool known = false;
    *bytes_out = 0;
    for (uint32_t at = 0; at < a->agent->gpu_count; at++) {
        uint64_t bytes;
        if ((escapes_listed_on(a->e) >> at & 1) == 0 ||
            !measure_gpu_bytes(&a->agent->gpus[at], (uint32_t)a->e->pid, &bytes))
            continue;
        known = true;
        *bytes_out = measure_add(*bytes_out, bytes);
    }
    return known;
}

static const struct gpu_state *first_gpu(const struct asked *a)
{
    for (uint32_t at = 0; at < a->agent->gpu_count; at++)
        if (escapes_listed_on(a->e) >> at & 1) return &a->agent->gpus[at];
    return NULL;
}

/* "python train.py (pid 7) of tom, docker 3f2a, jupyter.service, 2.0 GiB of GPU 0". */
static void describe(const struct asked *a, char *out, size_t cap)
{
    const struct workload *workload = procs_workload(a->proc, a->mono_ms);
    const struct gpu_state *gpu = first_gpu(a);
    const char *name = people_name_of(a->e->uid);
    char command[COMMAND_TOLD_BYTES], uid[24], size[32] = "memory", where[16] = "a GPU";
    uint64_t bytes;
    const char *line = procs_command(a->proc, a->mono_ms);
    text_sanitize(command, sizeof command, line, strlen(line));
    snprintf(uid, sizeof uid, "uid %u", (unsigned)a->e->uid);
    if (gpu) snprintf(where, sizeof where, "GPU %u", gpu->info.index);
    if (bytes_of(a, &bytes)) text_gib(size, sizeof size, bytes);
    snprintf(out, cap, "%s (pid %ld) of %s%s%s%s%s, %s of %s", command, (long)a->e->pid, name ? name : uid,
             workload->container[0] ? ", " : "", workload->container, workload->unit[0] ? ", " : "", workload->unit,
             size, where);
}

/* Into the audit and to whoever listens. `did` is what was done, and may say why no more. */
static void tell(const struct asked *a, const char *did)
{
    struct escape_person *person = person_of(a->agent->escapes, a->e->person, a->mono_ms);
    char what[TEXT_SHOWN_BYTES * 2], message[TEXT_SHOWN_BYTES * 2 + 160], omitted[48] = "";
    const struct slice *slice = a->e->listed == 0 ? beyond_slice(a) : NULL;
    a->e->was_told = true;
    if (a->mono_ms - person->since_ms >= ESCAPE_TOLD_MS) {
        person->since_ms = a->mono_ms;
        person->told = 0;
    }
    if (person->told >= ESCAPE_TOLD_MAX) {
        person->omitted++;
        return;
    }
    person->told++;
    if (person->omitted > 0) snprintf(omitted, sizeof omitted, " (%u more before)", person->omitted);
    person->omitted = 0;
    describe(a, what, sizeof what);
    /* What was done stands first: a long command is cut off behind it. */
    snprintf(message, sizeof message, "%s%s: %s", did, omitted, what);
    struct editor editor = {.uid = a->agent->places.uid,
                            .name = a->agent->manager_name,
                            .action = slice ? "beyond-count" : "escape",
                            .claimed_from = ""};
    audit_act(a->agent, &editor, slice, message);
    snprintf(message, sizeof message, "%s %s. %s%s.", what,
             slice ? "holds more than was counted" : "is outside every slice", did, omitted);
    log_line("%s", message);
    notices_tell(a->agent, "escape", slice ? slice->r.id : NULL, (uint32_t)a->e->pid, message);
}

static void tell_once(const struct asked *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell_once(const struct asked *a, const char *format, ...)
{
    char did[160];
    va_list args;
    if (a->e->was_told) return;
    va_start(args, format);
    vsnprintf(did, sizeof did, format, args);
    va_end(args);
    tell(a, did);
}

/* A process of another PID namespace that is in a slice of this person and was not found yet may be this one. */
static bool may_be_in_slice(const struct asked *a)
{
    for (size_t i = 0; i < a->agent->slices.count; i++) {
        const struct slice *slice = a->agent->slices.items[i];
        if (slice->r.owner_uid != a->e->person) continue;
        for (size_t k = 0; k < slice->track_count; k++)
            if (slice->tracks[k].pid == 0) return true;
    }
    return false;
}

static bool has_settled(const struct asked *a)
{
    if (a->e->is_beyond) return true; /* for several readings of the list */
    if (a->e->listed_ms == 0 || a->e->list_looks < 2) return false;
    int64_t age_ms = a->mono_ms - a->e->listed_ms;
    return age_ms >= (may_be_in_slice(a) ? ESCAPE_NESTED_MS : ESCAPE_ANSWER_MS);
}

/* ---- acts -------------------------------------------------------------------------------------------------- */

/* To this very process: the handle was opened before the driver listed it again, and its start time is compared once
 * more. 0 or errno. */
static int signal_to(const struct asked *a, int number)
{
    uint64_t ticks;
    if (a->proc->pidfd < 0) return ENOSYS; /* a number alone may be another process's in a moment */
    if (procs_start_ticks(a->e->pid, &ticks) != 0 || ticks != a->e->start_ticks) return ESRCH;
    return syscall(SYS_pidfd_send_signal, a->proc->pidfd, number, NULL, 0) == 0 ? 0 : errno;
}

/* What could not be done is told once, and shown as long as it is so. */
static void not_done(const struct asked *a, const char *what, int error)
{
    if (error == ESRCH) return; /* it has ended */
    if (error == ENOSYS)
        escape_set_answer(a->e, ESCAPE_NOT_PERMITTED, "this kernel (before 5.3) cannot name a process safely");
    else if (error == EPERM)
        escape_set_answer(a->e, ESCAPE_NOT_PERMITTED,
                          "the agent runs as %.40s and may not signal a process of another user",
                          a->agent->manager_name);
    else
        escape_set_answer(a->e, ESCAPE_NOT_PERMITTED, "the signal could not be sent (%s)", strerror(error));
    tell_once(a, "%s was not possible: %s", what, a->e->why);
}

static void stop(const struct asked *a)
{
    struct proc_stat stat;
    struct escape *e = a->e;
    if (e->was_released) {
        escape_set_answer(e, ESCAPE_IS_RELEASED, "an operator let it go on");
        return;
    }
    bool stands = proc_stat_read((uint32_t)e->pid, 0, &stat) == 0 && (stat.state == 'T' || stat.state == 't');
    if (e->has_stopped && stands) return;
    int error = signal_to(a, SIGSTOP);
    if (error != 0) {
        not_done(a, "Stopping it", error);
        return;
    }
    e->stops++;
    escape_set_answer(e, ESCAPE_IS_STOPPED, "let it go on: tranche escapes continue %ld", (long)e->pid);
    if (!e->has_stopped) tell(a, "It was stopped; to let it go on: tranche escapes continue PID");
    e->has_stopped = true;
    if (e->stops == 2) tell(a, "It went on by itself and was stopped again, as it will be each time");
}

static void end(const struct asked *a)
{
    struct escape *e = a->e;
    long long grace = (long long)a->agent->escape_settings.grace_seconds;
    bool is_first = e->term_at_ms == 0;
    if (!is_first && a->mono_ms - e->term_at_ms < grace * 1000) return;
    int error = signal_to(a, is_first ? SIGTERM : SIGKILL);
    if (error != 0) {
        not_done(a, "Ending it", error);
        return;
    }
    if (!is_first) {
        if (e->answer != ESCAPE_IS_KILLED) tell(a, "It was killed (SIGKILL) after its time to end");
        escape_set_answer(e, ESCAPE_IS_KILLED, "SIGKILL was sent");
        return;
    }
    char did[96];
    /* What stands still hears nothing. */
    if (e->has_stopped) (void)signal_to(a, SIGCONT);
    e->has_stopped = false;
    e->term_at_ms = a->mono_ms;
    snprintf(did, sizeof did, "It was told to end (SIGTERM), and is killed in %lld s", grace);
    escape_set_answer(e, ESCAPE_IS_ENDING, "SIGTERM was sent; SIGKILL follows after %lld s", grace);
    tell(a, did);
}

/* The largest of this person's slices on that GPU: another one would have less room to give. NULL: there is none. */
static struct slice *slice_of(const struct agent *agent, uid_t person, const char *gpu_uuid)
{
    struct slice *largest = NULL;
    for (size_t i = 0; i < agent->slices.count; i++) {
        struct slice *slice = agent->slices.items[i];
        bool is_one = !slice->r.deleted && !slice_is_left(&slice->r) && slice->r.owner_uid == person &&
                      strcmp(slice->r.gpu_uuid, gpu_uuid) == 0;
        if (is_one && (!largest || slice->r.memory_limit_bytes > largest->r.memory_limit_bytes)) largest = slice;
    }
    return largest;
}

/* Bytes are summed up in charges[], one for each slice of the table. */
static void charge(const struct asked *a, uint64_t *charges)
{
    struct escape *e = a->e;
    const char *charged_to = NULL;
    for (uint32_t at = 0; at < a->agent->gpu_count; at++) {
        const struct gpu_state *gpu = &a->agent->gpus[at];
        uint64_t bytes;
        if ((e->listed >> at & 1) == 0 || !measure_gpu_bytes(gpu, (uint32_t)e->pid, &bytes)) continue;
        struct slice *slice = slice_of(a->agent, e->person, gpu->info.uuid);
        if (!slice) continue;
        for (size_t i = 0; i < a->agent->slices.count && i < CHARGES_MAX; i++)
            if (a->agent->slices.items[i] == slice) charges[i] = measure_add(charges[i], bytes);
        charged_to = slice->r.name;
    }
    if (charged_to)
        escape_set_answer(e, ESCAPE_IS_CHARGED, "charged to %s", charged_to);
    else
        escape_set_answer(e, ESCAPE_IS_REPORTED, "its owner has no slice there");
    tell_once(a, charged_to ? "It is %s" : "It is charged to nobody: %s", e->why);
}

/* What the driver shows of a process in a slice counts against that slice in any case (measure_residue). The slice is
 * within its limit all the same: whatever way the bytes came, they took nothing from anybody else. */
static bool is_charged_alone(const struct asked *a)
{
    const struct slice *slice = beyond_slice(a);
    if (a->e->listed != 0 || !slice) return false;
    bool is_answered = a->e->has_stopped || a->e->term_at_ms != 0;
    enum escape_rule rule = a->agent->escape_settings.rule;
    bool is_rule = rule == ESCAPE_STOP || rule == ESCAPE_END;
    if (is_rule && (is_answered || slice->outside.holds_more)) return false;
    escape_set_answer(a->e, ESCAPE_IS_CHARGED, "charged to %s, as the driver shows it", slice->r.name);
    tell_once(a, "It is %s", a->e->why);
    return true;
}

/* One that we stopped goes on: the rule is another one, or it is left alone now. */
static void let_go(const struct asked *a, const char *because)
{
    char did[128];
    if (!a->e->has_stopped) return;
    int error = signal_to(a, SIGCONT);
    a->e->has_stopped = false;
    if (error == 0)
        snprintf(did, sizeof did, "It goes on: %s", because);
    else
        snprintf(did, sizeof did, "It could not be let go on: %s", strerror(error));
    tell(a, did);
}

static bool is_left_alone(const struct asked *a, enum escape_rule rule)
{
    if (escape_is_of_host(a->agent, a->e) || escape_is_exempt(a->agent, a->e)) return true;
    if (rule == ESCAPE_REPORT || !escape_is_roots(a->e, a->proc, a->mono_ms)) return false;
    tell_once(a, "It is left alone: %s", a->e->why);
    return true;
}

static void answer(const struct asked *a, uint64_t *charges)
{
    struct escape *e = a->e;
    enum escape_rule rule = a->agent->escape_settings.rule;
    if (rule == ESCAPE_REPORT || rule == ESCAPE_CHARGE) let_go(a, "the rule is another one now");
    if (rule != ESCAPE_END) e->term_at_ms = 0;
    if (escapes_listed_on(e) == 0) {
        escape_set_answer(e, ESCAPE_WAITS,
                          e->names_slice ? "says that it is in a slice; the driver lists nothing of it"
                                         : "the driver lists nothing of it");
    } else if (!has_settled(a)) {
        if (!e->was_told) escape_set_answer(e, ESCAPE_WAITS, "just seen");
    } else if (is_left_alone(a, rule)) {
        let_go(a, e->why);
    } else if (is_charged_alone(a)) {
        return;
    } else if (rule == ESCAPE_REPORT) {
        escape_set_answer(e, ESCAPE_IS_REPORTED, "%s", "");
        tell_once(a, "It is reported");
    } else if (rule == ESCAPE_CHARGE) {
        charge(a, charges);
    } else if (a->is_fresh && rule == ESCAPE_STOP) {
        stop(a);
    } else if (a->is_fresh) {
        end(a);
    }
}

/* A process may be another user's since it was first seen: root's programs become their users'. */
static bool take_user(struct escape *e, int64_t mono_ms)
{
    uid_t uid;
    pid_t parent;
    if (procs_status(e->pid, &uid, &parent) != 0) return false;
    if (uid == e->uid) return true;
    e->uid = uid;
    e->person = accounts_owner(uid, mono_ms * 1000000);
    return true;
}

void escape_answers(struct agent *agent, int64_t mono_ms)
{
    static uint64_t charges[CHARGES_MAX];
    struct escapes *all = agent->escapes;
    memset(charges, 0, sizeof charges);
    for (size_t i = 0; i < all->count; i++) {
        struct asked a = {.agent = agent, .e = &all->items[i], .mono_ms = mono_ms};
        if (!a.e->is_shown) continue;
        a.proc = procs_get(&agent->procs, a.e->pid, mono_ms);
        bool is_it = a.proc && a.proc->start_ticks == a.e->start_ticks && take_user(a.e, mono_ms);
        if (!is_it) continue; /* it has ended, and is gone from the table at the next look */
        for (uint32_t at = 0; at < agent->gpu_count; at++)
            a.is_fresh |= (escapes_listed_on(a.e) >> at & 1) && agent->gpus[at].processes_at_ms == mono_ms;
        answer(&a, charges);
    }
    for (size_t i = 0; i < agent->slices.count && i < CHARGES_MAX; i++)
        policy_set_escaped(agent->slices.items[i], charges[i]);
}
