#include "slices/kernel_proof.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/places.h"
#include "base/version.h"
#include "fs.h"
#include "log.h"
#include "slices/scopes.h"
#include "state/agent_state.h"
#include "text.h"

#define CHILD_MS 60000                  /* the first context on a GPU can take seconds */
#define CREDIT_MS 5000                  /* for what the program held to be given back */
#define AGAIN_SOON_MS 30000             /* after a try that says nothing; twice as long each time, */
#define AGAIN_DOUBLED_MAX 11            /* up to this often: most of a day */
#define AGAIN_LATER_MS (10 * 60 * 1000) /* after one that failed */
#define ROOM_BYTES (UINT64_C(256) << 20)
#define BLOCK_BYTES (UINT64_C(32) << 20) /* what the program takes at once: launch/nvidia/limit_proof.c */
#define HOLD_TRIES 3
#define KEPT_NAME "kernel-proof"
#define LINE_BYTES 256
#define CONTROLLER "dmem"

enum step { STEP_TAKES, STEP_ENDS, STEP_CREDITS };

/* The one that goes on. */
static struct trial {
    struct backend_state *kind; /* NULL: none */
    char uuid[REGION_UUID_BYTES];
    enum step step;
    pid_t child;
    int in, out;
    uint64_t limit_bytes;
    int64_t deadline_ms;
    enum kernel_standing found; /* once it ends; proved: as far as refusals go */
    char why[KERNEL_WHY_BYTES];
} trial;
static pid_t last_child; /* stands on the driver's lists for a moment longer */

/* ---- the driver ------------------------------------------------------------------------------------------- */

/* Where the kernel keeps the limits, its controller has to reach the scopes. */
static int limit(const struct agent *agent, const struct gpu_state *gpu, const char *path, uint64_t most_bytes,
                 char why[KERNEL_WHY_BYTES])
{
    const struct gpu_backend *backend = gpu->kind->backend;
    int result = backend->limit_group(gpu->handle, path, most_bytes, why, KERNEL_WHY_BYTES);
    if (result != ENOENT) return result;
    int error = scopes_enable(agent, CONTROLLER);
    if (error == 0) return backend->limit_group(gpu->handle, path, most_bytes, why, KERNEL_WHY_BYTES);
    if (error == ENOENT) return result;
    snprintf(why, KERNEL_WHY_BYTES, "The kernel’s controller for it (dmem) cannot be had for the slices’ groups: %s.",
             error == EPERM ? "this systemd starts the agent in a group that may have none (254 and later do not)"
                            : strerror(error));
    return error;
}

int kernel_proof_hold(const struct agent *agent, const struct gpu_state *gpu, const char *path, uint64_t want_bytes,
                      struct gpu_group_limit *out, char why[KERNEL_WHY_BYTES])
{
    uint64_t most = want_bytes;
    for (int i = 0; i < HOLD_TRIES; i++) {
        int error = limit(agent, gpu, path, most, why);
        if (error == 0) error = gpu->kind->backend->group_limit(gpu->handle, path, out, why, KERNEL_WHY_BYTES);
        if (error != 0) return error;
        /* Less than it is asked for is a page or a GPU's whole; more is a limit that it did not take. */
        if (out->most_bytes <= most + KERNEL_ROUNDING_BYTES) return 0;
        if (out->used_bytes > want_bytes) most = out->used_bytes;
    }
    /* What runs takes and gives faster than this: at the next look. */
    if (most > want_bytes) return 0;
    snprintf(why, KERNEL_WHY_BYTES, "The driver took a limit and kept another one.");
    return EIO;
}

/* ---- what is kept ----------------------------------------------------------------------------------------- */

/* Until the next boot: an agent that starts on a full GPU could not try it again. */
static void line_of(const struct agent *agent, const struct backend_state *kind, char line[LINE_BYTES])
{
    snprintf(line, LINE_BYTES, "%s %s " TRANCHE_VERSION " %s\n", kind->backend->id, kind->kernel_driver,
             agent->places.boot_id);
}

static void save(const struct agent *agent)
{
    char text[GPU_BACKENDS_MAX * LINE_BYTES] = "", line[LINE_BYTES];
    for (size_t i = 0; i < agent->backend_count; i++) {
        if (agent->backends[i].kernel != KERNEL_PROVED) continue;
        line_of(agent, &agent->backends[i], line);
        strcat(text, line); /* has room for all of them */
    }
    int error = fs_write_atomic(agent->places.state, KEPT_NAME, text, strlen(text), 0600, false);
    if (error != 0)
        log_line("%s/" KEPT_NAME ": %s; the driver is tried again at the next start", agent->places.state,
                 strerror(error));
}

