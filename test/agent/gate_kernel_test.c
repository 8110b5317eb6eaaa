/* The gate against the real kernel: a program behind the real filter asks a stand-in for the driver's device, and this
 * process is its supervisor. /dev/null stands for the control device and /dev/zero for a GPU, because they open for
 * everybody and answer every such request with ENOTTY, which the requester takes for success.
 *
 * All of it twice where this runs as root: as root, and as nobody, who may do no more than a user may. The requester is
 * compiled here, once as usual and once statically linked.
 * build: agent/gate/rm_abi.c agent/gate/rm_book.c agent/gate/filter.c agent/gate/asker.c agent/gate/supervisor.c agent/gate/tally.c agent/gate/judge.c agent/gate/hand_over.c
 * sanitize: address,undefined */
#include "check.h"
#include "filter.h"
#include "hand_over.h"
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
/* Nothing here takes a second on an idle machine; what takes this long hangs. */
#define BOUND_MS 10000
#define WORDS_MAX 40
#define NOBODY 65534

static const struct gate_devices stand_ins = {
    .major_number = 1, .control_minor = 3, .managed_major = 1, .managed_minor = 5};
static const char *requester;

struct gated {
    pid_t pid; /* 0: it has ended, as `status` says */
    int status;
    int in, out;
    char text[4096];
    struct supervisor *supervisor;
    bool is_alone; /* nobody is behind the filter any more */
    uint64_t limit_bytes;
    uint64_t published_bytes, publish_limit_bytes; /* of a ledger shared with others; 0: there is none */
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static uint64_t limit_of(void *context)
{
    return ((struct gated *)context)->limit_bytes;
}

static bool publish(void *context, const struct supervisor *supervisor, pid_t asker, uint64_t before, uint64_t after)
{
    struct gated *g = context;
    (void)supervisor;
    CHECK_EQ(before, g->published_bytes);
    CHECK(after < before || asker > 0); /* who asks for more is known */
    if (after > before && g->publish_limit_bytes != 0 && after > g->publish_limit_bytes) return false;
    g->published_bytes = after;
    return true;
}

/* Words in one string, separated by spaces. */
static void start_at(struct gated *g, const struct gate_devices *devices, uint64_t limit_mib, const char *words)
{
    static char copy[1024];
    char *argv[WORDS_MAX] = {(char *)requester, (char *)"/dev/null", (char *)"/dev/zero"};
    int pair[2], in[2], out[2], count = 3;
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok(copy, " "); word != NULL && count < WORDS_MAX - 1; word = strtok(NULL, " "))
        argv[count++] = word;
    *g = (struct gated){.limit_bytes = limit_mib == 0 ? GATE_NO_LIMIT : limit_mib * MIB};
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    g->pid = fork();
    if (g->pid == 0) {
        int listener = filter_install(false);
        if (listener < 0) _exit(100 - listener);
        hand_over(pair[1], 0, listener);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execv(requester, argv);
        _exit(98);
    }
    close(pair[1]);
    close(in[0]);
    close(out[1]);
    g->in = in[1];
    g->out = out[0];
    int listener = -1, number;
    take_over(pair[0], BOUND_MS, &number, &listener);
    close(pair[0]);
    struct gate_policy policy = {.context = g, .limit_bytes = limit_of, .publish = publish};
    g->supervisor = listener < 0 ? NULL : supervisor_new(listener, devices, &policy);
    CHECK(g->supervisor != NULL);
}

static void start(struct gated *g, uint64_t limit_mib, const char *words)
{
    start_at(g, &stand_ins, limit_mib, words);
}

static void take_output(struct gated *g)
{
    size_t have = strlen(g->text);
    ssize_t got = read(g->out, g->text + have, sizeof g->text - 1 - have);
    if (got <= 0) {
        close(g->out);
        g->out = -1;
    }
}

/* One look at everything that may have happened. */
static void pump(struct gated *g)
{
    struct pollfd ready[1 + SUPERVISOR_FDS] = {{.fd = g->out, .events = POLLIN}};
    nfds_t count = supervisor_watch(g->supervisor, ready + 1);
    poll(ready, 1 + count, 5);
    g->is_alone = !supervisor_turn(g->supervisor, ready + 1, count);
    if (ready[0].revents != 0 && g->out >= 0) take_output(g);
    int status;
    for (pid_t ended = waitpid(-1, &status, WNOHANG); ended > 0; ended = waitpid(-1, &status, WNOHANG)) {
        if (ended == g->pid) {
            g->pid = 0;
            g->status = status;
        }
    }
}

