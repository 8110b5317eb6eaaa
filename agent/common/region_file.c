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
#include <sys/uio.h>
#include <unistd.h>

#include "hash.h"

/* The first 16 bytes are the same in all kinds. */
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
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return wrote < 0 ? -errno : -EIO;
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
    if (length < 0 || (size_t)length >= sizeof temporary) return -ENAMETOOLONG;
    if (unlink(temporary) != 0 && errno != ENOENT) return -errno;
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) return -errno;
    int error = -posix_fallocate(fd, 0, (off_t)total);
    if (error == 0) error = write_all(fd, head, head_length);
    /* The umask must not decide who may join a slice. */
    if (error == 0 && fchmod(fd, mode) != 0) error = -errno;
    if (close(fd) != 0 && error == 0) error = -errno;
    if (error == 0 && rename(temporary, path) != 0) error = -errno;
    if (error != 0) unlink(temporary);
    return error;
}

static int open_checked(const char *path, int flags, uint64_t magic, size_t total, int *fd_out)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return -errno;
    struct stat status;
    struct file_header header;
    int error = 0;
    if (fstat(fd, &status) != 0) {
        error = -errno;
    } else if (!S_ISREG(status.st_mode) || status.st_size != (off_t)total) {
        error = -EPROTO;
    } else {
        ssize_t got = pread(fd, &header, sizeof header, 0);
        if (got < 0)
            error = -errno;
        else if (got != (ssize_t)sizeof header || header.magic != magic || header.abi != REGION_ABI ||
                 header.bytes != total)
            error = -EPROTO;
    }
    if (error != 0) {
        close(fd);
        return error;
    }
    *fd_out = fd;
    return 0;
}

static int map_checked(const char *path, int writable, uint64_t magic, size_t total, void **out,
                       struct life_file *file_out)
{
    int fd;
    int error = open_checked(path, writable ? O_RDWR : O_RDONLY, magic, total, &fd);
    if (error != 0) return error;
    void *base = mmap(NULL, total, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    error = base == MAP_FAILED ? -errno : 0;
    struct stat status;
    if (error == 0 && file_out && fstat(fd, &status) == 0)
        *file_out = (struct life_file){status.st_dev, status.st_ino};
    close(fd);
    if (error == 0) *out = base;
    return error;
}

static int read_whole(int fd, void *out, size_t total, off_t offset)
{
    ssize_t got;
    do {
        got = pread(fd, out, total, offset);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return -errno;
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

int region_line_create(const char *path, uint64_t tag, mode_t mode)
{
    struct region_line line;
    memset(&line, 0, sizeof line);
    line.magic = REGION_LINE_MAGIC;
    line.abi = REGION_ABI;
    line.bytes = sizeof line;
    atomic_store(&line.line.slice_tag, tag);
    return create_whole(path, &line, sizeof line, sizeof line, mode);
}

int region_policy_map_ro(const char *path, const struct region_policy **out)
{
    void *base = NULL;
    int error = map_checked(path, 0, REGION_POLICY_MAGIC, sizeof(struct region_policy), &base, NULL);
    if (error == 0) *out = base;
    return error;
}

int region_policy_map_rw(const char *path, struct region_policy **out)
{
    void *base = NULL;
    int error = map_checked(path, 1, REGION_POLICY_MAGIC, sizeof(struct region_policy), &base, NULL);
    if (error == 0) *out = base;
    return error;
}

int region_usage_map(const char *path, struct region_usage **out, struct life_file *file_out)
{
    void *base = NULL;
    int error = map_checked(path, 1, REGION_USAGE_MAGIC, sizeof(struct region_usage), &base, file_out);
    if (error == 0) *out = base;
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
    return open_checked(path, O_RDWR, REGION_USAGE_MAGIC, sizeof(struct region_usage), fd_out);
}

int region_usage_read(int fd, struct region_usage *out)
{
    int error = read_whole(fd, out, sizeof *out, 0);
    if (error == 0 && (out->magic != REGION_USAGE_MAGIC || out->abi != REGION_ABI || out->bytes != sizeof *out))
        error = -EPROTO;
    return error;
}

int region_line_map(const char *path, struct region_line **out)
{
    void *base = NULL;
    int error = map_checked(path, 1, REGION_LINE_MAGIC, sizeof(struct region_line), &base, NULL);
    if (error == 0) *out = base;
    return error;
}

int region_line_map_ro(const char *path, const struct region_line **out)
{
    void *base = NULL;
    int error = map_checked(path, 0, REGION_LINE_MAGIC, sizeof(struct region_line), &base, NULL);
    if (error == 0) *out = base;
    return error;
}

void region_line_unmap(const struct region_line *line)
{
    munmap((void *)(uintptr_t)line, sizeof *line);
}

int region_line_open(const char *path, int *fd_out)
{
    return open_checked(path, O_RDONLY, REGION_LINE_MAGIC, sizeof(struct region_line), fd_out);
}

/* One system call for all of them. It copies what lies before the first piece that is not there, or fails if that is
 * the first: then goes on behind it. */
int region_line_read(const struct region_line *const *lines, unsigned count, struct region_board_slot *out)
{
    struct iovec from[REGION_BOARD_SLOTS];
    if (count > REGION_BOARD_SLOTS) return -EINVAL;
    for (unsigned at = 0; at < count; at++)
        from[at] = (struct iovec){(void *)(uintptr_t)&lines[at]->line, sizeof *out};
    for (unsigned at = 0; at < count;) {
        struct iovec to = {&out[at], (count - at) * sizeof *out};
        long got = syscall(SYS_process_vm_readv, getpid(), &to, 1UL, &from[at], (unsigned long)(count - at), 0UL);
        if (got < 0 && errno != EFAULT) return -errno;
        at += got < 0 ? 0 : (unsigned)((size_t)got / sizeof *out);
        if (at < count) { /* its owner has cut the file: it says nothing */
            memset(&out[at], 0, sizeof out[at]);
            at++;
        }
    }
    return 0;
}

void region_policy_announce(struct region_policy *policy)
{
    atomic_fetch_add(&policy->epoch, 1);
    syscall(SYS_futex, &policy->epoch, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

uint64_t region_slice_tag(const char *slice_id, uint64_t generation)
{
    char text[REGION_ID_BYTES + 24];
    int length =
        snprintf(text, sizeof text, "%.*s %llu", (int)REGION_ID_BYTES, slice_id, (unsigned long long)generation);
    uint64_t hash = hash_bytes(text, (size_t)length);
    return REGION_NEIGHBOUR_TAG(hash) == 0 ? hash | 1 : hash;
}

int region_line_path(char *out, size_t size, const char *runtime, const char *gpu_uuid, uint64_t tag)
{
    int length =
        snprintf(out, size, "%s/board/%s/%08llx", runtime, gpu_uuid, (unsigned long long)REGION_NEIGHBOUR_TAG(tag));
    return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}