static bool was_kept(const struct agent *agent, const struct backend_state *kind)
{
    char path[FS_PATH_BYTES], line[LINE_BYTES], *text;
    size_t len;
    line_of(agent, kind, line);
    if (fs_join(path, agent->places.state, KEPT_NAME) != 0 ||
        fs_read_file(path, GPU_BACKENDS_MAX * LINE_BYTES, &text, &len) != 0)
        return false; /* none, or one that is not to be read: tried again */
    const char *found = strstr(text, line);
    bool whole = found && (found == text || found[-1] == '\n');
    free(text);
    return whole;
}

static void settle(struct agent *agent, struct backend_state *kind, enum kernel_standing standing, const char *note)
{
    bool kept = (kind->kernel == KERNEL_PROVED) != (standing == KERNEL_PROVED);
    if (kind->kernel == standing && strcmp(kind->kernel_note, note) == 0) return;
    kind->kernel = standing;
    text_copy(kind->kernel_note, sizeof kind->kernel_note, note);
    agent->state_dirty = true;
    log_line("limits of control groups by the driver of %s %s: %s", kind->backend->words.vendor, kind->kernel_driver,
             note);
    if (kept) save(agent);
}

/* ---- the program ------------------------------------------------------------------------------------------ */

static void be_child(const char *backend, int in, int out)
{
    char exe[FS_PATH_BYTES], most[24];
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* the agent takes its signals from a descriptor */
    signal(SIGPIPE, SIG_DFL);
    snprintf(most, sizeof most, "%" PRIu64, trial.limit_bytes);
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || places_own_exe(exe) != 0) _exit(EXIT_FAILURE);
    execl(exe, "tranche", "prove-limit", backend, trial.uuid, most, (char *)NULL);
    _exit(EXIT_FAILURE);
}

static void close_both(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

/* It waits until it is in the group. 0, or errno: then nothing runs, or it ends (its input does). */
static int start_child(const char *backend, int group)
{
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0) return errno;
    if (pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0) {
        int error = errno;
        close_both(in);
        return error;
    }
    pid_t child = fork();
    int error = child < 0 ? errno : 0;
    if (child == 0) be_child(backend, in[0], out[1]);
    if (error != 0) {
        close_both(in);
        close_both(out);
        return error;
    }
    close(in[0]);
    close(out[1]);
    trial.child = last_child = child;
    trial.in = in[1];
    trial.out = out[0];
    error = cgroup_put(group, child);
    return error == 0 && write(trial.in, "\n", 1) != 1 ? errno : error;
}

/* From now on it is waited for, and then that is found, unless it is better still to be seen. */
static void end_child(enum kernel_standing found, const char *why)
{
    close(trial.in);
    close(trial.out);
    kill(trial.child, SIGKILL);
    trial.step = STEP_ENDS;
    trial.found = found;
    text_copy(trial.why, sizeof trial.why, why);
}

/* ---- its steps -------------------------------------------------------------------------------------------- */

static void over(struct agent *agent, struct backend_state *kind, enum kernel_standing found, const char *why,
                 int64_t mono_ms)
{
    int64_t again_ms = AGAIN_LATER_MS;
    if (found == KERNEL_UNTRIED) {
        again_ms = (int64_t)AGAIN_SOON_MS << kind->kernel_tries;
        if (kind->kernel_tries < AGAIN_DOUBLED_MAX) kind->kernel_tries++;
    }
    kind->kernel_again_ms = mono_ms + again_ms;
    trial = (struct trial){0};
    agent->scopes_swept_ms = 0; /* its group goes */
    settle(agent, kind, found, why);
}

/* The group, with its limit, and a program in it. What is found at once, or KERNEL_PROVED: it goes on. */
static enum kernel_standing set_up(const struct agent *agent, const struct gpu_state *gpu, char why[KERNEL_WHY_BYTES])
{
    char path[FS_PATH_BYTES];
    struct gpu_group_limit found;
    bool made;
    uint64_t capacity = gpu->info.capacity_bytes;
    trial.limit_bytes =
        capacity / 2 < KERNEL_PROOF_BYTES ? capacity / 2 / BLOCK_BYTES * BLOCK_BYTES : KERNEL_PROOF_BYTES;
    int group = cgroup_make(scopes_base_fd(agent), KERNEL_PROOF_NAME, &made);
    int error = group < 0 ? -group : scope_path(agent, KERNEL_PROOF_NAME, path);
    int refused = error == 0 ? kernel_proof_hold(agent, gpu, path, trial.limit_bytes, &found, why) : 0;
    bool has_room = (gpu->reading.valid & GPU_MEMORY) != 0 &&
                    gpu->reading.memory_used_bytes + trial.limit_bytes + ROOM_BYTES <= capacity;
    if (error == 0 && refused == 0 && has_room) error = start_child(gpu->kind->backend->id, group);
    if (group >= 0) close(group);
    if (refused != 0) return refused == ENOTSUP ? KERNEL_ABSENT : KERNEL_NOT_PROVED;
    if (error != 0) {
        snprintf(why, KERNEL_WHY_BYTES, "No program could be started in a control group to try the driver: %s.",
                 strerror(error));
        return KERNEL_NOT_PROVED;
    }
    if (has_room) return KERNEL_PROVED;
    snprintf(why, KERNEL_WHY_BYTES,
             "Whether the driver keeps limits of control groups was not tried: GPU %u has no %" PRIu64 " MiB free.",
             gpu->info.index, (trial.limit_bytes + ROOM_BYTES) >> 20);
    return KERNEL_UNTRIED;
}