static bool wait_text(struct gated *g, const char *text)
{
    for (int64_t until = now_ms() + BOUND_MS; now_ms() < until;) {
        if (strstr(g->text, text) != NULL) return true;
        pump(g);
    }
    printf("it said only \"%s\", not \"%s\"\n", g->text, text);
    return false;
}

static uint64_t live(const struct gated *g)
{
    struct gate_figures figures;
    supervisor_read_figures(g->supervisor, &figures);
    return figures.live_bytes / MIB;
}

static bool wait_live(struct gated *g, uint64_t mib)
{
    for (int64_t until = now_ms() + BOUND_MS; now_ms() < until && live(g) != mib;) pump(g);
    return live(g) == mib;
}

static void poke(const struct gated *g)
{
    CHECK(write(g->in, "x", 1) == 1);
}

/* To the end of all that is behind the filter; then nothing may be left charged. */
static struct gate_figures finish(struct gated *g)
{
    struct gate_figures figures;
    if (g->in >= 0) {
        close(g->in);
        g->in = -1;
    }
    for (int64_t until = now_ms() + BOUND_MS; now_ms() < until && (g->pid != 0 || g->out >= 0 || !g->is_alone);)
        pump(g);
    CHECK_THAT(g->pid == 0 && g->is_alone, "hangs after \"%s\"", g->text);
    if (g->pid != 0) {
        kill(g->pid, SIGKILL);
        waitpid(g->pid, &g->status, 0);
    }
    supervisor_read_figures(g->supervisor, &figures);
    CHECK_EQ(figures.live_bytes, 0);
    CHECK_EQ(figures.processes, 0);
    CHECK_EQ(figures.objects, 0);
    CHECK_EQ(g->published_bytes, 0);
    CHECK(figures.peak_bytes <= g->limit_bytes);
    supervisor_delete(g->supervisor);
    return figures;
}

/* A program from its start to its end says this. */
static struct gate_figures run(uint64_t limit_mib, const char *words, const char *expected)
{
    struct gated g;
    start(&g, limit_mib, words);
    struct gate_figures figures = finish(&g);
    CHECK_STR(g.text, expected);
    CHECK(WIFEXITED(g.status) && WEXITSTATUS(g.status) == 0);
    return figures;
}

/* ---- what is counted -------------------------------------------------------------------------------------- */

static void a_limit_holds_to_the_byte(void)
{
    struct gate_figures figures = run(100, "a:1:60 a:2:50 a:2:40 a:3:1 f:1 a:4:60 a:5:1 f:0 a:6:100", "ynynyynyy.\n");
    CHECK_EQ(figures.peak_bytes, 100 * MIB);
    CHECK_EQ(figures.denied, 3);
}

static void every_way_to_ask_counts(void)
{
    for (const char *way = "aAtxh"; *way != 0; way++) {
        char words[128];
        snprintf(words, sizeof words, "%c:1:60 %c:2:41 a:3:41 a:3:40 %c:4:1 H:3 %c:4:40 f:1 %c:5:60", *way, *way, *way,
                 *way, *way);
        struct gate_figures figures = run(100, words, "ynnynyyyy.\n");
        CHECK_THAT(figures.denied == 3, "way %c", *way);
    }
}

static void the_old_way_is_let_go(void)
{
    struct gate_figures figures = run(100, "m:1:4096 a:2:100 f:1 a:3:1", "yyyn.\n");
    CHECK_EQ(figures.peak_bytes, 100 * MIB);
}

static void managed_memory_counts(void)
{
    struct gate_figures figures = run(100, "a:1:60 v:1:41 v:1:40 a:2:1 U:1 a:2:40", "ynyny.\n");
    CHECK_EQ(figures.peak_bytes, 100 * MIB);
    CHECK_EQ(figures.denied, 2);
    run(100, "v:1:60 v:2:60 U:1 v:2:60 W:3:41 W:3:40 v:4:1", "ynynyn.\n");
    /* By another program, by a child, and of a program that ended. */
    run(100, "v:1:60 e v:2:60 p v:3:60 v:3:40", "yyny.\n");
    run(100, "v:1:60 U:1 Z:2:200 v:3:100 a:1:1", "yyyn.\n");
    /* Whoever hides has asked before, or has nothing to hide. */
    run(100, "Z:1:10 a:1:10 n v:2:10", geteuid() == 0 ? "yyy.\n" : "yyE1.\n");
}

