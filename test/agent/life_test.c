/* Who is alive, as the kernel tells it: entries under a lock, from this and from other PID namespaces, and entries
 * without one. Real processes, a real file.
 * build: agent/common/admit.c agent/common/proc_stat.c agent/common/life.c agent/common/host_clock.c agent/common/region_file.c
 * sanitize: address,undefined */
#include "admit.h"
#include "check.h"
#include "region_fixture.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static struct fixture fixture;
static struct fixture_slice slice;
static struct life_place place;

static void setup(void)
{
    fixture_open(&fixture, "");
    fixture_slice(&fixture, &slice, 1, UINT64_C(1) << 30, 10000);
    place = slice.place;
    place.pid_namespace = life_pid_namespace();
}

static void teardown(void)
{
    region_usage_unmap(slice.usage);
    region_policy_unmap(slice.policy);
    fixture_close(&fixture);
}

static bool without_input; /* the child has no standard input, and the next descriptor is 0 */

/* A child that claims an entry with some bytes, says so, and then does `then`. */
static pid_t tenant(void (*then)(void), uint64_t bytes)
{
    int said[2];
    char word;
    CHECK_EQ(pipe(said), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct region_entry *own;
        void *kept;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (without_input) close(STDIN_FILENO);
        struct life_place mine = place;
        mine.pid_namespace = life_pid_namespace();
        uint64_t token = admit_token((uint32_t)getpid(), admit_start_ticks((uint32_t)getpid()));
        if (admit_claim(&mine, token, 1, &own, &kept) != 0 || kept == NULL) _exit(1);
        if (without_input && fcntl(STDIN_FILENO, F_GETFD) != -1) _exit(1);
        atomic_store(&own->memory_bytes, bytes);
        if (write(said[1], "x", 1) != 1) _exit(1);
        then();
        for (;;) pause();
    }
    close(said[1]);
    CHECK_EQ(read(said[0], &word, 1), 1);
    close(said[0]);
    return pid;
}

static void nothing(void)
{
}

static void close_all(void)
{
    syscall(SYS_close_range, 0, ~0u, 0);
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void a_lock_lives_as_long_as_its_process(void)
{
    setup();
    pid_t first = tenant(nothing, 100);
    pid_t second = tenant(close_all, 200);
    CHECK_EQ(admit_reap(&place), 0);
    CHECK_EQ(admit_used(place.usage), 300);
    CHECK((atomic_load(&place.usage->entries[0].flags) & REGION_ENTRY_LOCKED) != 0);
    end(second);
    CHECK_EQ(admit_reap(&place), 1);
    CHECK_EQ(admit_used(place.usage), 100);
    end(first);
    CHECK_EQ(admit_reap(&place), 1);
    teardown();
}

static void one_without_input_has_a_lock_too(void)
{
    setup();
    without_input = true;
    pid_t pid = tenant(nothing, 4096);
    without_input = false;
    CHECK((atomic_load(&slice.usage->entries[0].flags) & REGION_ENTRY_LOCKED) != 0);
    CHECK_EQ(admit_reap(&place), 0);
    end(pid);
    CHECK_EQ(admit_reap(&place), 1);
    teardown();
}

/* A forked child that lives on is not its parent's life. */
static void fork_and_stay(void)
{
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, 0);
        for (int second = 0; second < 60; second++) sleep(1);
        _exit(0);
    }
}

static void a_child_does_not_keep_its_parent_alive(void)
{
    setup();
    pid_t parent = tenant(fork_and_stay, 100);
    char path[64], text[64] = "";
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)parent, (long)parent);
    for (int tick = 0; tick < 500 && text[0] == 0; tick++) { /* until it has forked; a bounded wait */
        int fd = open(path, O_RDONLY);
        ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
        text[got > 0 ? got : 0] = 0;
        close(fd);
        usleep(10000);
    }
    pid_t child = (pid_t)atol(text);
    CHECK(child > 0);
    end(parent);
    CHECK_EQ(admit_reap(&place), 1);
    kill(child, SIGKILL);
    teardown();
}

