#include "records/doctor.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/now.h"
#include "base/ours.h"
#include "base/places.h"
#include "cards/doorman.h"
#include "cards/escapes.h"
#include "cards/faults.h"
#include "fs.h"
#include "gpu/gpu.h"
#include "slices/kernel_limit.h"
#include "slices/kernel_proof.h"
#include "slices/scopes.h"
#include "slices/upkeep.h"
#include "state/agent_state.h"
#include "state/concurrent.h"
#include "state/slice.h"

#define FAULT_MENTIONED_MINUTES (7 * 24 * 60)
#define STATE_ROOM_MIN_BYTES (64ull << 20)

void doctor_say(const struct doctor *doctor, const char *code, enum doctor_level level, const char *format, ...)
{
    static const char *const levels[] = {"ok", "note", "warning", "error"};
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    doctor->found(doctor->context, code, levels[level], message);
}

static void check_logout(const struct doctor *doctor, const char *runtime_dir, uid_t uid)
{
    struct passwd *pw = getpwuid(uid);
    char number[24], linger[FS_PATH_BYTES];
    snprintf(number, sizeof number, "uid %u", (unsigned)uid);
    const char *name = pw ? pw->pw_name : number; /* loginctl takes names alone: one without has none to give it */
    if (uid < 1000 || access("/run/systemd/system", F_OK) != 0) return;
    bool lingers = fs_join(linger, "/var/lib/systemd/linger", name) == 0 && access(linger, F_OK) == 0;
    if (lingers) {
        doctor_say(doctor, "linger", DOCTOR_OK, "Programs of %s go on after logout (linger is on).", name);
        return;
    }
    doctor_say(
        doctor, "linger", DOCTOR_NOTE,
        "Linger is off for %s: where logind is set to kill user processes, the agent and the jobs of %s end with "
        "the last logout (the next `tranche run` starts the agent again, and no job). To keep them: loginctl "
        "enable-linger %s",
        name, name, name);
    if (strncmp(runtime_dir, "/dev/shm/", 9) == 0 && !places_shm_is_kept(uid, name)) {
        doctor_say(
            doctor, "runtime-removed-at-logout", DOCTOR_WARNING,
            "%s may be removed by logind when %s logs out for the last time. Restart the agent when no slice is "
            "in use, or enable linger.",
            runtime_dir, name);
    }
}

void doctor_places(const struct doctor *doctor, const char *state_dir, const char *runtime_dir, uid_t uid)
{
    enum fs_kind kind = fs_kind(runtime_dir);
    if (runtime_dir[0] == '\0') {
        doctor_say(doctor, "runtime-missing", DOCTOR_NOTE, "No runtime directory is recorded: no agent ran here yet.");
    } else if (kind == FS_REMOTE) {
        doctor_say(doctor, "runtime-remote", DOCTOR_ERROR,
                   "The runtime directory %s is on a network file system; limits shared through it cannot be trusted.",
                   runtime_dir);
    } else {
        doctor_say(doctor, "runtime", DOCTOR_OK, "The runtime directory is %s (%s).", runtime_dir,
                   kind == FS_MEMORY ? "memory" : "local disk");
    }
    struct statvfs st;
    if (fs_kind(state_dir) == FS_REMOTE) {
        doctor_say(doctor, "state-remote", DOCTOR_NOTE,
                   "The state directory %s is on a network file system: an edit takes as long as that system's sync.",
                   state_dir);
    } else {
        doctor_say(doctor, "state", DOCTOR_OK, "The state directory is %s.", state_dir);
    }
    if (statvfs(state_dir, &st) == 0 && (unsigned long long)st.f_bavail * st.f_frsize < STATE_ROOM_MIN_BYTES) {
        doctor_say(doctor, "state-full", DOCTOR_WARNING,
                   "Less than 64 MiB are free where the state is kept (%s); edits will be refused when it is full.",
                   state_dir);
    }
    char exe[FS_PATH_BYTES], shim[FS_PATH_BYTES], why[OURS_WHY_BYTES];
    if (places_own_exe(exe) == 0) {
        if (places_shim_for(exe, shim) != 0) {
            doctor_say(doctor, "shim-missing", DOCTOR_ERROR,
                       "libtranche.so is not beside %s: `tranche run` cannot limit anything. Deploy again.", exe);
        } else if (ours_check_loaded(shim, uid, why) != 0) {
            doctor_say(
                doctor, "shim-foreign", DOCTOR_ERROR,
                "%s is not used: %s, and whoever that is could put another library there. Deploy to a folder of "
                "your own.",
                shim, why);
        } else if (fs_is_noexec(shim)) {
            doctor_say(
                doctor, "shim-noexec", DOCTOR_ERROR,
                "%s is on a file system mounted noexec, so that no program can load it. Deploy to another place.",
                shim);
        } else {
            doctor_say(doctor, "shim", DOCTOR_OK, "The library is %s.", shim);
        }
    }
    check_logout(doctor, runtime_dir, uid);
}