/* Unmapped without a word: a look finds out. */
static void managed_memory_that_is_gone_is_missed(void)
{
    struct gated g;
    start(&g, 100, "v:1:60 v:2:20 w U:1 w");
    CHECK(wait_text(&g, "yy"));
    CHECK(wait_live(&g, 80));
    poke(&g);
    for (int64_t until = now_ms() + BOUND_MS; now_ms() < until && live(&g) != 20;) {
        pump(&g);
        CHECK(supervisor_look(g.supervisor));
    }
    CHECK_EQ(live(&g), 20);
    poke(&g);
    finish(&g);
    CHECK_STR(g.text, "yy.\n");
}

static void calls_of_32_bit_programs_count(void)
{
#if defined(__x86_64__)
    struct gated g;
    start(&g, 0, "i:1:60");
    finish(&g);
    if (strcmp(g.text, "y.\n") != 0) {
        printf("32-bit calls cannot be made on this kernel (%s)\n", g.text);
        return;
    }
    run(100, "i:1:60 a:2:41 i:2:41 i:3:40 a:4:1", "ynnyn.\n");
#endif
}

static void trees_and_second_names(void)
{
    run(100, "r o:7 b:8:7:60 a:9:50 f:7 a:9:50", "yyynyy.\n");
    run(100, "a:1:60 d:2:1 f:1 a:3:60 f:2 a:3:60", "yyynyy.\n");
    run(100, "c:1 a:1:60 c:2 a:1:60 c:1 f:0 c:2 a:1:60", "ynyy.\n");
}

static void what_no_driver_takes_is_refused(void)
{
    struct gate_figures figures =
        run(100, "s:0x2b:0x46:40 s:0x4a:0x78:8 s:0x29:0x46:0 s:0x2a:0x46:32 s:0xd3:0x46:8", "E22E22E22yE22.\n");
    CHECK_EQ(figures.unknown, 4);
    CHECK_EQ(figures.reported, 4);
}

static void frees_that_the_driver_refuses_credit_nothing(void)
{
    run(100, "a:1:60 g:1 a:2:60", "yyn.\n");
    /* Of another process, which has another file. */
    struct gated g;
    start(&g, 100, "c:1 a:1:60 p k O f:1 f:0 a:2:60");
    finish(&g);
    CHECK_STR(g.text, "yyyn.\n");
}

static void a_limit_changes_while_it_runs(void)
{
    struct gated g;
    start(&g, 100, "a:1:80 w a:2:10 f:1 a:2:41 a:2:40 w a:3:100 w");
    CHECK(wait_text(&g, "y"));
    g.limit_bytes = 40 * MIB;
    poke(&g);
    CHECK(wait_text(&g, "ynyny"));
    CHECK_EQ(live(&g), 40);
    g.limit_bytes = 140 * MIB;
    poke(&g);
    CHECK(wait_text(&g, "ynynyy"));
    CHECK_EQ(live(&g), 140);
    finish(&g);
}

static void a_shared_ledger_has_a_say(void)
{
    struct gated g;
    start(&g, 100, "a:1:30 w a:2:30 a:2:20 f:1 a:3:30 w");
    CHECK(wait_text(&g, "y"));
    g.publish_limit_bytes = 50 * MIB;
    poke(&g);
    CHECK(wait_text(&g, "ynyyy"));
    CHECK_EQ(g.published_bytes, 50 * MIB);
    CHECK_EQ(live(&g), 50);
    finish(&g);
}

/* ---- processes -------------------------------------------------------------------------------------------- */

static void children_count_and_end_alone(void)
{
    struct gated g;
    start(&g, 100, "c:1 a:1:60 p k O c:2 a:1:41 a:2:40 w");
    CHECK(wait_text(&g, "yny"));
    CHECK_EQ(live(&g), 100);
    uint64_t bytes;
    CHECK(supervisor_bytes_of(g.supervisor, g.pid, &bytes));
    CHECK_EQ(bytes, 60 * MIB);
    /* The parent is killed: its child closed the file that it had from it. */
    kill(g.pid, SIGKILL);
    CHECK(wait_live(&g, 40));
    finish(&g);
}