static void an_own_entry_is_taken_back(void)
{
    struct region_entry *own, *again;
    void *kept;
    setup();
    uint64_t token = admit_token((uint32_t)getpid(), admit_start_ticks((uint32_t)getpid()));
    CHECK_EQ(admit_claim(&place, token, 1, &own, &kept), 0);
    CHECK(admit_reserve(slice.policy, &place, own, 1000));
    CHECK_EQ(admit_reap(&place), 0); /* also where the lock is our own */
    atomic_store(&own->token, 0);
    CHECK(admit_own_again(own, token, kept));
    CHECK_EQ(admit_used(place.usage), 1000);
    atomic_store(&own->token, UINT64_C(12345)); /* somebody wrote into it */
    CHECK(admit_own_again(own, token, kept));
    CHECK_EQ(admit_used(place.usage), 1000);
    /* The place of a lock that is held is nobody else's, whatever the token says. */
    atomic_store(&own->token, 0);
    struct region_entry *other;
    void *other_kept;
    CHECK_EQ(admit_claim(&place, token + 1, 1, &other, &other_kept), 0);
    CHECK(other != own);
    admit_leave(other, token + 1, other_kept);
    CHECK(admit_own_again(own, token, kept));
    admit_leave(own, token, kept);
    CHECK_EQ(admit_claim(&place, token, 1, &again, &kept), 0);
    admit_leave(again, token, kept);
    teardown();
}

/* Entries without a lock are judged by those of their own PID namespace, and by nobody else. */
static void a_foreign_pid_is_not_judged(void)
{
    setup();
    struct region_entry *foreign = &place.usage->entries[0];
    atomic_store(&place.usage->entries_high, 2);
    atomic_store(&foreign->token, UINT64_C(0x7f000000)); /* no such process here */
    atomic_store(&foreign->pid_namespace, place.pid_namespace + 1);
    struct region_entry *dead = &place.usage->entries[1];
    atomic_store(&dead->token, UINT64_C(0x7f000001));
    atomic_store(&dead->pid_namespace, place.pid_namespace);
    /* One who is being born: what stands beside the token is the last one's, but the lock is held. */
    struct region_entry *born = &place.usage->entries[2];
    int fd = life_open(place.path, &place.file);
    CHECK(fd >= 0);
    CHECK_EQ(life_lock(fd, 2), 1);
    atomic_store(&place.usage->entries_high, 3);
    atomic_store(&born->token, REGION_CLAIMING | UINT64_C(0x7f000001));
    atomic_store(&born->pid_namespace, place.pid_namespace);
    CHECK_EQ(admit_reap(&place), 1);
    CHECK(atomic_load(&born->token) != 0);
    close(fd);
    CHECK_EQ(admit_reap(&place), 1);
    CHECK_EQ(atomic_load(&born->token), 0);
    CHECK(atomic_load(&foreign->token) != 0);
    CHECK_EQ(atomic_load(&dead->token), 0);
    teardown();
}

/* Inside a PID namespace of its own a process is alive for those outside, and they are for it, though neither finds the
 * other's pid. */
static void other_namespaces_judge_alike(void)
{
    setup();
    pid_t outside = tenant(nothing, 100);
    pid_t holder = fork();
    if (holder == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) _exit(77);
        (void)tenant(nothing, 200);
        place.pid_namespace = 0;
        int status = admit_reap(&place) == 0 && admit_used(place.usage) == 300 ? 0 : 1;
        if (status != 0) _exit(status);
        for (;;) pause();
    }
    int status = 0;
    for (int tick = 0; tick < 1000 && admit_used(place.usage) != 300; tick++) { /* a bounded wait */
        if (waitpid(holder, &status, WNOHANG) == holder) break;
        usleep(10000);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        printf("     no PID namespaces here (%s): other_namespaces_judge_alike did not run\n", "unshare refused");
    } else {
        CHECK_EQ(admit_used(place.usage), 300);
        CHECK_EQ(admit_reap(&place), 0);
        CHECK_EQ(admit_used(place.usage), 300);
        end(holder); /* and with it, by its death signal, the init of the namespace */
        for (int tick = 0; tick < 500 && admit_used(place.usage) != 100; tick++) {
            (void)admit_reap(&place);
            usleep(10000);
        }
        CHECK_EQ(admit_used(place.usage), 100);
    }
    end(outside);
    teardown();
}

int main(void)
{
    RUN(a_lock_lives_as_long_as_its_process);
    RUN(one_without_input_has_a_lock_too);
    RUN(a_child_does_not_keep_its_parent_alive);
    RUN(an_own_entry_is_taken_back);
    RUN(a_foreign_pid_is_not_judged);
    RUN(other_namespaces_judge_alike);
    return check_done();
}
