/* A program behind the gate, as a shell and its neighbours see it: how it ends, what signals do, who may be killed, and
 * what is left. Real processes, the real kernel; the driver's device is a stand-in (gate_kernel_test.c).
 * build: agent/gate/rm_abi.c agent/gate/rm_book.c agent/gate/filter.c agent/gate/asker.c agent/gate/supervisor.c agent/gate/tally.c agent/gate/judge.c agent/gate/hand_over.c agent/gate/late_door.c agent/gate/late_gate.c agent/gate/gated_run.c agent/gate/probe.c
 * sanitize: address,undefined */
#include "check.h"
#include "filter.h"
#include "gated_run.h"
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
/* Nothing here takes a second on an idle machine; what takes this long hangs. */
#define BOUND_MS 10000
#define NOBODY 65534

static const char *requester = "build/test-native/gate_run_requester";
static char requester_path[4096];

/* R, started by this process as a shell would. */
struct front {
    pid_t pid; /* 0: it has ended, as `status` says */
    int status;
    int in, out;
    char text[4096];
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static uint64_t hundred_mib(void *context)
{
    (void)context;
    return 100 * MIB;
}

/* What a command of ours would do with it. */
static int run_gated(char *const *argv)
{
    struct gated_program program = {.argv = argv,
                                    .devices = {.major_number = 1, .control_minor = 3},
                                    .policy = {.limit_bytes = hundred_mib},
                                    .told_fd = -1,
                                    .late_fd = -1};
    char why[GATED_RUN_WHY_BYTES];
    int error;
    int status = gated_run(&program, why, &error);
    if (status < 0) {
        dprintf(STDOUT_FILENO, "why: %s errno %d", why, error);
        return 120;
    }
    return status;
}

static void start(struct front *f, char *const *argv)
{
    int in[2], out[2];
    *f = (struct front){.text = ""};
    CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    fflush(stdout);
    f->pid = fork();
    if (f->pid == 0) {
        setpgid(0, 0);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[1]); /* which exec would do; and it would leave the other end of a pipe for the program */
        close(out[0]);
        fcntl(in[0], F_SETFD, 0);
        fcntl(out[1], F_SETFD, 0);
        _exit(run_gated(argv));
    }
    setpgid(f->pid, f->pid);
    close(in[0]);
    close(out[1]);
    f->in = in[1];
    f->out = out[0];
}

#define START(front, ...) start(front, (char *const[]){__VA_ARGS__, NULL})
#define REQUESTER requester_path, (char *)"/dev/null", (char *)"/dev/zero"

static void look(struct front *f)
{
    struct pollfd ready = {.fd = f->out, .events = POLLIN};
    size_t have = strlen(f->text);
    if (f->out < 0) {
        poll(NULL, 0, 5);
    } else if (poll(&ready, 1, 5) == 1) {
        ssize_t got = read(f->out, f->text + have, sizeof f->text - 1 - have);
        if (got <= 0) {
            close(f->out);
            f->out = -1;
        }
    }
    if (f->pid != 0 && waitpid(f->pid, &f->status, WNOHANG) == f->pid) f->pid = 0;
}

static bool wait_text(struct front *f, const char *text)
{
    for (int64_t until = now_ms() + BOUND_MS; now_ms() < until && strstr(f->text, text) == NULL;) look(f);
    return strstr(f->text, text) != NULL;
}

static void wait_end(struct front *f)
{
    for (int64_t until = now_ms() + BOUND_MS; now_ms() < until && f->pid != 0;) look(f);
    CHECK_THAT(f->pid == 0, "hangs after \"%s\"", f->text);
}

/* To the end of all who hold its output. */
static void finish(struct front *f)
{
    if (f->in >= 0) close(f->in);
    wait_end(f);
    for (int64_t until = now_ms() + BOUND_MS; now_ms() < until && f->out >= 0;) look(f);
    CHECK_THAT(f->out < 0, "somebody still holds the output after \"%s\"", f->text);
    if (f->pid != 0) {
        kill(-f->pid, SIGKILL);
        waitpid(f->pid, &f->status, 0);
    }
}

static void poke(const struct front *f)
{
    CHECK(write(f->in, "x", 1) == 1);
}

/* A number of /proc/PID/stat: 4 is the parent; the state's letter for 3. 0: there is no such process. */
static long stat_field(pid_t pid, int wanted)
{
    char path[64], text[1024] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    text[got > 0 ? got : 0] = 0;
    char *at = strrchr(text, ')');
    if (at == NULL) return 0;
    at += 2;
    return wanted == 3 ? *at : strtol(at + 2, NULL, 10);
}