/* Of the door, only what is not as somebody set it, or of use to whoever wonders. */
static void check_door(const struct doctor *doctor, const struct agent *agent)
{
    const struct doorman *d = agent->doorman;
    enum door_mode set = agent->door_settings->mode;
    if (agent->door_settings->is_damaged) {
        doctor_say(doctor, "door-lost", DOCTOR_ERROR, "%s.", d->why);
    } else if (set != DOOR_OFF && !d->is_shut) {
        doctor_say(doctor, "door-not-kept", DOCTOR_ERROR, "The door is to be %s and is not: %s.", door_mode_word(set),
                   d->why);
    } else if (d->is_shut && d->guarded.count == 0) {
        doctor_say(doctor, "door-guards-nothing", DOCTOR_NOTE,
                   "The door is %s, and no device of a GPU is known on this host yet.", door_mode_word(d->mode));
    } else if (d->is_shut) {
        doctor_say(doctor, "door", DOCTOR_OK, "The door is %s: who is in no slice %s.", door_mode_word(d->mode),
                   d->mode == DOOR_ON ? "cannot open a GPU" : "can open a GPU, and is told of");
    }
    if (d->is_shut && d->mode == DOOR_ON && !d->who.lets_own)
        doctor_say(
            doctor, "door-own-programs", DOCTOR_NOTE,
            "The agent is no unit of the system's, so the door refuses what it starts itself: concurrent mode, and "
            "the trial of the gate. Run it as the unit tranche.service.");
}

static void say_refused(const struct doctor *doctor, const struct agent *agent, uint32_t pid)
{
    const struct doorman *d = agent->doorman;
    const struct refused_process *one = refused_find(&d->refused, pid);
    char device[64];
    if (!one) return;
    guarded_text(device, sizeof device, &d->guarded, one->major_number, one->minor_number);
    long long seconds = (long long)(now_mono_ms() - one->at_ms) / 1000;
    if (one->watched) {
        doctor_say(doctor, "process-watched", DOCTOR_NOTE,
                   "Process %u opened a GPU outside of every slice (%s, %lld s ago); when the door is on, that is "
                   "refused. Start it with: tranche run --slice NAME -- COMMAND",
                   pid, device, seconds);
    } else {
        doctor_say(
            doctor, "process-refused", DOCTOR_WARNING,
            "Process %u was refused the GPU (%s, %llu times, last %lld s ago): the door is on and it was in no "
            "slice. Start it with: tranche run --slice NAME -- COMMAND. For a service or a person who has to do "
            "without, ask %s for: tranche door --service UNIT, or --exempt USER",
            pid, device, (unsigned long long)one->times, seconds, agent->manager_name);
    }
}

/* From what it has in hand: a process is looked into by who asks, with the rights of who asks (doctor_process.c). */
static void say_known(const struct doctor *doctor, struct agent *agent, uint32_t pid)
{
    bool found = false;
    for (size_t i = 0; i < agent->slices.count; i++) {
        const struct slice *slice = agent->slices.items[i];
        if (slice->r.deleted || !slice_holds(slice, pid)) continue;
        found = true;
        doctor_say(doctor, DOCTOR_IN_SLICE, DOCTOR_OK, "Process %u has an entry in slice %s.", pid, slice->r.name);
    }
    for (size_t i = 0; i < agent->gpu_count && !found; i++) {
        const struct gpu_state *gpu = &agent->gpus[i];
        for (size_t k = 0; k < gpu->process_count && !found; k++) {
            if (gpu->processes[k].pid != pid) continue;
            found = true;
            doctor_say(doctor, DOCTOR_UNMANAGED, DOCTOR_WARNING,
                       "The driver lists process %u on GPU %u, and it has an entry in no slice: it is not limited.",
                       pid, gpu->info.index);
        }
    }
    if (found) return;
    doctor_say(doctor, DOCTOR_NOT_SEEN, DOCTOR_NOTE,
               "Process %u has an entry in no slice, and the driver lists it on no GPU.", pid);
}

