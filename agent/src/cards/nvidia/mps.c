#include "cards/nvidia/mps.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/failure.h"
#include "base/now.h"
#include "base/ours.h"
#include "env.h"
#include "fs.h"
#include "gpu/gpu.h"
#include "gpu/nvidia/nvml.h"
#include "journal/notices.h"
#include "json.h"
#include "log.h"
#include "region.h"
#include "state/agent_state.h"
#include "state/concurrent.h"
#include "state/slice.h"
#include "text.h"

#define MPS_CONTROL "nvidia-cuda-mps-control"
/* The control program answers at once; a daemon that was told to end waits for its clients, and they may take long. */
#define MPS_START_MS 10000
#define MPS_STOP_MS 60000

#define STATE_FILE "concurrent"
/* In the pipe directory, by the daemon. */
#define PID_FILE MPS_CONTROL ".pid"
#define QUIT "quit\n"

/* ---- its folders ---------------------------------------------------------------------------------------- */

static int folder(const struct agent *agent, const struct concurrent *mps, const char *part, char out[FS_PATH_BYTES])
{
    int n = snprintf(out, FS_PATH_BYTES, "%s/mps/%s/%s", agent->places.runtime, mps->uuid, part);
    return n < (int)FS_PATH_BYTES ? 0 : ENAMETOOLONG;
}

static int make_folders(const struct agent *agent, const struct concurrent *mps)
{
    char path[FS_PATH_BYTES];
    const char *const parts[][2] = {{"", ""}, {mps->uuid, ""}, {mps->uuid, "/pipe"}, {mps->uuid, "/log"}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int n = snprintf(path, sizeof path, "%s/mps/%s%s", agent->places.runtime, parts[i][0], parts[i][1]);
        if (n >= (int)sizeof path) return ENAMETOOLONG;
        if (mkdir(path, 0700) != 0 && errno != EEXIST) return errno;
    }
    return 0;
}

/* The daemon of these folders, if it lives; else 0. */
static pid_t living_daemon(const struct agent *agent, const struct concurrent *mps)
{
    char path[FS_PATH_BYTES], file[FS_PATH_BYTES], *data;
    size_t len;
    int64_t pid = 0;
    if (folder(agent, mps, "pipe", path) != 0 || fs_join(file, path, PID_FILE) != 0) return 0;
    if (fs_read_file(file, 64, &data, &len) != 0) return 0;
    data[strcspn(data, " \n")] = '\0';
    bool read = text_parse_integer(data, 2, INT32_MAX, &pid) == 0;
    free(data);
    return read && kill((pid_t)pid, 0) == 0 ? (pid_t)pid : 0;
}

static void save_wanted(struct agent *agent)
{
    char text[GPU_MAX * (REGION_UUID_BYTES + 1)];
    size_t len = 0;
    for (size_t i = 0; i < agent->concurrent_count; i++) {
        const struct concurrent *mps = &agent->concurrent[i];
        if (mps->state != CONCURRENT_STARTING && mps->state != CONCURRENT_ON) continue;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s\n", mps->uuid);
    }
    int error = fs_write_atomic(agent->places.state, STATE_FILE, text, len, 0600, false);
    if (error != 0) log_line("%s/" STATE_FILE " could not be written: %s", agent->places.state, strerror(error));
}

/* ---- the control program -------------------------------------------------------------------------------- */

static void become_control(const char *program, const char *pipe_path, const char *log_path, const char *uuid,
                           const char *flag, int input)
{
    sigset_t none;
    int null = open("/dev/null", O_RDWR);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* the agent takes its signals from a descriptor */
    setsid();
    dup2(input >= 0 ? input : null, 0);
    dup2(null, 1);
    dup2(null, 2);
    setenv(ENV_CUDA_VISIBLE, uuid, 1);
    setenv(ENV_MPS_PIPE, pipe_path, 1);
    setenv(ENV_MPS_LOG, log_path, 1);
    execl(program, MPS_CONTROL, flag, (char *)NULL);
    _exit(127);
}

