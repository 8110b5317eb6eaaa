/* A signal to a process on a GPU: for its owner, and for operators. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/failure.h"
#include "base/now.h"
#include "base/people.h"
#include "base/procs.h"
#include "cards/escapes.h"
#include "journal/audit.h"
#include "log.h"
#include "state/agent_state.h"
#include "state/rights.h"
#include "state/slice.h"
#include "text.h"
#include "wire/operations.h"
#include "wire/requests_fields.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

/* By the driver's own account. What tenants write into their slices names whom they like: an operator's signal goes by
 * nobody's word but the driver's, and one's own processes are one's own. */
static bool on_a_gpu(const struct agent *agent, uint32_t pid, bool is_own)
{
    for (size_t i = 0; i < agent->gpu_count; i++) {
        for (size_t k = 0; k < agent->gpus[i].process_count; k++)
            if (agent->gpus[i].processes[k].pid == pid) return true;
    }
    return is_own && slice_holding(&agent->slices, pid);
}

static int send_signal(const struct proc *proc, int number)
{
    if (proc->pidfd >= 0) {
        if (syscall(SYS_pidfd_send_signal, proc->pidfd, number, NULL, 0) == 0) return 0;
        if (errno != ENOSYS) return errno;
    }
    return kill(proc->pid, number) == 0 ? 0 : errno;
}

#define COMMAND_KEPT_BYTES 160

/* Whose process got which signal, and what it ran: a command line is its owner's word, and shown as text. */
static void keep(const struct request *r, struct proc *proc, const struct slice *slice, const char *signal_name)
{
    char detail[TEXT_SHOWN_BYTES + 1], uid[24] = "somebody unknown", command[COMMAND_KEPT_BYTES + 1];
    struct editor editor = request_editor(r);
    const char *owner = proc->uid_known ? people_name_of(proc->uid) : NULL;
    if (proc->uid_known) snprintf(uid, sizeof uid, "uid %u", proc->uid);
    if (!owner) owner = uid;
    text_sanitize(command, sizeof command, proc->command, strlen(proc->command));
    snprintf(detail, sizeof detail, "SIG%s to %lld of %s: %s", signal_name, (long long)proc->pid, owner, command);
    audit_act(r->agent, &editor, slice, detail);
}

int op_process_stop(struct request *r)
{
    const char *name, *ticks_text;
    int64_t pid, ticks;
    if (request_may_integer(r, "pid", 1, INT32_MAX, &pid) != 1) return request_bad(r, "pid", "a process id");
    if (request_need_text(r, "startTicks", &ticks_text) != 0 || request_need_text(r, "signal", &name) != 0) return -1;
    if (text_parse_integer(ticks_text, 0, INT64_MAX, &ticks) != 0) return request_bad(r, "startTicks", "digits");
    int number = strcmp(name, "INT") == 0    ? SIGINT
                 : strcmp(name, "TERM") == 0 ? SIGTERM
                 : strcmp(name, "KILL") == 0 ? SIGKILL
                 : strcmp(name, "CONT") == 0 ? SIGCONT
                                             : 0;
    if (number == 0) return request_bad(r, "signal", "\"INT\", \"TERM\", \"KILL\" or \"CONT\"");
    /* What the host's rule has stopped goes on by an operator's word only. */
    if (number == SIGCONT && request_need(r, VERB_SET_HOST) != 0) return -1;
    struct proc *proc = procs_get(&r->agent->procs, (pid_t)pid, now_mono_ms());
    bool is_own = proc && proc->uid_known && proc->uid == r->peer->uid;
    if (!proc || pid == 1 || proc->start_ticks != (uint64_t)ticks || !on_a_gpu(r->agent, (uint32_t)pid, is_own)) {
        return fail(&r->failure, "unknown-process",
                    "Process %lld is not (or no longer) on a GPU of %s; no signal was sent.", (long long)pid,
                    r->agent->host_name);
    }
    if (!rights_may(r->agent, r->peer->uid, VERB_STOP_PROCESS, proc->uid_known ? proc->uid : OWNED_BY_NOBODY))
        return fail(&r->failure, "not-permitted", "Process %lld is not yours; no signal was sent.", (long long)pid);
    const struct slice *slice = slice_holding(&r->agent->slices, (uint32_t)pid);
    procs_command(proc, now_mono_ms()); /* after a signal it may have none */
    int error = send_signal(proc, number);
    if (error == EPERM) {
        return fail(&r->failure, "not-permitted",
                    "The agent runs as %s and may not signal process %lld of another user. Its owner can, with: kill "
                    "-%s %lld",
                    r->agent->manager_name, (long long)pid, name, (long long)pid);
    }
    if (error != 0) {
        return fail(&r->failure, "unknown-process", "Process %lld could not be signalled: %s.", (long long)pid,
                    strerror(error));
    }
    if (number == SIGCONT) escapes_release(r->agent, (pid_t)pid, (uint64_t)ticks);
    log_line("%s sent SIG%s to process %lld", r->peer->name, name, (long long)pid);
    keep(r, proc, slice, name);
    return request_ok(r);
}
