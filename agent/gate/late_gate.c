#include "late_gate.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "filter.h"
#include "hand_over.h"

/* An address is anybody's once it is free: a listener goes to nobody else. */
static bool is_our_own(int fd)
{
    struct ucred who;
    socklen_t size = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.uid == geteuid();
}

static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    if (length == 0 || length >= sizeof address.sun_path) return -1;
    memcpy(address.sun_path + 1, name, length);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
    /* A place in the queue is waited for as long as a word. */
    struct timeval wait = {.tv_sec = LATE_WAIT_MS / 1000};
    bool there = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
                 connect(fd, (struct sockaddr *)&address, size) == 0;
    if (there && is_our_own(fd)) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

bool late_gate_enter(const char *name)
{
    int number = -1, none;
    int fd = connect_to(name);
    if (fd < 0) return false;
    bool goes_on = take_over(fd, LATE_WAIT_MS, &number, &none) == 0 && number == 0;
    int listener = goes_on ? filter_install(true) : -1;
    bool entered = listener >= 0 && hand_over(fd, 0, listener) == 0;
    if (listener >= 0) close(listener);
    entered = entered && take_over(fd, LATE_WAIT_MS, &number, &none) == 0 && number == 0;
    close(fd);
    return entered;
}
