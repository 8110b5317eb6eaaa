/* `tranche job supervise ID FD`: stands beside one job from the line to its end. It holds the program's output and its
 * exit, so that neither depends on a connection, a terminal or the agent. One thread, one loop. */

#include "launch/job_supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/complain.h"
#include "base/detached.h"
#include "base/now.h"
#include "env.h"
#include "fs.h"
#include "json.h"
#include "launch/client.h"
#include "launch/job_folder.h"
#include "launch/job_leftovers.h"
#include "launch/job_log.h"
#include "launch/run.h"
#include "state/agent_state.h"
#include "state/job_record.h"
#include "state/queue.h"
#include "state/slice.h"
#include "text.h"

#define RECONNECT_MS 500       /* while no agent answers */
#define REFUSED_MS 30000       /* after an agent said no to one that runs */
#define SEND_TIMEOUT_S 2       /* an agent that takes nothing for this long is gone */
#define LEFTOVERS_MS 5000      /* from SIGTERM to SIGKILL for what a program leaves behind */
#define LEFTOVERS_KILL_MS 5000 /* and from there until what is still there is nobody's to end */
#define LEFTOVERS_LOOK_MS 50
#define GIVE_UP_MS (10 * 60 * 1000) /* to tell an agent how it ended; the folder has it anyway */
#define LINE_BYTES 4096             /* of what the agent says to a supervisor */
#define READS_AT_ONCE 16

struct supervisor {
    struct job_record r;
    char directory[FS_PATH_BYTES], cwd[FS_PATH_BYTES];
    char **argv;
    int ready_fd; /* -1: the starter has had its answer */
    int signal_fd, agent_fd, output_fd;
    pid_t program;                /* 0: none */
    int gate_fd;                  /* whence the pid of its supervisor at the kernel's boundary comes; -1: none */
    pid_t gate;                   /* that; 0: none, or not told yet */
    bool known;                   /* an agent has taken the job once */
    uint64_t version, sent, told; /* of the record: now, on its way, acknowledged */
    enum job_state stop_as;
    bool preempted_once;
    int64_t connect_at_ms, kill_at_ms, leftovers_at_ms, give_up_at_ms; /* monotonic; 0: not set */
    struct leftovers asked;                                            /* those of the run that have had SIGTERM */
    char left_behind[160];                                             /* who they were, for people */
    size_t left_count;
    char in[LINE_BYTES];
    size_t in_len;
    struct job_log log;
};

/* Every change: to disk, and to the agent as soon as there is one. */
static void become(struct supervisor *s, enum job_state state)
{
    s->r.state = state;
    if (s->log.error != 0 && s->r.message[0] == '\0') {
        snprintf(s->r.message, sizeof s->r.message, "Its log could not be written in full: %s.",
                 strerror(s->log.error));
    }
    s->version++;
    job_folder_save(s->directory, &s->r); /* a full disk must not end the program; the agent is told all the same */
    if (!job_is_over(state)) return;
    s->give_up_at_ms = now_mono_ms() + GIVE_UP_MS;
}

static void answer_starter(struct supervisor *s, const char *code, const char *message)
{
    if (s->ready_fd < 0) return;
    if (code)
        dprintf(s->ready_fd, "%s\t%s\n", code, message);
    else
        dprintf(s->ready_fd, "ok\n");
    close(s->ready_fd);
    s->ready_fd = -1;
}

/* ---- the program ---------------------------------------------------------------------------------------- */