static char state_of(pid_t pid)
{
    return (char)stat_field(pid, 3);
}

/* A child of that process, waited for. */
static pid_t child_of(pid_t parent)
{
    for (int64_t until = now_ms() + BOUND_MS; now_ms() < until; poll(NULL, 0, 2)) {
        char path[64], line[256] = "";
        snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
        FILE *file = fopen(path, "re");
        bool got = file != NULL && fgets(line, sizeof line, file) != NULL;
        if (file != NULL) fclose(file);
        if (got && strtol(line, NULL, 10) > 0) return (pid_t)strtol(line, NULL, 10);
    }
    CHECK(!"no child came");
    return 0;
}

static bool wait_gone(pid_t pid)
{
    for (int64_t until = now_ms() + BOUND_MS; now_ms() < until; poll(NULL, 0, 2)) {
        char state = state_of(pid);
        if (state == 0 || state == 'Z') return true;
    }
    return false;
}

static bool wait_state(pid_t pid, char state)
{
    for (int64_t until = now_ms() + BOUND_MS; now_ms() < until && state_of(pid) != state; poll(NULL, 0, 2)) {
    }
    return state_of(pid) == state;
}

/* ---- ends ------------------------------------------------------------------------------------------------- */

static void it_ends_as_the_program_ends(void)
{
    struct front f;
    START(&f, (char *)"sh", (char *)"-c", (char *)"echo here; exit 7");
    finish(&f);
    CHECK(WIFEXITED(f.status) && WEXITSTATUS(f.status) == 7);
    CHECK_STR(f.text, "here\n");
    const int signals[] = {SIGTERM, SIGKILL, SIGSEGV, SIGINT, SIGRTMIN + 2};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        char script[64];
        snprintf(script, sizeof script, "kill -%d $$", signals[i]);
        START(&f, (char *)"sh", (char *)"-c", script);
        finish(&f);
        CHECK_THAT(WIFSIGNALED(f.status) && WTERMSIG(f.status) == signals[i], "signal %d: status %x", signals[i],
                   (unsigned)f.status);
        CHECK(!WCOREDUMP(f.status));
    }
}

