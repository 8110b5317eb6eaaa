#include "cards/gate_proofs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/places.h"
#include "base/sealed.h"
#include "base/version.h"
#include "env.h"
#include "fs.h"
#include "gpu/gpu.h"
#include "json.h"
#include "log.h"
#include "slices/policy.h"
#include "state/agent_state.h"
#include "text.h"

#define FILE_NAME "gate"
#define FILE_MAX_BYTES 8192
/* Free on the GPU that it is tried with: several times what a context and the blocks of the trial take, so that nobody's
 * allocation fails for it. */
#define ROOM_BYTES (UINT64_C(2) << 30)
#define ROOM_AGAIN_MS 10000
#define TRIAL_MS 90000        /* the trial itself ends after 60 s */
#define AGAIN_MS (10 * 60000) /* after one that did not prove it; twice as long each time, */
#define AGAIN_DOUBLED_MAX 7   /* up to this often: a day */
#define ANSWER_BYTES 640

/* The one that goes on. */
static struct trial {
    struct backend_state *kind; /* NULL: none */
    pid_t pid;
    int fd;
    int64_t deadline_ms;
    char answer[ANSWER_BYTES];
    size_t len;
} trial = {.fd = -1};

/* ---- what is kept ----------------------------------------------------------------------------------------- */

static void take_line(struct agent *agent, char *line)
{
    struct json_object object;
    const char *id, *driver, *version, *note;
    if (sealed_open(line) != 1 || json_parse_flat(line, strlen(line), &object, NULL) != 0) return;
    if (json_get_text(&object, "backend", &id) != 1 || json_get_text(&object, "driver", &driver) != 1 ||
        json_get_text(&object, "version", &version) != 1 || json_get_text(&object, "note", &note) != 1)
        return;
    for (size_t i = 0; i < agent->backend_count; i++) {
        struct backend_state *kind = &agent->backends[i];
        bool same = kind->open && strcmp(kind->backend->id, id) == 0 && strcmp(kind->driver, driver) == 0;
        if (!same || strcmp(version, TRANCHE_VERSION) != 0) continue;
        kind->gate = GATE_PROVED;
        text_copy(kind->gate_driver, sizeof kind->gate_driver, driver);
        text_copy(kind->gate_note, sizeof kind->gate_note, note);
    }
}

void gate_proofs_load(struct agent *agent)
{
    char path[FS_PATH_BYTES], *data, *line;
    size_t len;
    if (fs_join(path, agent->places.state, FILE_NAME) != 0) return;
    int error = fs_read_file(path, FILE_MAX_BYTES, &data, &len);
    if (error != 0) {
        if (error != ENOENT) log_line("%s: %s; the gate is tried again", path, strerror(error));
        return;
    }
    for (char *rest = data; (line = strsep(&rest, "\n"));) take_line(agent, line);
    free(data);
}

static void save(const struct agent *agent)
{
    struct json_writer w;
    json_writer_init(&w, FILE_MAX_BYTES);
    for (size_t i = 0; i < agent->backend_count; i++) {
        const struct backend_state *kind = &agent->backends[i];
        if (kind->gate != GATE_PROVED) continue;
        size_t start = w.len;
        json_open(&w, '{');
        json_put_text(&w, "backend", kind->backend->id);
        json_put_text(&w, "driver", kind->gate_driver);
        json_put_text(&w, "version", TRANCHE_VERSION);
        json_put_text(&w, "note", kind->gate_note);
        sealed_end(&w, start);
    }
    int error = w.failed ? ENOMEM : fs_write_atomic(agent->places.state, FILE_NAME, w.data, w.len, 0600, false);
    json_writer_free(&w);
    if (error != 0)
        log_line("%s/" FILE_NAME ": %s; the gate is tried again at the next start", agent->places.state,
                 strerror(error));
}

/* ---- a trial ---------------------------------------------------------------------------------------------- */

static void become_trial(const char *exe, const char *gpu_uuid, int output)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* the agent takes its signals from a descriptor */
    setsid();
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    setenv(ENV_CUDA_VISIBLE, gpu_uuid, 1);
    unsetenv(ENV_PRELOAD);
    unsetenv(ENV_SLICES);
    execl(exe, "tranche", "prove-gate", (char *)NULL);
    _exit(127);
}

/* One that has room, and whose memory this kind of program can take: not cut into partitions. */
static const struct gpu_state *choose_gpu(const struct agent *agent, const struct backend_state *kind)
{
    for (size_t i = 0; i < agent->gpu_count; i++) {
        const struct gpu_state *gpu = &agent->gpus[i];
        bool known = gpu->kind == kind && (gpu->reading.valid & GPU_MEMORY) != 0 && !gpu->info.partitioned;
        uint64_t used = gpu->reading.memory_used_bytes;
        if (known && used < gpu->info.capacity_bytes && gpu->info.capacity_bytes - used >= ROOM_BYTES) return gpu;
    }
    return NULL;
}

/* What has changed is told, and is in force for the slices. */
static void settle(struct agent *agent, struct backend_state *kind, enum gate_standing standing, const char *note)
{
    bool proved = standing == GATE_PROVED, was_proved = kind->gate == GATE_PROVED;
    bool same = kind->gate == standing && strcmp(kind->gate_note, note) == 0;
    kind->gate = standing;
    text_copy(kind->gate_note, sizeof kind->gate_note, note);
    if (!same) agent->state_dirty = true;
    if (proved == was_proved) return;
    save(agent);
    for (size_t i = 0; i < agent->slices.count; i++) policy_apply(agent, agent->slices.items[i]);
}