static void begin(struct agent *agent, const struct gpu_state *gpu, int64_t mono_ms)
{
    char why[KERNEL_WHY_BYTES] = "Whether the driver keeps limits of control groups is being tried.";
    trial = (struct trial){.kind = gpu->kind, .deadline_ms = mono_ms + CHILD_MS};
    text_copy(trial.uuid, sizeof trial.uuid, gpu->info.uuid);
    enum kernel_standing found = set_up(agent, gpu, why);
    if (found == KERNEL_PROVED)
        settle(agent, gpu->kind, KERNEL_UNTRIED, why);
    else if (trial.child > 0)
        end_child(found, why);
    else
        over(agent, gpu->kind, found, why, mono_ms);
}

/* The program has been refused, or should have been. */
static void judge(const struct gpu_group_limit *found, int result, uint64_t taken_bytes)
{
    char why[KERNEL_WHY_BYTES] = "";
    if (result == 0 || found->used_bytes > trial.limit_bytes + KERNEL_ROUNDING_BYTES) {
        snprintf(why, sizeof why,
                 "The driver does not keep the limits that it takes: a program in a control group of %" PRIu64
                 " MiB got %" PRIu64 " MiB.",
                 trial.limit_bytes >> 20, taken_bytes >> 20);
        end_child(KERNEL_NOT_PROVED, why);
    } else if (taken_bytes > 0 && found->used_bytes + 2 * BLOCK_BYTES >= trial.limit_bytes) {
        end_child(KERNEL_PROVED, why);
    } else {
        snprintf(
            why, sizeof why,
            "Whether the driver keeps limits of control groups could not be told: a program was refused (%d) when "
            "its group of %" PRIu64 " MiB held %" PRIu64 " MiB.",
            result, trial.limit_bytes >> 20, found->used_bytes >> 20);
        end_child(KERNEL_UNTRIED, why);
    }
}

static void hear(const struct gpu_state *gpu, const char *path, int64_t mono_ms)
{
    char line[64] = "", why[KERNEL_WHY_BYTES] = "The program that tries the driver said nothing.";
    struct gpu_group_limit found;
    uint64_t taken;
    int result;
    ssize_t n = read(trial.out, line, sizeof line - 1); /* one write of it, below what a pipe splits */
    if (n < 0 && (errno == EAGAIN || errno == EINTR) && mono_ms < trial.deadline_ms) return;
    if (n > 0 && sscanf(line, "%d %" SCNu64, &result, &taken) == 2 &&
        gpu->kind->backend->group_limit(gpu->handle, path, &found, why, sizeof why) == 0)
        judge(&found, result, taken);
    else
        end_child(KERNEL_NOT_PROVED, why);
}

static void reap(struct agent *agent, int64_t mono_ms)
{
    int status;
    pid_t done = waitpid(trial.child, &status, WNOHANG);
    if (done == 0 || (done < 0 && errno == EINTR)) return; /* in the driver, which may take its time */
    trial.child = 0;
    trial.step = STEP_CREDITS;
    trial.deadline_ms = mono_ms + CREDIT_MS;
    if (trial.found == KERNEL_PROVED) return;
    char why[KERNEL_WHY_BYTES];
    text_copy(why, sizeof why, trial.why);
    over(agent, trial.kind, trial.found, why, mono_ms);
}

static void watch_credit(struct agent *agent, const struct gpu_state *gpu, const char *path, int64_t mono_ms)
{
    char why[KERNEL_WHY_BYTES];
    struct gpu_group_limit found;
    bool known = gpu->kind->backend->group_limit(gpu->handle, path, &found, why, sizeof why) == 0;
    if (known && found.used_bytes > 0 && mono_ms < trial.deadline_ms) return;
    if (known && found.used_bytes == 0) {
        over(agent, trial.kind, KERNEL_PROVED,
             "The driver keeps limits of control groups: a program was refused at its group’s limit, and what it held "
             "was given back.",
             mono_ms);
        return;
    }
    if (known)
        snprintf(why, sizeof why, "The driver still counts what a program of a control group held, after its end.");
    over(agent, trial.kind, KERNEL_NOT_PROVED, why, mono_ms);
}

