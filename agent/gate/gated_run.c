#include "gated_run.h"

#include "filter.h"
#include "hand_over.h"
#include "late_door.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long S waits for a signal that R was sent to reach S, too: one that goes to the whole group reaches all of it in
 * one pass of the kernel, but not at one instant. */
#define GROUP_WAIT_MS 20
/* How long S remembers one that it was sent, for R to say that it was sent it as well: R may have to wait for a processor,
 * and S must not take what is late for another one. */
#define GROUP_MEMORY_MS 1000
#define SIGNALS 65

/* What S tells R. */
enum news { NEWS_PROGRAM, NEWS_STARTED, NEWS_NO_FILTER, NEWS_NO_EXEC, NEWS_NO_SUPERVISOR, NEWS_STOPPED, NEWS_ENDED };

struct message {
    int what;  /* enum news; from R, a signal that it was sent */
    int value; /* a pid, an errno, a signal, or a wait status */
};

struct s_state {
    int r_socket, p_socket, signal_fd;
    pid_t program; /* 0: it has ended */
    const struct gated_program *job;
    struct supervisor *supervisor;
    struct late_door door;
    bool nobody_asks;
    int64_t look_at_ms;        /* when the policy wants to look next; 0: not until something is asked */
    int64_t seen_ms[SIGNALS];  /* when S itself was sent this signal; 0: not, or it was matched */
    int64_t relay_ms[SIGNALS]; /* when it is passed on if S was not sent it by then; 0: nothing to pass on */
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void block_all(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, before);
}

static int open_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    return signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* What this process was given for the program: its terminal, the pipes that somebody reads to their end. What was opened
 * here is close-on-exec and stays. */
static bool let_go_of_files(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    DIR *directory = null < 0 ? NULL : opendir("/proc/self/fd");
    for (struct dirent *entry = !directory ? NULL : readdir(directory); entry; entry = readdir(directory)) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (fd > STDERR_FILENO && (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) close(fd);
    }
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && null >= 0; fd++) dup2(null, fd);
    bool done = directory;
    if (directory) closedir(directory);
    if (null > STDERR_FILENO) close(null);
    return done;
}

/* ---- P ---------------------------------------------------------------------------------------------------- */

static void run_program(const struct gated_program *job, int s_socket, const sigset_t *mask)
{
    int listener = -1;
    bool is_late = job->late_fd >= 0;
    if (!is_late) listener = filter_install(false);
    bool failed = !is_late && listener < 0;
    if (hand_over(s_socket, failed ? -listener : 0, listener) != 0 || failed) _exit(EXIT_FAILURE);
    if (listener >= 0) close(listener);
    /* Not before S is ready and R knows of us: if S is gone, nothing is started. */
    int number, none;
    if (take_over(s_socket, -1, &number, &none) != 0) _exit(EXIT_FAILURE);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(job->argv[0], job->argv);
    hand_over(s_socket, errno, -1);
    _exit(EXIT_FAILURE);
}

/* ---- S ---------------------------------------------------------------------------------------------------- */

static void tell(const struct s_state *s, enum news what, int value)
{
    struct message message = {.what = what, .value = value};
    if (s->r_socket >= 0) send(s->r_socket, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* S is not to be attached to by those whose sum it keeps, and has no folder of theirs. */
static void withdraw(void)
{
    struct rlimit files;
    if (!let_go_of_files() || chdir("/") != 0) _exit(EXIT_FAILURE);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max; /* one for each process that asks */
        setrlimit(RLIMIT_NOFILE, &files);
    }
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NAME, GATE_SUPERVISOR_NAME, 0, 0, 0);
}

/* Word from P: its filter's listener, then nothing (the socket closes by exec), or why it failed. */
static void hear_program(struct s_state *s)
{
    int number, fd;
    int error = take_over(s->p_socket, 0, &number, &fd);
    bool is_ready = error == 0 && (fd >= 0 || (s->job->late_fd >= 0 && number == 0));
    if (is_ready && !s->supervisor) {
        s->supervisor = supervisor_new(fd, &s->job->devices, &s->job->policy);
        tell(s, s->supervisor ? NEWS_PROGRAM : NEWS_NO_SUPERVISOR, s->supervisor ? (int)s->program : errno);
        if (s->supervisor && hand_over(s->p_socket, 0, -1) == 0) return;
    } else if (error == 0) {
        tell(s, !s->supervisor ? NEWS_NO_FILTER : NEWS_NO_EXEC, number);
    } else if (s->supervisor) {
        tell(s, NEWS_STARTED, 0);
    }
    close(s->p_socket);
    s->p_socket = -1;
}