static void begin(struct agent *agent, struct backend_state *kind, int64_t mono_ms)
{
    char exe[FS_PATH_BYTES], why[200];
    int ends[2];
    const struct gpu_state *gpu = choose_gpu(agent, kind);
    if (agent->simulation && !getenv(ENV_SIM_RM_DEVICES)) {
        kind->gate_again_ms = INT64_MAX;
        text_copy(kind->gate_driver, sizeof kind->gate_driver, kind->driver);
        settle(agent, kind, GATE_NOT_PROVED, "The simulated driver asks the kernel for nothing here.");
        return;
    }
    if (!gpu) {
        kind->gate_again_ms = mono_ms + ROOM_AGAIN_MS;
        settle(agent, kind, GATE_UNTRIED,
               "The gate was not tried with this driver yet: no GPU that is not cut has 2 GiB free for a moment.");
        return;
    }
    int error = places_own_exe(exe) != 0 ? ENOENT : pipe2(ends, O_CLOEXEC) != 0 ? errno : 0;
    pid_t pid = error == 0 ? fork() : -1;
    if (pid == 0) become_trial(exe, gpu->info.uuid, ends[1]);
    if (error == 0) {
        error = pid < 0 ? errno : 0;
        close(ends[1]);
        if (error != 0) close(ends[0]);
    }
    kind->gate_again_ms = mono_ms + ((int64_t)AGAIN_MS << kind->gate_tries);
    if (kind->gate_tries < AGAIN_DOUBLED_MAX) kind->gate_tries++;
    if (error != 0) {
        snprintf(why, sizeof why, "The gate could not be tried with this driver: %s.", strerror(error));
        settle(agent, kind, GATE_UNTRIED, why);
        return;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    text_copy(kind->gate_driver, sizeof kind->gate_driver, kind->driver);
    trial = (struct trial){.kind = kind, .pid = pid, .fd = ends[0], .deadline_ms = mono_ms + TRIAL_MS};
    settle(agent, kind, GATE_UNTRIED, "The gate is being tried with this driver.");
}

/* "proved" or "failed", a tab, and a sentence; or it ended without. */
static void judge(struct agent *agent)
{
    static const char proved[] = "proved\t", failed[] = "failed\t";
    struct backend_state *kind = trial.kind;
    char said[ANSWER_BYTES];
    trial.answer[strcspn(trial.answer, "\n")] = '\0';
    bool good = strncmp(trial.answer, proved, sizeof proved - 1) == 0;
    bool bad = strncmp(trial.answer, failed, sizeof failed - 1) == 0;
    const char *text =
        good || bad ? trial.answer + sizeof proved - 1 : "The program that tries the gate ended without a word.";
    text_sanitize(said, sizeof said, text, strlen(text));
    /* A driver that was changed in the middle of it was not tried. */
    bool same = kind->open && strcmp(kind->gate_driver, kind->driver) == 0;
    log_line("the gate and driver %s: %s: %s", kind->gate_driver, good ? "proved" : "not proved", said);
    settle(agent, kind, good && same ? GATE_PROVED : GATE_NOT_PROVED, said);
}

static void read_answer(void)
{
    ssize_t n;
    while (trial.len < sizeof trial.answer - 1 &&
           (n = read(trial.fd, trial.answer + trial.len, sizeof trial.answer - 1 - trial.len)) > 0)
        trial.len += (size_t)n;
    trial.answer[trial.len] = '\0';
}

static void watch_trial(struct agent *agent, int64_t mono_ms)
{
    int status;
    read_answer();
    pid_t done = waitpid(trial.pid, &status, WNOHANG);
    if (done == 0 && mono_ms < trial.deadline_ms) return;
    if (done == 0) {
        kill(-trial.pid, SIGKILL); /* a session of its own, and all that it started */
        kill(trial.pid, SIGKILL);
        while (waitpid(trial.pid, &status, 0) < 0 && errno == EINTR) continue;
    }
    read_answer();
    close(trial.fd);
    judge(agent);
    trial = (struct trial){.fd = -1};
}

void gate_proofs_watch(struct agent *agent, int64_t mono_ms)
{
    if (trial.kind) {
        watch_trial(agent, mono_ms);
        return;
    }
    for (size_t i = 0; i < agent->backend_count; i++) {
        struct backend_state *kind = &agent->backends[i];
        if (!kind->open || !kind->backend->can[GPU_CAN_GATE]) continue;
        bool other = kind->gate != GATE_UNTRIED && strcmp(kind->gate_driver, kind->driver) != 0;
        if (other) {
            kind->gate_tries = 0;
            settle(agent, kind, GATE_UNTRIED, "The driver is another one than the gate was tried with.");
        }
        bool due = kind->gate != GATE_PROVED && (other || mono_ms >= kind->gate_again_ms);
        if (!due) continue;
        begin(agent, kind, mono_ms);
        if (trial.kind) return;
    }
}

void gate_proofs_end(void)
{
    int status;
    if (!trial.kind) return;
    kill(-trial.pid, SIGKILL);
    kill(trial.pid, SIGKILL);
    while (waitpid(trial.pid, &status, 0) < 0 && errno == EINTR) continue;
    close(trial.fd);
    trial = (struct trial){.fd = -1};
}