/* Starts it with a flag, or with a line on its input. 0 or errno. */
static int run_control(const struct agent *agent, struct concurrent *mps, const char *flag, const char *line)
{
    char pipe_path[FS_PATH_BYTES], log_path[FS_PATH_BYTES], program[FS_PATH_BYTES];
    int ends[2] = {-1, -1};
    /* Looked for before each start, and never in a folder that others write to: it runs with our rights. */
    int error = ours_find_program(MPS_CONTROL, agent->places.uid, program, sizeof program);
    if (error == 0) error = folder(agent, mps, "pipe", pipe_path);
    if (error == 0) error = folder(agent, mps, "log", log_path);
    if (error == 0 && line && pipe2(ends, O_CLOEXEC) != 0) error = errno;
    if (error != 0) return error;
    if (line && write(ends[1], line, strlen(line)) < 0) error = errno; /* fits into any pipe */
    if (ends[1] >= 0) close(ends[1]);
    pid_t pid = error == 0 ? fork() : -1;
    if (pid == 0) become_control(program, pipe_path, log_path, mps->uuid, flag, ends[0]);
    if (pid < 0 && error == 0) error = errno;
    if (ends[0] >= 0) close(ends[0]);
    if (pid > 0) mps->command = pid;
    return error;
}

static void fall_back(struct agent *agent, struct concurrent *mps, const char *why)
{
    char message[400];
    snprintf(mps->note, sizeof mps->note, "%s Programs take turns on this GPU.", why);
    snprintf(message, sizeof message, "Concurrent mode: %s", mps->note);
    mps->state = CONCURRENT_FAILED;
    mps->daemon = 0;
    agent->state_dirty = true;
    log_line("%s: %s", mps->uuid, mps->note);
    notices_tell(agent, "concurrent-ended", NULL, 0, message);
    save_wanted(agent);
}

static void start(struct agent *agent, struct concurrent *mps)
{
    char why[160];
    mps->note[0] = '\0';
    mps->state = CONCURRENT_STARTING;
    mps->deadline_ms = now_mono_ms() + MPS_START_MS;
    agent->state_dirty = true;
    int error = make_folders(agent, mps);
    if (error == 0) error = run_control(agent, mps, "-d", NULL);
    if (error != 0) {
        snprintf(why, sizeof why, MPS_CONTROL " could not be started (%s).", strerror(error));
        fall_back(agent, mps, why);
    }
}

static void mps_open(struct agent *agent)
{
    char path[FS_PATH_BYTES], *data, *line;
    size_t len;
    if (fs_join(path, agent->places.state, STATE_FILE) != 0 || fs_read_file(path, 4096, &data, &len) != 0) return;
    for (char *rest = data; (line = strsep(&rest, "\n"));) {
        if (line[0] == '\0' || !agent_gpu(agent, line)) continue;
        struct concurrent *mps = concurrent_entry(agent, line);
        if (!mps) break;
        mps->daemon = living_daemon(agent, mps);
        mps->state = mps->daemon != 0 ? CONCURRENT_ON : CONCURRENT_OFF;
        if (mps->state == CONCURRENT_OFF) start(agent, mps);
    }
    free(data);
}

/* ---- on and off ----------------------------------------------------------------------------------------- */

static int check_possible(const struct agent *agent, const struct gpu_state *gpu, struct failure *failure)
{
    for (size_t i = 0; i < agent->slices.count; i++) {
        const struct slice_record *r = &agent->slices.items[i]->r;
        if (r->deleted || strcmp(r->gpu_uuid, gpu->info.uuid) != 0 || r->owner_uid == agent->places.uid) continue;
        return fail(
            failure, "concurrent-not-possible",
            "Slice %s on GPU %u belongs to %s, and one MPS server serves one user, here %s; nothing was changed. "
            "Move it to another GPU or give it to %s.",
            r->name, gpu->info.index, r->owner, agent->manager_name, agent->manager_name);
    }
    if (!gpu->processes_known && gpu_is_open(gpu)) {
        return fail(failure, "concurrent-not-possible",
                    "The driver does not say which processes are on GPU %u, so nothing was changed; try again.",
                    gpu->info.index);
    }
    for (size_t i = 0; i < gpu->process_count; i++) {
        if (slice_holding(&agent->slices, gpu->processes[i].pid)) continue;
        return fail(
            failure, "concurrent-not-possible",
            "Process %u is on GPU %u outside every slice, and MPS beside it would slow both; nothing was changed. "
            "Wait for its end or stop it.",
            gpu->processes[i].pid, gpu->info.index);
    }
    if (gpu->info.partitioned) {
        return fail(failure, "concurrent-not-possible",
                    "MIG is on for GPU %u, which this mode does not go with; nothing was changed.", gpu->info.index);
    }
    return 0;
}