/* One that was sent to R alone goes to P alone. One to the group has reached P, unless it has left the group. */
static void pass_on(struct s_state *s, int number)
{
    bool to_group = s->seen_ms[number] != 0;
    s->seen_ms[number] = s->relay_ms[number] = 0;
    if (s->program > 0 && (!to_group || getpgid(s->program) != getpgrp())) kill(s->program, number);
}

static void look(struct s_state *s)
{
    const struct gate_policy *policy = &s->job->policy;
    bool managed = s->supervisor && supervisor_look(s->supervisor);
    bool again = (policy->look && policy->look(policy->context, s->supervisor)) || managed;
    s->look_at_ms = again ? now_ms() + GATE_LOOK_MS : 0;
}

/* A late program may still come where nobody asks. */
static void take_turn(struct s_state *s, const struct pollfd *ready, nfds_t count)
{
    bool is_in_use = supervisor_turn(s->supervisor, ready, count);
    s->nobody_asks = !is_in_use && s->job->late_fd < 0;
}

/* What the program held is given back before its end is told: who starts the next one then finds room. */
static void settle_end(struct s_state *s)
{
    if (!s->supervisor) return;
    take_turn(s, NULL, 0);
    look(s);
}

static void reap(struct s_state *s)
{
    int status;
    for (pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED); pid > 0;
         pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) {
        if (pid != s->program) continue;
        if (WIFSTOPPED(status)) {
            tell(s, NEWS_STOPPED, WSTOPSIG(status));
            continue;
        }
        if (s->p_socket >= 0) hear_program(s); /* what it said last comes before its end */
        s->program = 0;
        settle_end(s);
        tell(s, NEWS_ENDED, status);
    }
}

static void take_signals(struct s_state *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo == SIGCHLD)
            reap(s);
        else if (info.ssi_signo < SIGNALS)
            s->seen_ms[info.ssi_signo] = now_ms();
    for (int number = 1; number < SIGNALS; number++)
        if (s->relay_ms[number] != 0 && (s->seen_ms[number] != 0 || now_ms() >= s->relay_ms[number]))
            pass_on(s, number);
        else if (s->seen_ms[number] != 0 && now_ms() - s->seen_ms[number] > GROUP_MEMORY_MS)
            s->seen_ms[number] = 0; /* sent to S alone, which is nobody's to ask for */
}

