#include "region_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hash.h"

/* The first 16 bytes are the same in all three kinds. */
struct file_header {
    uint64_t magic;
    uint32_t abi;
    uint32_t bytes;
};

static int write_all(int fd, const void *data, size_t length)
{
    const char *at = data;
    while (length > 0) {
        ssize_t wrote = write(fd, at, length);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            return wrote < 0 ? -errno : -EIO;
        }
        at += wrote;
        length -= (size_t)wrote;
    }
    return 0;
}

/* head is written at offset 0; the rest of total bytes reads as zero and has its blocks (no SIGBUS on a full disk). */
static int create_whole(const char *path, const void *head, size_t head_length, size_t total, mode_t mode)
{
    char temporary[PATH_MAX];
    int length = snprintf(temporary, sizeof temporary, "%s.new-%ld", path, (long)getpid());
    if (length < 0 || (size_t)length >= sizeof temporary) {
        return -ENAMETOOLONG;
    }
    if (unlink(temporary) != 0 && errno != ENOENT) {
        return -errno;
    }
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        return -errno;
    }
    int error = -posix_fallocate(fd, 0, (off_t)total);
    if (error == 0) {
        error = write_all(fd, head, head_length);
    }
    /* The umask must not decide who may join a slice. */
    if (error == 0 && fchmod(fd, mode) != 0) {
        error = -errno;
    }
    if (close(fd) != 0 && error == 0) {
        error = -errno;
    }
    if (error == 0 && rename(temporary, path) != 0) {
        error = -errno;
    }
    if (error != 0) {
        unlink(temporary);
    }
    return error;
}

static int open_checked(const char *path, int flags, uint64_t magic, size_t total, int *fd_out)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    struct stat status;
    struct file_header header;
    int error = 0;
    if (fstat(fd, &status) != 0) {
        error = -errno;
    } else if (!S_ISREG(status.st_mode) || status.st_size != (off_t)total) {
        error = -EPROTO;
    } else {
        ssize_t got = pread(fd, &header, sizeof header, 0);
        if (got < 0) {
            error = -errno;
        } else if (got != (ssize_t)sizeof header || header.magic != magic || header.abi != REGION_ABI ||
                   header.bytes != total) {
            error = -EPROTO;
        }
    }
    if (error != 0) {
        close(fd);
        return error;
    }
    *fd_out = fd;
    return 0;
}

static int map_checked(const char *path, int writable, uint64_t magic, size_t total, void **out)
{
    int fd;
    int error = open_checked(path, writable ? O_RDWR : O_RDONLY, magic, total, &fd);
    if (error != 0) {
        return error;
    }
    void *base = mmap(NULL, total, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    error = base == MAP_FAILED ? -errno : 0;
    close(fd);
    if (error == 0) {
        *out = base;
    }
    return error;
}

static int read_whole(int fd, void *out, size_t total, off_t offset)
{
    ssize_t got;
    do {
        got = pread(fd, out, total, offset);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return -errno;
    }
    return got == (ssize_t)total ? 0 : -EPROTO;
}

int region_policy_create(const char *path, const struct region_policy *initial, mode_t mode)
{
    struct region_policy policy;
    memcpy(&policy, initial, sizeof policy);
    policy.magic = REGION_POLICY_MAGIC;
    policy.abi = REGION_ABI;
    policy.bytes = sizeof policy;
    return create_whole(path, &policy, sizeof policy, sizeof policy, mode);
}

int region_usage_create(const char *path, mode_t mode)
{
    struct file_header header = {REGION_USAGE_MAGIC, REGION_ABI, sizeof(struct region_usage)};
    return create_whole(path, &header, sizeof header, sizeof(struct region_usage), mode);
}

int region_board_create(const char *path, mode_t mode)
{
    struct file_header header = {REGION_BOARD_MAGIC, REGION_ABI, sizeof(struct region_board)};
    return create_whole(path, &header, sizeof header, sizeof(struct region_board), mode);
}

int region_policy_map_ro(const char *path, const struct region_policy **out)
{
    void *base = NULL;
    int error = map_checked(path, 0, REGION_POLICY_MAGIC, sizeof(struct region_policy), &base);
    if (error == 0) {
        *out = base;
    }
    return error;
}

int region_policy_map_rw(const char *path, struct region_policy **out)
{
    void *base = NULL;
    int error = map_checked(path, 1, REGION_POLICY_MAGIC, sizeof(struct region_policy), &base);
    if (error == 0) {
        *out = base;
    }
    return error;
}

int region_usage_map(const char *path, struct region_usage **out)
{
    void *base = NULL;
    int error = map_checked(path, 1, REGION_USAGE_MAGIC, sizeof(struct region_usage), &base);
    if (error == 0) {
        *out = base;
    }
    return error;
}

void region_policy_unmap(const struct region_policy *policy)
{
    munmap((void *)(uintptr_t)policy, sizeof *policy);
}

void region_usage_unmap(struct region_usage *usage)
{
    munmap(usage, sizeof *usage);
}

int region_usage_open(const char *path, int *fd_out)
{
    return open_checked(path, O_RDONLY, REGION_USAGE_MAGIC, sizeof(struct region_usage), fd_out);
}

int region_usage_read(int fd, struct region_usage *out)
{
    int error = read_whole(fd, out, sizeof *out, 0);
    if (error == 0 && (out->magic != REGION_USAGE_MAGIC || out->abi != REGION_ABI || out->bytes != sizeof *out)) {
        error = -EPROTO;
    }
    return error;
}

int region_board_open(const char *path, int *fd_out)
{
    return open_checked(path, O_RDWR, REGION_BOARD_MAGIC, sizeof(struct region_board), fd_out);
}

int region_board_read(int fd, struct region_board *out)
{
    return read_whole(fd, out, sizeof *out, 0);
}

int region_board_read_slot(int fd, unsigned slot, struct region_board_slot *out)
{
    if (slot >= REGION_BOARD_SLOTS) {
        return -EINVAL;
    }
    off_t offset = (off_t)(offsetof(struct region_board, slots) + slot * sizeof *out);
    return read_whole(fd, out, sizeof *out, offset);
}

int region_board_write_slot(int fd, unsigned slot, const struct region_board_slot *line)
{
    if (slot >= REGION_BOARD_SLOTS) {
        return -EINVAL;
    }
    off_t offset = (off_t)(offsetof(struct region_board, slots) + slot * sizeof *line);
    ssize_t wrote;
    do {
        wrote = pwrite(fd, line, sizeof *line, offset);
    } while (wrote < 0 && errno == EINTR);
    if (wrote < 0) {
        return -errno;
    }
    return wrote == (ssize_t)sizeof *line ? 0 : -EIO;
}

void region_policy_announce(struct region_policy *policy)
{
    atomic_fetch_add(&policy->epoch, 1);
    syscall(SYS_futex, &policy->epoch, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

uint64_t region_slice_tag(const char *slice_id)
{
    uint64_t hash = hash_bytes(slice_id, strlen(slice_id));
    return hash == 0 ? 1 : hash;
}