static void check_slices(const struct doctor *doctor, const struct agent *agent)
{
    for (size_t i = 0; i < agent->slices.count; i++) {
        const struct slice *slice = agent->slices.items[i];
        if (slice->r.deleted) continue;
        if (slice->r.suspended) {
            doctor_say(doctor, "slice-suspended", DOCTOR_WARNING,
                       "Slice %s admits nothing: uid %u is not %s any more. Assign it to somebody.", slice->r.name,
                       (unsigned)slice->r.owner_uid, slice->r.owner);
        }
        if (!slice->policy || slice->usage_fd < 0) {
            doctor_say(
                doctor, "slice-without-files", DOCTOR_ERROR,
                "The files of slice %s could not be made in %s, so it limits nothing yet; the agent tries again "
                "every second.",
                slice->r.name, agent->places.runtime);
        } else if (!upkeep_is_whole(agent, slice)) {
            doctor_say(
                doctor, "slice-files-removed", DOCTOR_ERROR,
                "Files of slice %s in %s were removed or cut: programs that start in it get no memory. The agent "
                "makes them again every second.",
                slice->r.name, agent->places.runtime);
        } else if (!slice->m.usage_known && slice->rates_at_ns != 0) {
            doctor_say(doctor, "slice-usage-broken", DOCTOR_WARNING,
                       "The usage file of slice %s was damaged by a process in it; its usage is unknown.",
                       slice->r.name);
        }
        if (slice->acl_refused) {
            doctor_say(doctor, "no-acl", DOCTOR_WARNING,
                       "%s has no access lists, so every user of this host can write to the usage of slice %s.",
                       agent->places.runtime, slice->r.name);
        }
    }
}

/* What the agent itself was started with and found. */
static void check_agent(const struct doctor *doctor, const struct agent *agent)
{
    struct rlimit memory;
    if (getpriority(PRIO_PROCESS, 0) > 0) {
        doctor_say(
            doctor, "agent-nice", DOCTOR_WARNING,
            "The agent runs at nice %d, as the shell that started it did, and answers late on a busy host. Start it "
            "again from a shell without that.",
            getpriority(PRIO_PROCESS, 0));
    }
    if (getrlimit(RLIMIT_AS, &memory) == 0 && memory.rlim_cur != RLIM_INFINITY) {
        doctor_say(
            doctor, "agent-limits", DOCTOR_WARNING,
            "The agent may take %llu MiB of memory only, as the shell that started it might. Start it again from a "
            "shell without that limit.",
            (unsigned long long)(memory.rlim_cur >> 20));
    }
    if (agent->places.scope == SCOPE_SYSTEM && !places_system_chosen()) {
        doctor_say(doctor, "system-not-recorded", DOCTOR_WARNING,
                   SYSTEM_MARK_PATH " could not be written: while this agent is not running, the first user who asks "
                                    "manages the host.");
    }
    if (agent->places.scope == SCOPE_SYSTEM && !places_runtime_is_alone(&agent->places)) {
        doctor_say(
            doctor, "runtime-shared", DOCTOR_WARNING,
            "%s is not a file system of its own (it could not be mounted): a tenant who makes files longer takes "
            "room of the host's services until they are cut back.",
            agent->places.runtime);
    }
    for (size_t i = 0; i < agent->operator_count; i++) {
        if (!agent->operators[i].is_other) continue;
        doctor_say(doctor, "operator-changed", DOCTOR_WARNING, "uid %u is not %s any more, and is no operator now.",
                   (unsigned)agent->operators[i].uid, agent->operators[i].name);
    }
}

static void check_scopes(const struct doctor *doctor, struct agent *agent)
{
    const char *none = scopes_why_not(agent);
    if (none)
        doctor_say(doctor, "no-scopes", DOCTOR_NOTE, "Slices have no control groups: %s", none);
    else
        doctor_say(doctor, "scopes", DOCTOR_OK, "Each slice has a control group, in %s.", scopes_base_path(agent));
    for (size_t i = 0; i < agent->gpu_count && !none; i++) {
        const char *missing = kernel_proof_missing(agent, &agent->gpus[i]);
        doctor_say(doctor, missing ? "no-kernel-limit" : "kernel-limit", missing ? DOCTOR_NOTE : DOCTOR_OK,
                   "GPU %u: %s", agent->gpus[i].info.index, missing ? missing : agent->gpus[i].kind->kernel_note);
    }
    for (size_t i = 0; i < agent->slices.count && !none; i++) {
        const struct slice *slice = agent->slices.items[i];
        const struct gpu_state *gpu = agent_gpu(agent, slice->r.gpu_uuid);
        if (slice->r.deleted || slice_is_left(&slice->r) || !gpu || kernel_proof_missing(agent, gpu)) continue;
        const char *why = kernel_limit_why_not(agent, slice);
        if (!why) continue;
        doctor_say(doctor, "no-kernel-limit", slice->r.gate == SLICE_GATE_OFF ? DOCTOR_NOTE : DOCTOR_WARNING,
                   "The driver does not keep the limit of slice %s: %s", slice->r.name, why);
    }
}