static void run_program(const struct supervisor *s, int output, int told_fd)
{
    static const int defaults[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGCHLD, SIGXFSZ};
    size_t count = 0;
    /* What is left when the supervisor is killed gets no more output out, and nobody would see it end. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setpgid(0, 0);
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) signal(defaults[i], SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    if (chdir(s->cwd) != 0) {
        complain("the job cannot run in %s: %s", s->cwd, strerror(errno));
        _exit(EXIT_CANNOT_RUN);
    }
    /* Output goes through a pipe, where Python would keep lines back until 8 KiB have come together. */
    setenv(ENV_PYTHON_UNBUFFERED, "1", 0);
    while (s->argv[count]) count++;
    char **argv = malloc((count + 5) * sizeof *argv);
    if (!argv) _exit(EXIT_OWN_FAILURE);
    argv[0] = (char *)"run";
    argv[1] = (char *)"--slice";
    argv[2] = (char *)s->r.slice_id;
    argv[3] = (char *)"--";
    memcpy(argv + 4, s->argv, (count + 1) * sizeof *argv);
    _exit(run_telling((int)count + 4, argv, told_fd));
}

static void forget_gate(struct supervisor *s)
{
    if (s->gate_fd >= 0) close(s->gate_fd);
    s->gate_fd = -1;
    s->gate = 0;
}

/* What there is of the run. The supervisor of a gated program (docs/gate.md) is none of it: it ends by itself, after the
 * last process that it answers for. */
static void find_left(struct supervisor *s, pid_t program, struct leftovers *out)
{
    pid_t told;
    if (s->gate_fd >= 0 && read(s->gate_fd, &told, sizeof told) == (ssize_t)sizeof told) s->gate = told;
    leftovers_find(program, s->r.started_at_ms / 1000, s->gate, out);
}

static void start_program(struct supervisor *s)
{
    int ends[2] = {-1, -1}, told[2] = {-1, -1};
    pid_t child = -1;
    forget_gate(s);
    if (pipe2(ends, O_CLOEXEC) == 0 && pipe2(told, O_CLOEXEC | O_NONBLOCK) == 0) {
        child = fork();
        if (child == 0) run_program(s, ends[1], told[1]);
        /* Here too: a signal to the group must not come before there is one. */
        if (child > 0) setpgid(child, child);
    }
    int error = errno;
    if (ends[1] >= 0) close(ends[1]);
    if (told[1] >= 0) close(told[1]);
    s->gate_fd = told[0];
    if (child < 0) {
        if (ends[0] >= 0) close(ends[0]);
        forget_gate(s);
        errno = error;
        snprintf(s->r.message, sizeof s->r.message, "It could not be started: %s.", strerror(errno));
        s->r.ended_at_ms = now_wall_ms();
        become(s, JOB_FAILED);
        return;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    s->output_fd = ends[0];
    s->program = child;
    s->r.pid = child;
    s->r.started_at_ms = now_wall_ms();
    s->r.runs++;
    s->r.exit_code = -1;
    s->r.signal = 0;
    if (s->r.runs > 1) {
        char line[64];
        int n = snprintf(line, sizeof line, "\n--- tranche: run %lld ---\n", (long long)s->r.runs);
        job_log_write(&s->log, line, (size_t)n);
    }
    become(s, JOB_RUNNING);
}

static void read_output(struct supervisor *s, bool to_the_end)
{
    static char data[64 * 1024];
    for (int i = 0; s->output_fd >= 0 && (to_the_end || i < READS_AT_ONCE); i++) {
        ssize_t n = read(s->output_fd, data, sizeof data);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (n > 0) {
            job_log_write(&s->log, data, (size_t)n);
            continue;
        }
        close(s->output_fd);
        s->output_fd = -1;
    }
}

/* The last word on this run: nothing of it is left. */
static void finish_run(struct supervisor *s)
{
    read_output(s, true);
    if (s->output_fd >= 0) close(s->output_fd);
    s->output_fd = -1;
    s->leftovers_at_ms = s->kill_at_ms = 0;
    s->asked.count = s->left_count = 0;
    enum job_state as = s->r.state == JOB_STOPPING ? s->stop_as : JOB_ENDED;
    if (as == JOB_PREEMPTED && s->r.requeue && !s->preempted_once) {
        s->preempted_once = true;
        s->r.pid = 0;
        s->r.started_at_ms = NO_TIME;
        become(s, JOB_QUEUED);
        return;
    }
    s->r.ended_at_ms = now_wall_ms();
    become(s, as);
}

/* The whole run: its group, and whoever has another one. */
static void signal_run(struct supervisor *s, int number)
{
    if (s->program > 0) kill(-s->program, number);
    find_left(s, (pid_t)s->r.pid, &s->asked);
    leftovers_signal(&s->asked, NULL, s->program, number);
}

static void say_left(struct supervisor *s, const char *what)
{
    if (s->left_count == 0 || s->r.message[0] != '\0') return;
    snprintf(s->r.message, sizeof s->r.message, "It left %zu process%s behind, which %s: %s.", s->left_count,
             s->left_count == 1 ? "" : "es", what, s->left_behind);
}

/* Again and again: who was forked a moment ago is in the next look. */
static void end_leftovers(struct supervisor *s, int64_t mono_ms)
{
    struct leftovers found;
    find_left(s, (pid_t)s->r.pid, &found);
    if (found.count == 0) {
        say_left(s, s->left_count == 1 ? "was ended" : "were ended");
        finish_run(s);
        return;
    }
    if (mono_ms >= s->leftovers_at_ms + LEFTOVERS_KILL_MS) {
        s->left_count = leftovers_names(&found, 0, s->left_behind, sizeof s->left_behind);
        say_left(s, "could not be ended");
        finish_run(s);
        return;
    }
    bool kills = mono_ms >= s->leftovers_at_ms;
    leftovers_signal(&found, kills ? NULL : &s->asked, 0, kills ? SIGKILL : SIGTERM);
    s->asked = found;
}

static void program_ended(struct supervisor *s, int status)
{
    struct leftovers found;
    if (WIFEXITED(status)) s->r.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) s->r.signal = WTERMSIG(status);
    pid_t group = s->program;
    bool stops = s->r.state == JOB_STOPPING;
    s->program = 0;
    read_output(s, true);
    find_left(s, group, &found);
    if (found.count == 0) {
        say_left(s, s->left_count == 1 ? "was ended" : "were ended");
        finish_run(s);
        return;
    }
    if (!stops) s->left_count = leftovers_names(&found, 0, s->left_behind, sizeof s->left_behind);
    leftovers_signal(&found, &s->asked, 0, SIGTERM);
    s->asked = found;
    int64_t mono_ms = now_mono_ms();
    s->leftovers_at_ms = stops && s->kill_at_ms > mono_ms ? s->kill_at_ms : mono_ms + (stops ? 0 : LEFTOVERS_MS);
    s->kill_at_ms = 0;
}

