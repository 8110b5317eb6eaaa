#include "hand_over.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

union room {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int hand_over(int socket, int number, int fd)
{
    union room room = {.bytes = {0}};
    struct iovec part = {.iov_base = &number, .iov_len = sizeof number};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = room.bytes;
        message.msg_controllen = sizeof room.bytes;
        room.header.cmsg_level = SOL_SOCKET;
        room.header.cmsg_type = SCM_RIGHTS;
        room.header.cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(&room.header), &fd, sizeof fd);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof number ? 0 : errno;
}

int take_over(int socket, int timeout_ms, int *number_out, int *fd_out)
{
    union room room = {.bytes = {0}};
    struct iovec part = {.iov_base = number_out, .iov_len = sizeof *number_out};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof room.bytes};
    struct pollfd ready = {.fd = socket, .events = POLLIN};
    *fd_out = -1;
    int count = poll(&ready, 1, timeout_ms);
    if (count <= 0) return count == 0 ? ETIMEDOUT : errno;
    ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got != (ssize_t)sizeof *number_out) return got < 0 ? errno : EPIPE;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS) memcpy(fd_out, CMSG_DATA(header), sizeof *fd_out);
    return 0;
}