/* A signal that R was sent; or R has gone, and the program goes as if it had been the one that was killed. */
static void hear_front(struct s_state *s)
{
    struct message message;
    ssize_t got = recv(s->r_socket, &message, sizeof message, MSG_DONTWAIT);
    if (got == (ssize_t)sizeof message && message.what > 0 && message.what < SIGNALS) {
        s->relay_ms[message.what] = now_ms() + GROUP_WAIT_MS;
        return;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    close(s->r_socket);
    s->r_socket = -1;
    if (s->program > 0) kill(s->program, SIGKILL);
}

static bool has_waiting_signals(const struct s_state *s)
{
    bool found = false;
    for (int number = 1; number < SIGNALS; number++)
        found = found || s->relay_ms[number] != 0 || s->seen_ms[number] != 0;
    return found;
}

/* Whether nobody is left behind the filter. A child of P's that was left behind is a child of S's; a kernel before 5.9 does
 * not tell that nobody asks any more. */
static bool is_alone(const struct s_state *s)
{
    siginfo_t info;
    return s->nobody_asks || (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD);
}

/* Until something is due; -1: nothing is. */
static int wait_ms(const struct s_state *s)
{
    int64_t left = s->look_at_ms - now_ms();
    return s->look_at_ms == 0 ? -1 : left > 0 ? (int)left : 0;
}

static bool any_ready(const struct pollfd *ready, nfds_t count)
{
    bool any = false;
    for (nfds_t i = 0; i < count; i++) any = any || ready[i].revents != 0;
    return any;
}

/* false: there is nobody left to answer. */
static bool s_turn(struct s_state *s)
{
    struct pollfd ready[3 + LATE_FDS + SUPERVISOR_FDS] = {
        {.fd = s->signal_fd, .events = POLLIN},
        {.fd = s->r_socket, .events = POLLIN},
        {.fd = s->p_socket, .events = POLLIN},
    };
    const nfds_t late_count = late_watch(&s->door, ready + 3), asks_at = 3 + late_count;
    nfds_t ask_count = 0;
    if (s->supervisor && !s->nobody_asks) ask_count = supervisor_watch(s->supervisor, ready + asks_at);
    const nfds_t count = asks_at + ask_count;
    bool waits = has_waiting_signals(s);
    if (poll(ready, count, waits ? GROUP_WAIT_MS / 4 : wait_ms(s)) < 0 && errno != EINTR) return false;
    if (ready[2].revents != 0) hear_program(s);
    if (ask_count > 0 && any_ready(ready + asks_at, ask_count)) {
        take_turn(s, ready + asks_at, ask_count);
        if (s->look_at_ms == 0) s->look_at_ms = now_ms() + GATE_LOOK_MS;
    }
    if (s->supervisor) late_turn(&s->door, ready + 3, late_count, s->supervisor);
    if (s->look_at_ms != 0 && now_ms() >= s->look_at_ms) look(s);
    if (ready[1].revents != 0) hear_front(s);
    if (ready[0].revents != 0 || waits) take_signals(s);
    return s->program > 0 || !is_alone(s);
}

static void supervise(const struct gated_program *job, int r_socket, const sigset_t *mask)
{
    struct s_state s = {.r_socket = r_socket, .p_socket = -1, .job = job};
    late_open(&s.door, job->late_fd);
    int pair[2];
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    s.signal_fd = open_signals();
    if (s.signal_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        tell(&s, NEWS_NO_SUPERVISOR, errno);
        _exit(EXIT_FAILURE);
    }
    s.program = fork();
    if (s.program == 0) {
        close(pair[0]);
        run_program(job, pair[1], mask);
    }
    close(pair[1]);
    if (s.program < 0) {
        tell(&s, NEWS_NO_SUPERVISOR, errno);
        _exit(EXIT_FAILURE);
    }
    s.p_socket = pair[0];
    withdraw();
    while (s_turn(&s)) {
    }
    supervisor_delete(s.supervisor);
    _exit(EXIT_SUCCESS);
}

/* ---- R ---------------------------------------------------------------------------------------------------- */

struct r_state {
    int s_socket, signal_fd;
    pid_t supervisor, program; /* 0: gone; not known yet */
    bool has_ended, has_failed;
    bool has_children; /* to look after */
    int status, error;
    char *why;
};

/* As the program was ended; the core, if any, is the program's. */
static int end_by(int number)
{
    const struct rlimit none = {0, 0};
    sigset_t only;
    setrlimit(RLIMIT_CORE, &none);
    signal(number, SIG_DFL);
    raise(number);
    sigemptyset(&only);
    sigaddset(&only, number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    return 128 + number;
}

static void give_up(struct r_state *r, const char *what, int error)
{
    r->has_failed = true;
    snprintf(r->why, GATED_RUN_WHY_BYTES, "%s", what);
    if (error != 0) {
        size_t length = strlen(r->why);
        snprintf(r->why + length, GATED_RUN_WHY_BYTES - length, ": %s.", strerror(error));
    }
}

/* To the program, by way of S, which knows whether it has reached it already; or without S, if it is gone. */
static void relay(const struct r_state *r, const struct signalfd_siginfo *info)
{
    struct message message = {.what = (int)info->ssi_signo};
    bool told = r->s_socket >= 0 &&
                send(r->s_socket, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof message;
    if (!told && r->program > 0 && info->ssi_code != SI_KERNEL)
        kill(r->program, (int)info->ssi_signo); /* the terminal's have reached it */
}

/* true: children are to be looked after. */
static bool take_r_signals(struct r_state *r)
{
    struct signalfd_siginfo info;
    bool has_children = false;
    while (read(r->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo == SIGCHLD)
            has_children = true;
        else
            relay(r, &info);
    return has_children;
}

/* By the same signal as the program, so that the shell says the same. What R was sent meanwhile is passed on first: the
 * signal that stopped all of the group is among it. One that continues us is newer than the news. */
static void stop_by(struct r_state *r, int number)
{
    sigset_t pending, only;
    sigpending(&pending);
    bool continues = sigismember(&pending, SIGCONT) == 1;
    r->has_children = take_r_signals(r) || r->has_children;
    if (continues) return;
    raise(number);
    sigemptyset(&only);
    sigaddset(&only, number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    sigprocmask(SIG_BLOCK, &only, NULL);
}

static void ended(struct r_state *r, int status)
{
    r->has_ended = true;
    r->status = status;
}

/* false: it has said nothing more. */
static bool hear_supervisor(struct r_state *r)
{
    struct message message;
    ssize_t got = recv(r->s_socket, &message, sizeof message, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (got != (ssize_t)sizeof message) {
        close(r->s_socket);
        r->s_socket = -1;
        return false;
    }
    switch (message.what) {
    case NEWS_PROGRAM: r->program = message.value; break;
    case NEWS_STARTED: let_go_of_files(); break;
    case NEWS_STOPPED: stop_by(r, message.value); break;
    case NEWS_ENDED: ended(r, message.value); break;
    case NEWS_NO_FILTER: give_up(r, filter_refusal(message.value), 0); break;
    case NEWS_NO_EXEC:
        r->error = message.value;
        give_up(r, "The program could not be started", message.value);
        break;
    default: give_up(r, "The program's supervisor could not begin", message.value); break;
    }
    return true;
}

/* It is gone: what it said last may have come after we looked, and has come by now. */
static void hear_last_words(struct r_state *r)
{
    while (r->s_socket >= 0 && !r->has_ended && !r->has_failed && hear_supervisor(r)) {
    }
}

/* Children are S, and P once S is gone: R is the next who adopts it. */
static void look_after_children(struct r_state *r)
{
    int status;
    for (pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED); pid > 0;
         pid = waitpid(-1, &status, WNOHANG | WUNTRACED))
        if (pid == r->supervisor && !WIFSTOPPED(status)) {
            r->supervisor = 0;
            hear_last_words(r);
        } else if (pid == r->program && WIFSTOPPED(status))
            stop_by(r, WSTOPSIG(status));
        else if (pid == r->program)
            ended(r, status);
    siginfo_t info;
    if (r->supervisor == 0 && r->program > 0 && !r->has_ended &&
        waitid(P_PID, (id_t)r->program, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
        give_up(r, "The program has ended, and its supervisor with it, which alone knew how.", 0);
}

static void r_turn(struct r_state *r)
{
    struct pollfd ready[2] = {{.fd = r->signal_fd, .events = POLLIN}, {.fd = r->s_socket, .events = POLLIN}};
    if (poll(ready, 2, r->has_children ? 0 : -1) < 0 && errno != EINTR) {
        give_up(r, "The program cannot be waited for", errno);
        return;
    }
    if (ready[1].revents != 0)
        hear_supervisor(r); /* before S's end, of which it may have told the reason */
    else if (ready[0].revents != 0)
        r->has_children = take_r_signals(r) || r->has_children;
    if (r->has_children && !r->has_ended && !r->has_failed && ready[1].revents == 0) {
        r->has_children = false;
        look_after_children(r);
    }
    if (r->supervisor == 0 && r->s_socket < 0 && r->program == 0 && !r->has_ended)
        give_up(r, "The program's supervisor ended before it had started it.", 0);
}

int gated_run(const struct gated_program *program, char why[GATED_RUN_WHY_BYTES], int *error_out)
{
    struct r_state r = {.s_socket = -1, .why = why};
    sigset_t mask;
    int pair[2];
    why[0] = 0;
    *error_out = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        give_up(&r, "There is no descriptor for a supervisor", errno);
        return -1;
    }
    block_all(&mask);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* of P, if S is killed */
    r.signal_fd = open_signals();
    r.s_socket = pair[0];
    r.supervisor = r.signal_fd < 0 ? -1 : fork();
    if (r.supervisor == 0) {
        close(pair[0]);
        close(r.signal_fd);
        supervise(program, pair[1], &mask);
    }
    close(pair[1]);
    if (program->late_fd >= 0) close(program->late_fd); /* it is S's */
    if (r.supervisor < 0) give_up(&r, "There is no process for a supervisor", errno);
    /* Who looks for what the program leaves behind is not to take S for it. A pipe holds a pid. */
    if (r.supervisor > 0 && program->told_fd >= 0 &&
        write(program->told_fd, &r.supervisor, sizeof r.supervisor) != (ssize_t)sizeof r.supervisor)
        give_up(&r, "Who asked for the program cannot be told of its supervisor", errno);
    while (!r.has_ended && !r.has_failed) r_turn(&r);
    *error_out = r.error;
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (r.signal_fd >= 0) close(r.signal_fd);
    if (r.s_socket >= 0) close(r.s_socket);
    if (r.has_failed) {
        /* Nothing was started, so S has nobody to stay for. */
        while (r.supervisor > 0 && waitpid(r.supervisor, NULL, 0) < 0 && errno == EINTR) {
        }
        return -1;
    }
    return WIFEXITED(r.status) ? WEXITSTATUS(r.status) : end_by(WTERMSIG(r.status));
}
