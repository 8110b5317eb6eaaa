#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "doctor.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent.h"
#include "env.h"
#include "fs.h"
#include "nested.h"
#include "region_file.h"
#include "upkeep.h"
#include "xid.h"

#define ENVIRON_MAX_BYTES (1u << 20)
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
    const char *name = pw ? pw->pw_name : "";
    char linger[FS_PATH_BYTES];
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
        doctor_say(
            doctor, "runtime-remote", DOCTOR_ERROR,
            "The runtime directory %s is on a network file system; limits shared through it can not be trusted.",
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
    char exe[FS_PATH_BYTES], shim[FS_PATH_BYTES];
    if (places_own_exe(exe) == 0) {
        if (places_shim_for(exe, shim) != 0) {
            doctor_say(doctor, "shim-missing", DOCTOR_ERROR,
                       "libtranche.so is not beside %s: `tranche run` can not limit anything. Deploy again.", exe);
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

/* Finds NAME=value in the NUL-separated environment. */
static const char *find_variable(const char *environment, size_t len, const char *name)
{
    size_t n = strlen(name);
    for (size_t at = 0; at < len; at += strlen(environment + at) + 1) {
        if (strncmp(environment + at, name, n) == 0 && environment[at + n] == '=') return environment + at + n + 1;
    }
    return NULL;
}

/* Files of /proc have no size: read until they end. */
static int read_proc(pid_t pid, const char *what, char **data, size_t *len)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, what);
    FILE *file = fopen(path, "re");
    if (!file) return errno;
    char *buf = malloc(ENVIRON_MAX_BYTES + 1);
    size_t n = buf ? fread(buf, 1, ENVIRON_MAX_BYTES, file) : 0;
    int error = !buf ? ENOMEM : ferror(file) ? EIO : 0;
    fclose(file);
    if (error != 0) {
        free(buf);
        return error;
    }
    buf[n] = '\0';
    *data = buf;
    *len = n;
    return 0;
}

static void explain_environment(const struct doctor *doctor, pid_t pid)
{
    char *environment;
    size_t len;
    int error = read_proc(pid, "environ", &environment, &len);
    if (error != 0) {
        doctor_say(doctor, "process-environment", DOCTOR_NOTE, "The environment of process %ld can not be read (%s).",
                   (long)pid, strerror(error));
        return;
    }
    const char *preload = find_variable(environment, len, "LD_PRELOAD");
    const char *slices = find_variable(environment, len, ENV_SLICES);
    const char *disabled = find_variable(environment, len, ENV_DISABLE);
    if (!slices) {
        doctor_say(doctor, "process-no-slice", DOCTOR_WARNING,
                   "Process %ld was not started by `tranche run` (" ENV_SLICES " is not set): it is not limited.",
                   (long)pid);
    } else if (!preload || !strstr(preload, "libtranche.so")) {
        doctor_say(doctor, "process-no-preload", DOCTOR_WARNING,
                   "Process %ld was meant for a slice, but LD_PRELOAD does not name libtranche.so: something between "
                   "`tranche run` and it changed the environment (sudo, a container, a wrapper).",
                   (long)pid);
    } else {
        doctor_say(
            doctor, "process-not-loaded", DOCTOR_WARNING,
            "LD_PRELOAD names the library, but process %ld has not loaded it: the program is statically linked, "
            "set-user-id, of another architecture, or the file was missing when it started.",
            (long)pid);
    }
    if (disabled && strcmp(disabled, "1") == 0) {
        doctor_say(doctor, "process-disabled", DOCTOR_WARNING,
                   ENV_DISABLE "=1 is set for process %ld: nothing is limited.", (long)pid);
    }
    free(environment);
}

static bool is_entry_of(const struct region_entry *entry, pid_t pid)
{
    uint64_t token = atomic_load(&entry->token);
    const struct nested_name name = {atomic_load(&entry->pid_namespace), token_pid(token), token >> 32 & 0x7fffffffu};
    if (token == 0) return false;
    return name.pid_namespace == life_pid_namespace() ? (pid_t)token_pid(token) == pid
                                                      : nested_is((uint32_t)pid, &name);
}

/* Has this process an entry in the usage file of any of its slices? -1: that can not be told. */
static int has_entry(pid_t pid)
{
    char *environment, path[FS_PATH_BYTES];
    size_t len;
    int known = -1;
    if (read_proc(pid, "environ", &environment, &len) != 0) return -1;
    const char *ids = find_variable(environment, len, ENV_SLICES);
    const char *folder = find_variable(environment, len, ENV_RUNTIME_DIR);
    struct region_usage *usage = malloc(sizeof *usage);
    while (ids && ids[0] != '\0' && folder && usage && known != 1) {
        size_t n = strcspn(ids, ",");
        int fd;
        if (snprintf(path, sizeof path, "%s/usage/%.*s", folder, (int)n, ids) < (int)sizeof path &&
            region_usage_open(path, &fd) == 0) {
            known = region_usage_read(fd, usage) == 0 ? 0 : known;
            for (size_t at = 0; known == 0 && at < REGION_USAGE_ENTRIES; at++) {
                if (is_entry_of(&usage->entries[at], pid)) known = 1;
            }
            close(fd);
        }
        ids += n + (ids[n] == ',');
    }
    free(usage);
    free(environment);
    return known;
}

void doctor_process(const struct doctor *doctor, pid_t pid)
{
    char *maps;
    size_t len;
    int error = read_proc(pid, "maps", &maps, &len);
    if (error != 0) {
        doctor_say(doctor, "process-unreadable", DOCTOR_NOTE,
                   "Process %ld can not be looked into (%s): run `tranche doctor --pid %ld` as its owner.", (long)pid,
                   strerror(error), (long)pid);
        return;
    }
    bool loaded = strstr(maps, "/libtranche.so") != NULL;
    bool stale = strstr(maps, "/libtranche.so (deleted)") != NULL;
    bool cuda = strstr(maps, "/libcuda.so") != NULL;
    free(maps);
    if (loaded && cuda && has_entry(pid) == 0) {
        doctor_say(doctor, "process-bypasses", DOCTOR_WARNING,
                   "The library is loaded in process %ld, and so is the CUDA driver, but nothing has gone through the "
                   "library: the program reached the driver past it (RTLD_DEEPBIND, dlmopen, its own loader), or has "
                   "not used the GPU yet. What it does so is not limited.",
                   (long)pid);
    } else if (loaded) {
        doctor_say(doctor, "process-shim", DOCTOR_OK, "The library is loaded in process %ld%s.", (long)pid,
                   cuda ? ", and the CUDA driver too" : "; it has not opened the CUDA driver yet");
    } else {
        explain_environment(doctor, pid);
    }
    if (stale) {
        doctor_say(doctor, "process-shim-old", DOCTOR_NOTE,
                   "Process %ld runs with a version of the library that was removed since; restart it to renew.",
                   (long)pid);
    }
}

static void check_slices(const struct doctor *doctor, const struct agent *agent)
{
    for (size_t i = 0; i < agent->slices.count; i++) {
        const struct slice *slice = agent->slices.items[i];
        if (slice->r.deleted) continue;
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

void doctor_agent(const struct doctor *doctor, struct agent *agent)
{
    if (agent->gpu_note[0]) {
        doctor_say(doctor, "no-gpu", DOCTOR_ERROR, "No GPU is managed: %s.", agent->gpu_note);
    } else {
        doctor_say(doctor, "driver", DOCTOR_OK, "Driver %s, %zu GPU(s)%s.", agent->driver, agent->gpu_count,
                   agent->simulation ? ", simulated" : "");
    }
    for (size_t i = 0; i < agent->gpu_count; i++) {
        const struct gpu_info *info = &agent->gpus[i].info;
        if (info->mig_enabled) {
            doctor_say(doctor, "mig", DOCTOR_WARNING, "MIG is on for GPU %u; Tranche cuts whole GPUs only.",
                       info->index);
        }
        for (size_t k = agent->faults.count; k-- > 0;) {
            const struct fault *f = &agent->faults.items[k];
            int64_t minutes = (now_wall_ms() - f->at_ms) / 60000;
            if (strcmp(f->gpu_uuid, info->uuid) != 0 || minutes >= FAULT_MENTIONED_MINUTES) continue;
            doctor_say(doctor, "xid", xid_of(f->xid)->kind == XID_HARDWARE ? DOCTOR_WARNING : DOCTOR_NOTE,
                       "GPU %u reported XID %u (%u times, last %lld min ago): %s", info->index, f->xid, f->count,
                       (long long)(minutes > 0 ? minutes : 0), xid_of(f->xid)->text);
        }
        const struct mps *mps = mps_find(agent, info->uuid);
        if (mps && mps->state == MPS_ON) {
            doctor_say(
                doctor, "concurrent", DOCTOR_NOTE,
                "Programs of %s run on GPU %u at the same time (MPS daemon %ld): a fault of one ends them all, and "
                "their shares are fixed when they start.",
                agent->manager_name, info->index, (long)mps->daemon);
        } else if (mps && mps->note[0]) {
            doctor_say(doctor, "concurrent", DOCTOR_WARNING, "GPU %u: %s", info->index, mps->note);
        }
        if (strncmp(info->compute_mode, "exclusive", 9) == 0 || strcmp(info->compute_mode, "prohibited") == 0) {
            doctor_say(
                doctor, "compute-mode", DOCTOR_WARNING,
                "GPU %u is in compute mode %s: only one process at a time can use it. As root: nvidia-smi -i %u "
                "-c DEFAULT",
                info->index, info->compute_mode, info->index);
        }
    }
    if (agent->slices.note[0]) doctor_say(doctor, "state-damaged", DOCTOR_ERROR, "%s", agent->slices.note);
    doctor_places(doctor, agent->places.state, agent->places.runtime, agent->places.uid);
    check_slices(doctor, agent);
}
