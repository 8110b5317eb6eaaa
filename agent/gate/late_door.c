#include "late_door.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "hand_over.h"

/* The kernel chooses the address: one that nobody has (unix(7), autobind). */
int late_listen(char name[LATE_NAME_BYTES])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof address;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    bool listens = bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0 &&
                   listen(fd, LATE_PENDING_MAX) == 0 && getsockname(fd, (struct sockaddr *)&address, &size) == 0;
    size_t length = listens && size > offsetof(struct sockaddr_un, sun_path) + 1
                        ? size - offsetof(struct sockaddr_un, sun_path) - 1
                        : LATE_NAME_BYTES;
    if (length < LATE_NAME_BYTES) {
        memcpy(name, address.sun_path + 1, length);
        name[length] = '\0';
        return fd;
    }
    int error = listens ? ENAMETOOLONG : errno;
    close(fd);
    errno = error;
    return -1;
}

void late_open(struct late_door *door, int listening)
{
    *door = (struct late_door){.listening = listening};
}

nfds_t late_watch(const struct late_door *door, struct pollfd out[LATE_FDS])
{
    out[0] = (struct pollfd){.fd = door->listening, .events = POLLIN};
    for (unsigned i = 0; i < door->count; i++) out[1 + i] = (struct pollfd){.fd = door->pending[i], .events = POLLIN};
    return 1 + door->count;
}

/* Told to go on, if there is room for its filter and it is of our own user. */
static void admit(struct late_door *door, int connection)
{
    struct ucred who;
    socklen_t size = sizeof who;
    bool ours = getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.uid == getuid();
    if (ours && door->count < LATE_PENDING_MAX && hand_over(connection, 0, -1) == 0)
        door->pending[door->count++] = connection;
    else
        close(connection);
}

/* What it handed over, or its end. */
static void take(struct late_door *door, unsigned at, struct supervisor *supervisor)
{
    int number, listener, connection = door->pending[at];
    door->pending[at] = door->pending[--door->count];
    if (take_over(connection, 0, &number, &listener) == 0 && listener >= 0)
        (void)hand_over(connection, supervisor_add(supervisor, listener), -1); /* it is gone, or goes on either way */
    close(connection);
}

void late_turn(struct late_door *door, const struct pollfd *ready, nfds_t count, struct supervisor *supervisor)
{
    if (door->listening < 0) return;
    /* From the last: one that is taken has the last in its place. */
    for (nfds_t i = count; i > 1; i--)
        if (ready[i - 1].revents != 0) take(door, (unsigned)i - 2, supervisor);
    if (ready[0].revents == 0) return;
    int connection = accept4(door->listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection >= 0) admit(door, connection);
}