static void a_child_that_keeps_the_file_keeps_the_memory(void)
{
    struct gated g;
    start(&g, 100, "a:1:60 q a:2:10 w");
    CHECK(wait_text(&g, "yy"));
    pid_t parent = g.pid;
    kill(parent, SIGKILL);
    for (int64_t until = now_ms() + BOUND_MS; now_ms() < until && g.pid != 0;) pump(&g);
    for (int i = 0; i < 10; i++) pump(&g);
    CHECK_EQ(live(&g), 70);
    finish(&g); /* ends the child by its stdin */
}

static void another_program_begins_anew(void)
{
    run(100, "r a:1:60 e r a:11:60 a:2:40 a:3:1", "yyyyyn.\n");
}

/* There it is number 1, and somebody else as far as names go; to its supervisor it is who it was. */
static void another_namespace_is_no_way_out(void)
{
    struct gated g;
    start(&g, 100, "u p a:1:60 a:2:60 f:1 a:2:60 w a:3:60");
    for (int64_t until = now_ms() + BOUND_MS; now_ms() < until && strlen(g.text) < 4;) pump(&g);
    if (strstr(g.text, "no namespace") != NULL) {
        printf("no namespaces of users here\n");
    } else {
        CHECK_STR(g.text, "ynyy");
        CHECK_EQ(live(&g), 60);
    }
    finish(&g);
}

static void files_that_were_closed_hold_nothing(void)
{
    run(100, "a:1:60 k O a:2:41", "yn.\n"); /* it has one again, and who can tell which */
    struct gated g;
    start(&g, 100, "c:1 a:1:60 k p O c:2 a:1:60");
    finish(&g);
    CHECK_STR(g.text, "yy.\n");
}

static void threads_never_hold_more_together(void)
{
    struct gate_figures figures = run(100, "D:100:8:700", "[full both].\n");
    CHECK(figures.peak_bytes > 50 * MIB);
    CHECK(figures.denied > 0 && figures.reported > 200);
    figures = run(100, "S D:100:4:500", "[full both].\n"); /* signals take requests back in the middle */
    CHECK(figures.denied > 0);
}

static void the_dead_hold_nothing(void)
{
    for (int round = 0; round < 40; round++) {
        struct gated g;
        struct timespec span = {0, (round % 10) * 1000000L};
        start(&g, 64, "r p c:2 D:64:4:20000");
        int64_t until = now_ms() + BOUND_MS;
        while (live(&g) == 0 && now_ms() < until) pump(&g);
        int64_t kill_at = now_ms() + span.tv_nsec / 1000000;
        while (now_ms() < kill_at) pump(&g);
        kill(g.pid, SIGKILL);
        /* Its child is ours now; whoever is left behind the filter is killed in the middle as well. */
        char path[64], line[512];
        snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
        while (!g.is_alone && now_ms() < until) {
            FILE *children = fopen(path, "re");
            pid_t child = 0;
            if (children != NULL && fgets(line, sizeof line, children) != NULL)
                for (char *at = line; (child = (pid_t)strtol(at, &at, 10)) > 0;) kill(child, SIGKILL);
            if (children != NULL) fclose(children);
            pump(&g);
        }
        finish(&g);
        if (check_failures_here > 0) return;
    }
}

/* A thread exchanges the size while another one asks. What comes of it is the driver's to know (docs/gate.md, races);
 * here: nobody hangs, and nothing stays charged. */
static void a_race_for_the_arguments_ends(void)
{
    struct gated g;
    start(&g, 100, "R:500 f:0");
    struct gate_figures figures = finish(&g);
    CHECK_STR(g.text, "[raced]y.\n");
    CHECK(figures.reported > 100);
}

/* ---- what is none of its business ------------------------------------------------------------------------- */

/* The same numbers asked of devices that are not the driver's go on, whatever they carry; a terminal takes settings. */
static void other_devices_answer_as_ever(void)
{
    struct gated g;
    const struct gate_devices driver = GATE_DEVICES_NVIDIA;
    start_at(&g, &driver, 1, "s:0x29:0x54:0 s:0x2b:0x46:48 s:0x2b:0x46:4 s:0x4a:0x64:184 s:0xd3:0x46:16 a:1:50 T");
    struct gate_figures figures = finish(&g);
    CHECK_STR(g.text, "yyyyyyy.\n");
    CHECK_EQ(figures.elsewhere, 7);
    CHECK_EQ(figures.reported, 7);
    figures = run(1, "T s:0x2a:0x46:32 a:1:2", "yyn.\n");
    CHECK_EQ(figures.elsewhere, 1);
    CHECK_EQ(figures.reported, 2);
}