static void reap(struct supervisor *s)
{
    int status;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
        if (pid == s->gate) forget_gate(s);
        if (pid == s->program) program_ended(s, status);
    }
}

static void stop_program(struct supervisor *s, enum job_state as)
{
    if (job_is_over(s->r.state)) return;
    if (s->r.state == JOB_QUEUED) {
        s->r.ended_at_ms = now_wall_ms();
        become(s, as);
        return;
    }
    s->stop_as = as;
    if (s->r.state == JOB_STOPPING) return;
    signal_run(s, SIGTERM);
    /* Its own group was told with it, and ends with it; who is in none of its groups is worth a word. */
    s->left_count = leftovers_names(&s->asked, s->program, s->left_behind, sizeof s->left_behind);
    s->kill_at_ms = now_mono_ms() + s->r.grace_ms;
    become(s, JOB_STOPPING);
}

static void run_timers(struct supervisor *s, int64_t mono_ms)
{
    if (s->kill_at_ms > 0 && mono_ms >= s->kill_at_ms && s->leftovers_at_ms == 0) {
        s->kill_at_ms = 0;
        signal_run(s, SIGKILL);
    }
    if (s->leftovers_at_ms > 0) end_leftovers(s, mono_ms);
}

/* ---- the agent ------------------------------------------------------------------------------------------ */