static void what_cannot_be_started_is_said(void)
{
    struct front f;
    START(&f, (char *)"/nowhere/at/all");
    finish(&f);
    CHECK_STR(f.text, "why: The program could not be started: No such file or directory. errno 2");
    CHECK(WIFEXITED(f.status) && WEXITSTATUS(f.status) == 120);
    /* Inside another gate. */
    pid_t child = fork();
    if (child == 0) {
        char *const argv[] = {(char *)"true", NULL};
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
        _exit(filter_install(false) >= 0 && run_gated(argv) == 120 ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void the_limit_holds(void)
{
    struct front f;
    START(&f, REQUESTER, (char *)"a:1:60", (char *)"a:2:50", (char *)"f:1", (char *)"a:2:100", (char *)"p",
          (char *)"a:3:1");
    finish(&f);
    CHECK_STR(f.text, "ynyyn.\n");
}

static void what_is_left_behind_is_still_limited(void)
{
    struct front f;
    START(&f, REQUESTER, (char *)"c:1", (char *)"a:1:60", (char *)"Q", (char *)"k", (char *)"O", (char *)"c:2",
          (char *)"w", (char *)"a:1:101", (char *)"a:2:100", (char *)"a:3:1");
    wait_end(&f); /* the parent has ended, so the shell goes on */
    CHECK(WIFEXITED(f.status) && WEXITSTATUS(f.status) == 0);
    poke(&f);
    finish(&f);
    CHECK_STR(f.text, "ynyn.\n"); /* and what the parent held is free again */
}

/* The program closes what it has of a pipe, so its reader is at the end, whoever stands before and behind it. */
static void a_pipe_ends_when_the_program_closes_it(void)
{
    struct front f;
    START(&f, (char *)"bash", (char *)"-c",
          (char *)"echo said; for fd in /proc/self/fd/*; do fd=${fd##*/}; [ $fd -gt 0 ] && eval \"exec $fd>&-\"; "
                  "done; read line");
    for (int64_t until = now_ms() + BOUND_MS; now_ms() < until && f.out >= 0;) look(&f);
    CHECK_THAT(f.out < 0 && f.pid != 0, "the reader still waits after \"%s\"", f.text);
    finish(&f);
    CHECK_STR(f.text, "said\n");
}

/* ---- signals ---------------------------------------------------------------------------------------------- */

static void a_signal_reaches_the_program_once(void)
{
    struct front f;
    for (int to_group = 0; to_group < 2; to_group++) {
        START(&f, (char *)"bash", (char *)"-c",
              (char *)"n=0; trap 'n=$((n+1)); echo got $n' USR1; echo ready; "
                      "while read -t 0.2 line || [ $? -gt 128 ]; do :; done; echo $n in all");
        CHECK(wait_text(&f, "ready"));
        kill(to_group ? -f.pid : f.pid, SIGUSR1);
        CHECK(wait_text(&f, "got 1"));
        kill(to_group ? -f.pid : f.pid, SIGUSR1);
        CHECK(wait_text(&f, "got 2"));
        finish(&f);
        CHECK_THAT(strstr(f.text, "2 in all") != NULL, "to %s: \"%s\"", to_group ? "the group" : "R", f.text);
    }
    START(&f, (char *)"sh", (char *)"-c", (char *)"echo ready; exec sleep 100");
    CHECK(wait_text(&f, "ready"));
    kill(f.pid, SIGTERM);
    finish(&f);
    CHECK(WIFSIGNALED(f.status) && WTERMSIG(f.status) == SIGTERM);
}

/* A shell with a terminal: Ctrl+Z, fg, and Ctrl+C. In a child, which gets a session of its own; 0: good. */
static int use_terminal(int terminal)
{
    int status = 0;
    char *const argv[] = {(char *)"cat", NULL};
    if (setsid() < 0 || ioctl(terminal, TIOCSCTTY, 0) != 0) return 1;
    signal(SIGTTOU, SIG_IGN);
    pid_t front = fork();
    if (front == 0) {
        setpgid(0, 0);
        tcsetpgrp(terminal, getpid());
        signal(SIGTTOU, SIG_DFL);
        dup2(terminal, STDIN_FILENO);
        _exit(run_gated(argv));
    }
    setpgid(front, front);
    pid_t program = child_of(child_of(front));
    char byte = 'r';
    if (write(STDOUT_FILENO, &byte, 1) != 1 || waitpid(front, &status, WUNTRACED) != front || !WIFSTOPPED(status) ||
        WSTOPSIG(status) != SIGTSTP || state_of(program) != 'T')
        return 2;
    tcsetpgrp(terminal, front);
    kill(-front, SIGCONT);
    if (!wait_state(program, 'S') || !wait_state(front, 'S')) return 3;
    kill(front, SIGTSTP); /* to R alone */
    if (waitpid(front, &status, WUNTRACED) != front || !WIFSTOPPED(status) || !wait_state(program, 'T')) return 4;
    kill(front, SIGCONT);
    if (!wait_state(program, 'S')) return 5;
    byte = 'c';
    if (write(STDOUT_FILENO, &byte, 1) != 1 || waitpid(front, &status, 0) != front || !WIFSIGNALED(status)) return 6;
    return WTERMSIG(status) == SIGINT ? 0 : 7;
}

static bool wait_byte(int fd, char wanted)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char byte = 0;
    return poll(&ready, 1, BOUND_MS) == 1 && read(fd, &byte, 1) == 1 && byte == wanted;
}

static void job_control_works(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), out[2], status = -1;
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
        printf("no pseudo terminal: %s\n", strerror(errno));
        return;
    }
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(pipe2(out, O_CLOEXEC) == 0 && terminal >= 0);
    fflush(stdout);
    pid_t shell = fork();
    if (shell == 0) {
        dup2(out[1], STDOUT_FILENO);
        alarm(3 * BOUND_MS / 1000); /* of several waits */
        _exit(use_terminal(terminal));
    }
    close(out[1]);
    CHECK(wait_byte(out[0], 'r'));
    CHECK(write(master, "\x1a", 1) == 1);
    CHECK(wait_byte(out[0], 'c'));
    CHECK(write(master, "\x03", 1) == 1);
    CHECK(waitpid(shell, &status, 0) == shell);
    CHECK_THAT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "step %x", (unsigned)status);
    close(out[0]);
    close(terminal);
    close(master);
}

/* ---- who may be killed ------------------------------------------------------------------------------------ */

static void the_front_is_killed(void)
{
    struct front f;
    START(&f, REQUESTER, (char *)"a:1:60", (char *)"w", (char *)"a:2:1");
    CHECK(wait_text(&f, "y"));
    pid_t supervisor = child_of(f.pid), program = child_of(supervisor);
    kill(f.pid, SIGKILL);
    CHECK(wait_gone(program));
    CHECK(wait_gone(supervisor));
    finish(&f);
    CHECK_STR(f.text, "y");
}

