#include "probe.h"

#include "filter.h"
#include "hand_over.h"
#include "rm_abi.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_USER_NOTIF_FLAG_CONTINUE
#define SECCOMP_USER_NOTIF_FLAG_CONTINUE 1u
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* What the child asks with: no descriptor, a number that is reported, and a word that is looked for in its memory. */
#define PROBE_FD (-1)
#define PROBE_COMMAND (0x4600u | RM_NUMBER_FREE)
#define PROBE_WORD 0x7472616eu

static void child(int socket)
{
    uint32_t word = PROBE_WORD;
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* as any program is after exec, whatever its parent is */
    int listener = filter_install(false);
    if (hand_over(socket, listener < 0 ? -listener : 0, listener) != 0 || listener < 0) _exit(1);
    close(listener);
    bool went_on = ioctl(PROBE_FD, PROBE_COMMAND, &word) != 0 && errno == EBADF;
    bool was_answered = ioctl(PROBE_FD, PROBE_COMMAND, &word) == 0;
    _exit(went_on && was_answered ? 0 : 1);
}

static bool say(char why[PROBE_WHY_BYTES], const char *sentence)
{
    snprintf(why, PROBE_WHY_BYTES, "%s", sentence);
    return false;
}

/* Yama may allow reading to nobody, or to root. */
static bool say_unreadable(char why[PROBE_WHY_BYTES], int error)
{
    char scope = 0;
    int fd = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        scope = read(fd, &scope, 1) == 1 ? scope : 0;
        close(fd);
    }
    if (scope > '1') {
        snprintf(
            why, PROBE_WHY_BYTES,
            "No process may read the memory of its own children here (kernel.yama.ptrace_scope is %c; 1 is enough).",
            scope);
    } else {
        snprintf(why, PROBE_WHY_BYTES, "The memory of a child cannot be read here: %s.", strerror(error));
    }
    return false;
}

/* Takes one report, reads what it points at, and answers. */
static bool answer_one(int listener, uint32_t flags, char why[PROBE_WHY_BYTES])
{
    union {
        struct seccomp_notif notice;
        uint8_t room[1024];
    } report = {.room = {0}};
    union {
        struct seccomp_notif_resp notice;
        uint8_t room[1024];
    } reply = {.room = {0}};
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    uint32_t word = 0;
    struct iovec here = {.iov_base = &word, .iov_len = sizeof word};
    if (poll(&ready, 1, PROBE_STEP_MS) != 1 || ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &report.notice) != 0)
        return say(why, "A child's request was not reported to its parent.");
    struct iovec there = {.iov_base = (void *)(uintptr_t)report.notice.data.args[2], .iov_len = sizeof word};
    ssize_t got = process_vm_readv((pid_t)report.notice.pid, &here, 1, &there, 1, 0);
    if (got != (ssize_t)sizeof word || word != PROBE_WORD) return say_unreadable(why, got < 0 ? errno : EIO);
    reply.notice.id = report.notice.id;
    reply.notice.flags = flags;
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply.notice) != 0) {
        return say(why, errno == EINVAL ? "This kernel cannot let a reported request go on (Linux 5.5 or newer can)."
                                        : "A reported request could not be answered.");
    }
    return true;
}

static bool look(int socket, pid_t pid, char why[PROBE_WHY_BYTES])
{
    int number, listener;
    int error = take_over(socket, PROBE_STEP_MS, &number, &listener);
    if (error != 0) {
        snprintf(why, PROBE_WHY_BYTES, "A child did not come to put its filter on: %s.", strerror(error));
        return false;
    }
    if (listener < 0) return say(why, filter_refusal(number));
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0u);
    bool good = pidfd >= 0 || say(why, "The end of a process cannot be waited for here (pidfd_open is refused).");
    good = good && answer_one(listener, SECCOMP_USER_NOTIF_FLAG_CONTINUE, why) && answer_one(listener, 0, why);
    if (good) {
        struct pollfd ended = {.fd = pidfd, .events = POLLIN};
        good = poll(&ended, 1, PROBE_STEP_MS) == 1 || say(why, "A child that was answered did not go on.");
    }
    if (pidfd >= 0) close(pidfd);
    close(listener);
    return good;
}

bool gate_probe(char why[PROBE_WHY_BYTES])
{
    int pair[2], status = 0;
    why[0] = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return say(why, "There is no descriptor left to find out with.");
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        child(pair[1]);
    }
    close(pair[1]);
    bool good = pid > 0 ? look(pair[0], pid, why) : say(why, "There is no process left to find out with.");
    close(pair[0]);
    if (pid > 0) {
        if (!good) kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    if (good && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return say(why, "A reported request did not end as it was answered.");
    return good;
}