/* Who is outside every slice, what is done about it, and how soon it is seen. */
static void check_escapes(const struct doctor *doctor, const struct agent *agent)
{
    char why[WATCH_WHY_BYTES];
    size_t count = 0;
    for (size_t i = 0; i < agent->escapes->count; i++) count += agent->escapes->items[i].is_shown;
    enum watch_how how = watch_how(&agent->escapes->watch, why);
    const char *rule = escape_rule_name(agent->escape_settings.rule);
    if (count > 0) {
        doctor_say(
            doctor, "escapes", DOCTOR_WARNING,
            "%zu process(es) are outside every slice, or hold more than was counted (rule: %s): tranche escapes",
            count, rule);
    }
    static const char *const seen[] = {[WATCH_FANOTIFY] = "at once",
                                       [WATCH_INOTIFY] =
                                           "at once where it is a process of the agent's user, else within 2 s",
                                       [WATCH_TIMER] = "within 2 s"};
    doctor_say(doctor, "escapes-watch", how == WATCH_FANOTIFY ? DOCTOR_OK : DOCTOR_NOTE,
               "Whoever opens a GPU outside of slices is seen %s (rule: %s)%s%s.", seen[how], rule, why[0] ? ": " : "",
               why);
}

void doctor_agent(const struct doctor *doctor, struct agent *agent, pid_t pid)
{
    if (agent->gpu_note[0]) {
        doctor_say(doctor, "no-gpu", DOCTOR_ERROR, "No GPU is managed: %s.", agent->gpu_note);
    } else {
        doctor_say(doctor, "driver", DOCTOR_OK, "Driver %s, %zu GPU(s)%s.", agent->driver, agent->gpu_count,
                   agent->simulation ? ", simulated" : "");
    }
    for (size_t i = 0; i < agent->backend_count && !agent->gpu_note[0]; i++) {
        const struct backend_state *kind = &agent->backends[i];
        if (kind->open) continue;
        doctor_say(doctor, "backend-closed", DOCTOR_NOTE, "GPUs of %s are not managed: %s.",
                   kind->backend->words.vendor, kind->note);
    }
    for (size_t i = 0; i < agent->gpu_count; i++) {
        const struct gpu_info *info = &agent->gpus[i].info;
        const struct gpu_backend *backend = agent->gpus[i].kind->backend;
        if (info->partitioned) {
            doctor_say(doctor, "partitioned", DOCTOR_WARNING, "%s is on for GPU %u; Tranche cuts whole GPUs only.",
                       gpu_partitions_word(backend), info->index);
        }
        for (size_t k = agent->faults->count; k-- > 0;) {
            const struct fault *f = &agent->faults->items[k];
            int64_t minutes = (now_wall_ms() - f->at_ms) / 60000;
            if (strcmp(f->gpu_uuid, info->uuid) != 0 || minutes >= FAULT_MENTIONED_MINUTES) continue;
            const struct gpu_fault_meaning *meaning = faults_meaning(f);
            doctor_say(doctor, "gpu-fault", meaning->kind == GPU_FAULT_HARDWARE ? DOCTOR_WARNING : DOCTOR_NOTE,
                       "GPU %u reported %s %u (%u times, last %lld min ago): %s", info->index, f->source, f->code,
                       f->count, (long long)(minutes > 0 ? minutes : 0), meaning->text);
        }
        const struct concurrent *concurrent = concurrent_find(agent, info->uuid);
        if (concurrent && concurrent->state == CONCURRENT_ON) {
            doctor_say(
                doctor, "concurrent", DOCTOR_NOTE,
                "Programs of %s run on GPU %u at the same time (%s, process %ld): a fault of one ends them all, and "
                "their shares are fixed when they start.",
                agent->manager_name, info->index, backend->words.concurrent, (long)concurrent->daemon);
        } else if (concurrent && concurrent->note[0]) {
            doctor_say(doctor, "concurrent", DOCTOR_WARNING, "GPU %u: %s", info->index, concurrent->note);
        }
        if (strncmp(info->compute_mode, "exclusive", 9) == 0 || strcmp(info->compute_mode, "prohibited") == 0) {
            char command[64] = "";
            if (backend->shared_mode_command)
                backend->shared_mode_command(agent->gpus[i].handle, command, sizeof command);
            doctor_say(doctor, "compute-mode", DOCTOR_WARNING,
                       "GPU %u is in compute mode %s: only one process at a time can use it. As root: %s", info->index,
                       info->compute_mode, command);
        }
    }
    check_agent(doctor, agent);
    check_escapes(doctor, agent);
    if (agent->state_notes[0]) doctor_say(doctor, "state-damaged", DOCTOR_ERROR, "%s", agent->state_notes);
    if (agent->slices.note[0]) doctor_say(doctor, "state-damaged", DOCTOR_ERROR, "%s", agent->slices.note);
    doctor_places(doctor, agent->places.state, agent->places.runtime, agent->places.uid);
    check_scopes(doctor, agent);
    check_slices(doctor, agent);
    check_door(doctor, agent);
    if (pid > 0) say_known(doctor, agent, (uint32_t)pid);
    if (pid > 0) say_refused(doctor, agent, (uint32_t)pid);
}