static void go_on(struct agent *agent, int64_t mono_ms)
{
    char path[FS_PATH_BYTES];
    const struct gpu_state *gpu = agent_gpu(agent, trial.uuid);
    bool there = gpu && gpu_is_open(gpu) && gpu->kind == trial.kind &&
                 strcmp(trial.kind->kernel_driver, trial.kind->driver) == 0 &&
                 scope_path(agent, KERNEL_PROOF_NAME, path) == 0;
    if (trial.step == STEP_ENDS)
        reap(agent, mono_ms);
    else if (!there && trial.step == STEP_TAKES) /* its driver was let go in the middle of it */
        end_child(KERNEL_UNTRIED, "Whether the driver keeps limits of control groups was not tried to its end.");
    else if (!there)
        over(agent, trial.kind, KERNEL_UNTRIED,
             "Whether the driver keeps limits of control groups was not tried to its end.", mono_ms);
    else if (trial.step == STEP_TAKES)
        hear(gpu, path, mono_ms);
    else
        watch_credit(agent, gpu, path, mono_ms);
}

/* ---- when ------------------------------------------------------------------------------------------------- */

/* The one of that kind with most memory free, for nobody is to be refused for this. NULL: all are cut by the hardware. */
static const struct gpu_state *choose(const struct agent *agent, const struct backend_state *kind)
{
    const struct gpu_state *best = NULL;
    uint64_t most = 0;
    for (size_t i = 0; i < agent->gpu_count; i++) {
        const struct gpu_state *gpu = &agent->gpus[i];
        if (gpu->kind != kind || gpu->info.partitioned) continue;
        uint64_t used = gpu->reading.valid & GPU_MEMORY ? gpu->reading.memory_used_bytes : gpu->info.capacity_bytes;
        uint64_t free_bytes = gpu->info.capacity_bytes > used ? gpu->info.capacity_bytes - used : 0;
        if (best && free_bytes <= most) continue;
        best = gpu;
        most = free_bytes;
    }
    return best;
}

static void look(struct agent *agent, struct backend_state *kind, int64_t mono_ms)
{
    if (!kind->open) return;
    if (strcmp(kind->kernel_driver, kind->driver) != 0) {
        text_copy(kind->kernel_driver, sizeof kind->kernel_driver, kind->driver);
        kind->kernel_tries = 0;
        kind->kernel_again_ms = 0;
        kind->kernel = KERNEL_UNTRIED;
        kind->kernel_note[0] = '\0';
        agent->state_dirty = true;
        if (!scopes_why_not(agent) && was_kept(agent, kind))
            settle(agent, kind, KERNEL_PROVED,
                   "The driver keeps limits of control groups: tried before, since the last boot.");
    }
    if (kind->kernel == KERNEL_PROVED || mono_ms < kind->kernel_again_ms) return;
    const struct gpu_state *gpu = choose(agent, kind);
    const char *none = !kind->backend->limit_group ? "Tranche knows no limit that a driver of this make keeps itself."
                       : scopes_why_not(agent)     ? scopes_why_not(agent)
                       : !gpu ? "The driver keeps no limits of control groups on a GPU that is cut by the hardware."
                              : NULL;
    if (none)
        over(agent, kind, KERNEL_ABSENT, none, mono_ms);
    else
        begin(agent, gpu, mono_ms);
}

void kernel_proof_watch(struct agent *agent, int64_t mono_ms)
{
    for (size_t i = 0; i < agent->backend_count && !trial.kind; i++) look(agent, &agent->backends[i], mono_ms);
    if (trial.kind) go_on(agent, mono_ms);
}

void kernel_proof_end(void)
{
    if (trial.child > 0) kill(trial.child, SIGKILL);
}

bool kernel_proof_is(uint32_t pid)
{
    return last_child > 0 && (pid_t)pid == last_child;
}

bool kernel_proof_runs(void)
{
    return trial.kind;
}

const char *kernel_proof_missing(const struct agent *agent, const struct gpu_state *gpu)
{
    const struct backend_state *kind = gpu->kind;
    if (scopes_why_not(agent)) return scopes_why_not(agent);
    if (gpu->info.partitioned)
        return "The driver keeps no limits of control groups on a GPU that is cut by the hardware.";
    if (kind->kernel == KERNEL_PROVED && strcmp(kind->kernel_driver, kind->driver) == 0) return NULL;
    return kind->kernel_note[0] ? kind->kernel_note
                                : "Whether the driver keeps limits of control groups was not tried yet.";
}