static void who_cannot_be_read_is_refused_that_alone(void)
{
    if (geteuid() == 0) {
        run(100, "n a:1:60 a:2:60", "yn.\n"); /* root reads everybody */
        return;
    }
    struct gate_figures figures =
        run(100, "a:1:10 n a:2:10 t:2:10 f:1 s:0x29:0x54:0 s:0x2b:0x54:44 T", "yE1E1E1yyy.\n");
    CHECK_EQ(figures.unreadable, 3);
}

static void a_second_listener_is_refused_in_words(void)
{
    pid_t child = fork();
    if (child == 0) {
        int first = filter_install(false), second = filter_install(false);
        _exit(first >= 0 && second == -EBUSY && strstr(filter_refusal(-second), "one such filter") != NULL ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(strstr(filter_refusal(ENOSYS), "5.5") != NULL);
}

/* A program without the dynamic loader, so without any preloaded library. */
static void a_static_program_counts(void)
{
    const char *usual = requester;
    requester = "build/test-native/gate_requester.static";
    if (access(requester, X_OK) == 0) {
        run(100, "a:1:60 h:2:50 x:2:40 f:1 a:4:60", "ynyyy.\n");
        run(100, "D:100:8:300", "[full both].\n");
    } else {
        printf("no static program: there is no libc.a here\n");
    }
    requester = usual;
}

/* ---- main ------------------------------------------------------------------------------------------------- */

static void run_all(void)
{
    RUN(a_limit_holds_to_the_byte);
    RUN(every_way_to_ask_counts);
    RUN(the_old_way_is_let_go);
    RUN(managed_memory_counts);
    RUN(managed_memory_that_is_gone_is_missed);
    RUN(calls_of_32_bit_programs_count);
    RUN(trees_and_second_names);
    RUN(what_no_driver_takes_is_refused);
    RUN(frees_that_the_driver_refuses_credit_nothing);
    RUN(a_limit_changes_while_it_runs);
    RUN(a_shared_ledger_has_a_say);
    RUN(children_count_and_end_alone);
    RUN(a_child_that_keeps_the_file_keeps_the_memory);
    RUN(another_program_begins_anew);
    RUN(another_namespace_is_no_way_out);
    RUN(files_that_were_closed_hold_nothing);
    RUN(threads_never_hold_more_together);
    RUN(the_dead_hold_nothing);
    RUN(a_race_for_the_arguments_ends);
    RUN(other_devices_answer_as_ever);
    RUN(who_cannot_be_read_is_refused_that_alone);
    RUN(a_second_listener_is_refused_in_words);
    RUN(a_static_program_counts);
}

/* In a child, so that a filter never comes on this process. 0, or the errno. */
static int try_filter(void)
{
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
        int listener = filter_install(false);
        _exit(listener < 0 ? -listener : 0);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

static void as_nobody(void)
{
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
        if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0 || access(requester, X_OK) != 0) {
            printf("not as nobody: %s\n", strerror(errno));
            exit(0);
        }
        check_failures = 0;
        prctl(PR_SET_CHILD_SUBREAPER, 1); /* which fork does not hand on */
        run_all();
        exit(check_done());
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int compile(const char *more, const char *out)
{
    char command[512];
    snprintf(command, sizeof command,
             "gcc -std=gnu11 -O1 -Wall -Wextra -Werror -Itest/agent %s "
             "test/agent/gate_requester.c -o %s -lpthread 2>&1",
             more, out);
    return system(command);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    int error = try_filter();
    if (error != 0) check_skip(filter_refusal(error));
    requester = "build/test-native/gate_requester";
    if (compile("", requester) != 0) return 1;
    unlink("build/test-native/gate_requester.static");
    if (compile("-static", "build/test-native/gate_requester.static") != 0)
        unlink("build/test-native/gate_requester.static");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    run_all();
    if (geteuid() == 0) RUN(as_nobody);
    return check_done();
}