static void the_supervisor_is_killed(void)
{
    struct front f;
    START(&f, REQUESTER, (char *)"a:1:60", (char *)"w", (char *)"a:2:1", (char *)"w", (char *)"T", (char *)"f:1");
    CHECK(wait_text(&f, "y"));
    pid_t supervisor = child_of(f.pid), program = child_of(supervisor);
    kill(supervisor, SIGKILL);
    CHECK(wait_gone(supervisor));
    poke(&f);
    CHECK(wait_text(&f, "yE38")); /* ENOSYS: no new memory */
    CHECK_EQ(stat_field(program, 4), f.pid);
    kill(f.pid, SIGCONT); /* passed on by R itself now; it does nothing to one that runs */
    poke(&f);
    finish(&f);
    CHECK_STR(f.text, "yE38terminal!E38.\n");
    CHECK(WIFEXITED(f.status) && WEXITSTATUS(f.status) == 0);
    START(&f, (char *)"sh", (char *)"-c", (char *)"echo ready; exec sleep 100");
    CHECK(wait_text(&f, "ready"));
    supervisor = child_of(f.pid);
    kill(supervisor, SIGKILL);
    CHECK(wait_gone(supervisor));
    kill(f.pid, SIGTERM);
    finish(&f);
    CHECK(WIFSIGNALED(f.status) && WTERMSIG(f.status) == SIGTERM);
}

static void any_of_them_at_any_moment(void)
{
    for (int round = 0; round < 60; round++) {
        struct front f;
        START(&f, REQUESTER, (char *)"r", (char *)"p", (char *)"D:100:2:10000");
        pid_t front = f.pid, supervisor = child_of(front);
        pid_t program = round % 2 == 0 ? child_of(supervisor) : 0;
        for (int64_t until = now_ms() + round % 7; now_ms() < until;) look(&f);
        kill(round % 3 == 1 ? supervisor : round % 3 == 2 && program > 0 ? program : front, SIGKILL);
        for (int64_t until = now_ms() + 5; now_ms() < until;) look(&f);
        kill(-front, SIGKILL); /* the rest, all in one group */
        CHECK(wait_gone(supervisor));
        finish(&f);
        if (check_failures_here > 0) {
            printf("round %d\n", round);
            return;
        }
    }
}

/* Who is limited reads neither the count nor the memory of who counts. As root there is nobody to keep out. */
static void the_supervisor_is_not_to_be_attached_to(void)
{
    struct front f;
    struct stat status;
    char path[64];
    START(&f, REQUESTER, (char *)"a:1:60", (char *)"w");
    CHECK(wait_text(&f, "y"));
    pid_t supervisor = child_of(f.pid);
    snprintf(path, sizeof path, "/proc/%d/mem", (int)supervisor);
    CHECK(stat(path, &status) == 0 && status.st_uid == 0);
    CHECK(geteuid() == 0 || (open(path, O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES));
    finish(&f);
}

/* ---- main ------------------------------------------------------------------------------------------------- */

static void the_host_can_or_says_why(void)
{
    char why[PROBE_WHY_BYTES];
    CHECK_THAT(gate_probe(why), "%s", why);
    CHECK_STR(why, "");
    pid_t child = fork();
    if (child == 0) {
        bool good = filter_install(false) >= 0 && !gate_probe(why) && strstr(why, "one such filter") != NULL;
        _exit(good ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void run_all(void)
{
    RUN(the_host_can_or_says_why);
    RUN(it_ends_as_the_program_ends);
    RUN(what_cannot_be_started_is_said);
    RUN(the_limit_holds);
    RUN(what_is_left_behind_is_still_limited);
    RUN(a_pipe_ends_when_the_program_closes_it);
    RUN(a_signal_reaches_the_program_once);
    RUN(job_control_works);
    RUN(the_front_is_killed);
    RUN(the_supervisor_is_killed);
    RUN(any_of_them_at_any_moment);
    RUN(the_supervisor_is_not_to_be_attached_to);
}

static void as_nobody(void)
{
    fflush(stdout);
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
        if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0 || access(requester, X_OK) != 0) {
            printf("not as nobody: %s\n", strerror(errno));
            exit(0);
        }
        check_failures = 0;
        run_all();
        exit(check_done());
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    char command[1024], why[PROBE_WHY_BYTES];
    signal(SIGPIPE, SIG_IGN);
    if (!gate_probe(why)) check_skip(why);
    snprintf(command, sizeof command,
             "gcc -std=gnu11 -O1 -Wall -Wextra -Werror -Itest/agent test/agent/gate_requester.c -o %s -lpthread 2>&1",
             requester);
    if (system(command) != 0 || realpath(requester, requester_path) == NULL) return 1;
    run_all();
    if (geteuid() == 0) RUN(as_nobody);
    return check_done();
}