static void hang_up(struct supervisor *s)
{
    if (s->agent_fd >= 0) close(s->agent_fd);
    s->agent_fd = -1;
    s->in_len = 0;
    s->sent = s->told; /* what was on its way may not have arrived */
    s->connect_at_ms = now_mono_ms() + RECONNECT_MS;
}

static void call_agent(struct supervisor *s)
{
    struct client client;
    char why[1024];
    /* Only the first time is a missing agent started: later one that was told to leave must be able to stay away. */
    if (client_open(&client, !s->known, why, sizeof why) != 0) {
        if (!s->known) answer_starter(s, "internal", why);
        s->connect_at_ms = now_mono_ms() + RECONNECT_MS;
        return;
    }
    struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S};
    setsockopt(client.fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    s->agent_fd = client.fd;
    s->sent = 0;
}

static void say(struct supervisor *s)
{
    struct json_writer w;
    json_writer_init(&w, REQUEST_LINE_MAX_BYTES);
    json_open(&w, '{');
    json_put_integer(&w, "id", (int64_t)s->version);
    json_put_text(&w, "op", "job-put");
    json_put_text(&w, "jobId", s->r.id);
    job_record_put(&w, &s->r);
    json_end_line(&w);
    bool good = !w.failed && send(s->agent_fd, w.data, w.len, MSG_NOSIGNAL) == (ssize_t)w.len;
    json_writer_free(&w);
    s->sent = s->version;
    if (!good) hang_up(s);
}

static void refused(struct supervisor *s, const char *code, const char *message)
{
    if (!s->known) {
        job_folder_remove(s->r.id);
        answer_starter(s, code, message);
        exit(1);
    }
    /* An agent that does not want it any more, after a restart without its journal. What runs goes on. */
    if (s->r.state == JOB_QUEUED) {
        text_copy(s->r.message, sizeof s->r.message, message);
        s->r.ended_at_ms = now_wall_ms();
        become(s, JOB_FAILED);
    }
    if (job_is_over(s->r.state)) s->give_up_at_ms = now_mono_ms();
    hang_up(s);
    s->connect_at_ms = now_mono_ms() + REFUSED_MS;
}

static void take_line(struct supervisor *s, char *line, size_t len)
{
    struct json_object o;
    const char *why, *act = "", *reason = "";
    bool ok = false;
    int64_t id = -1;
    if (json_parse_flat(line, len, &o, &why) != 0) return;
    if (json_get_bool(&o, "ok", &ok) == 1) {
        const char *code = "internal", *message = "The agent refused without a reason.";
        json_get_text(&o, "code", &code);
        json_get_text(&o, "message", &message);
        if (!ok) {
            refused(s, code, message);
            return;
        }
        if (json_get_integer(&o, "id", 0, JSON_INTEGER_MAX, &id) == 1) s->told = (uint64_t)id;
        s->known = true;
        answer_starter(s, NULL, NULL);
        return;
    }
    if (json_get_text(&o, "act", &act) != 1) return;
    json_get_text(&o, "why", &reason);
    bool cancelled = !reason || strcmp(reason, "preempted") != 0;
    if (strcmp(act, "start") == 0 && s->r.state == JOB_QUEUED) start_program(s);
    if (strcmp(act, "stop") == 0) stop_program(s, cancelled ? JOB_CANCELLED : JOB_PREEMPTED);
    if (strcmp(act, "kill") == 0 && (s->program > 0 || s->leftovers_at_ms > 0)) {
        signal_run(s, SIGKILL);
        if (s->leftovers_at_ms > 0) s->leftovers_at_ms = now_mono_ms();
    }
}