static int mps_set(struct agent *agent, struct gpu_state *gpu, bool on, struct failure *failure)
{
    struct concurrent *mps = concurrent_entry(agent, gpu->info.uuid);
    if (!mps) return fail(failure, "internal", "The agent has no room for another GPU; nothing was changed.");
    if (mps->command != 0) {
        return fail(failure, "busy",
                    "Concurrent mode of GPU %u is being changed right now; nothing was done. Try again.",
                    gpu->info.index);
    }
    if (on && mps->state != CONCURRENT_ON) {
        if (check_possible(agent, gpu, failure) != 0) return -1;
        start(agent, mps);
    }
    if (!on && mps->state == CONCURRENT_ON) {
        int error = run_control(agent, mps, NULL, QUIT);
        if (error != 0) {
            return fail(failure, "internal", MPS_CONTROL " could not be started (%s); GPU %u stays as it is.",
                        strerror(error), gpu->info.index);
        }
        mps->state = CONCURRENT_STOPPING;
        mps->deadline_ms = now_mono_ms() + MPS_STOP_MS;
    } else if (!on && mps->state == CONCURRENT_FAILED) {
        mps->state = CONCURRENT_OFF;
        mps->note[0] = '\0';
    }
    agent->state_dirty = true;
    save_wanted(agent);
    return 0;
}

/* ---- watching ------------------------------------------------------------------------------------------- */

/* true: the command has ended, with this status. */
static bool command_ended(struct concurrent *mps, int *status)
{
    if (mps->command == 0) return false;
    pid_t done = waitpid(mps->command, status, WNOHANG);
    if (done == 0) return false;
    mps->command = 0;
    return done > 0;
}

static void watch_start(struct agent *agent, struct concurrent *mps, int64_t mono_ms)
{
    char why[160];
    int status = 0;
    bool ended = command_ended(mps, &status);
    pid_t daemon = living_daemon(agent, mps);
    if (mps->command == 0 && daemon != 0) {
        mps->state = CONCURRENT_ON;
        mps->daemon = daemon;
        agent->state_dirty = true;
        log_line("%s: MPS daemon %ld serves programs of %s", mps->uuid, (long)daemon, agent->manager_name);
    } else if (ended && status != 0) {
        bool absent = WIFEXITED(status) && WEXITSTATUS(status) == 127;
        snprintf(why, sizeof why, absent ? MPS_CONTROL " was not found." : MPS_CONTROL " ended with %d.",
                 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        fall_back(agent, mps, why);
    } else if (mono_ms >= mps->deadline_ms) {
        if (mps->command != 0) kill(mps->command, SIGKILL);
        fall_back(agent, mps, "The MPS daemon did not start within 10 s.");
    }
}

static void watch_stop(struct agent *agent, struct concurrent *mps, int64_t mono_ms)
{
    int status = 0;
    (void)command_ended(mps, &status);
    if (mps->command == 0 && living_daemon(agent, mps) == 0) {
        mps->state = CONCURRENT_OFF;
        mps->daemon = 0;
        agent->state_dirty = true;
    } else if (mono_ms >= mps->deadline_ms) {
        /* Never by force: the programs in it would be lost. */
        mps->state = CONCURRENT_ON;
        snprintf(mps->note, sizeof mps->note, "It was told to end and still serves programs; it ends after the last.");
        agent->state_dirty = true;
    }
}

static void mps_watch(struct agent *agent, int64_t mono_ms)
{
    for (size_t i = 0; i < agent->concurrent_count; i++) {
        struct concurrent *mps = &agent->concurrent[i];
        int status = 0;
        switch (mps->state) {
        case CONCURRENT_STARTING: watch_start(agent, mps, mono_ms); break;
        case CONCURRENT_STOPPING: watch_stop(agent, mps, mono_ms); break;
        case CONCURRENT_ON:
            (void)command_ended(mps, &status);
            if (living_daemon(agent, mps) == 0)
                fall_back(agent, mps, "The MPS daemon has ended, and with it the programs that it served.");
            break;
        case CONCURRENT_OFF:
        case CONCURRENT_FAILED: (void)command_ended(mps, &status); break;
        }
    }
}

static void mps_put(struct agent *agent, const char *gpu_uuid, struct json_writer *out)
{
    const struct concurrent *mps = concurrent_find(agent, gpu_uuid);
    char path[FS_PATH_BYTES];
    bool on = mps && mps->state == CONCURRENT_ON && folder(agent, mps, "pipe", path) == 0;
    json_put_text(out, "mpsPipeDirectory", on ? path : NULL);
}

const struct concurrent_mode mps_mode = {
    .backend = &gpu_nvml,
    .open = mps_open,
    .set = mps_set,
    .watch = mps_watch,
    .put = mps_put,
};