static void hear(struct supervisor *s)
{
    ssize_t n = recv(s->agent_fd, s->in + s->in_len, sizeof s->in - 1 - s->in_len, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (n <= 0) {
        hang_up(s);
        return;
    }
    s->in_len += (size_t)n;
    for (char *newline; s->agent_fd >= 0 && (newline = memchr(s->in, '\n', s->in_len));) {
        size_t len = (size_t)(newline - s->in);
        *newline = '\0';
        take_line(s, s->in, len);
        if (s->in_len <= len) break; /* hung up meanwhile */
        s->in_len -= len + 1;
        memmove(s->in, newline + 1, s->in_len);
    }
    if (s->in_len == sizeof s->in - 1) hang_up(s);
}

/* ---- loop ----------------------------------------------------------------------------------------------- */

static void take_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        /* The last logout, where it ends everything; or somebody's kill. */
        if (info.ssi_signo != SIGTERM && info.ssi_signo != SIGINT) continue;
        text_copy(s->r.message, sizeof s->r.message,
                  "Its supervisor was told to end (a logout, a shutdown, or kill).");
        stop_program(s, JOB_CANCELLED);
    }
    reap(s);
}

static int next_wait(const struct supervisor *s, int64_t mono_ms)
{
    int64_t due[] = {s->agent_fd < 0 ? s->connect_at_ms : 0, s->kill_at_ms,
                     s->leftovers_at_ms > 0 ? mono_ms + LEFTOVERS_LOOK_MS : 0, s->give_up_at_ms};
    int64_t wait = GIVE_UP_MS;
    for (size_t i = 0; i < sizeof due / sizeof due[0]; i++)
        if (due[i] > 0 && due[i] - mono_ms < wait) wait = due[i] > mono_ms ? due[i] - mono_ms : 0;
    return (int)wait;
}

static void turn(struct supervisor *s)
{
    int64_t mono_ms = now_mono_ms();
    if (s->agent_fd < 0 && mono_ms >= s->connect_at_ms) call_agent(s);
    if (s->agent_fd >= 0 && s->sent != s->version) say(s);
    struct pollfd p[3] = {
        {.fd = s->signal_fd, .events = POLLIN},
        {.fd = s->agent_fd, .events = POLLIN},
        {.fd = s->output_fd, .events = POLLIN},
    };
    if (poll(p, 3, next_wait(s, mono_ms)) < 0 && errno != EINTR) exit(EXIT_OWN_FAILURE);
    if (p[2].revents) read_output(s, false);
    if (p[0].revents) take_signals(s);
    if (p[1].revents && s->agent_fd >= 0) hear(s);
    run_timers(s, now_mono_ms());
}

static int open_signals(struct supervisor *s)
{
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is then an error like a full disk */
    return detached_signals(&s->signal_fd);
}

int command_job_supervise(const char *id, int ready_fd)
{
    static struct supervisor s;
    s = (struct supervisor){.ready_fd = ready_fd, .agent_fd = -1, .output_fd = -1, .gate_fd = -1, .version = 1};
    fcntl(ready_fd, F_SETFD, FD_CLOEXEC);
    if (job_folder_of(id, s.directory) != 0) return complain("there is no job %s in this account", id);
    int error = job_folder_load(s.directory, &s.r);
    if (error == 0) error = job_folder_argv(s.directory, &s.argv, s.cwd);
    if (error == 0) error = job_folder_claim(s.directory);
    if (error == 0) error = job_log_open(&s.log, s.directory);
    if (error == 0) error = open_signals(&s);
    if (error != 0) {
        answer_starter(&s, "internal", strerror(error));
        job_folder_remove(id);
        return EXIT_OWN_FAILURE;
    }
    /* What the program leaves behind becomes ours, so that it can be reaped. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (;;) {
        turn(&s);
        if (!s.known && s.ready_fd < 0) { /* no agent could be had, and the starter was told */
            job_folder_remove(id);
            return EXIT_OWN_FAILURE;
        }
        /* Tranche was removed from the account: nobody will ever call. */
        if (s.agent_fd < 0 && s.program == 0 && access(s.directory, F_OK) != 0) return 0;
        bool over = job_is_over(s.r.state);
        if (over && (s.told == s.version || now_mono_ms() >= s.give_up_at_ms)) return 0;
    }
}
