#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

int fs_join(char out[FS_PATH_BYTES], const char *directory, const char *name)
{
    int n = snprintf(out, FS_PATH_BYTES, "%s/%s", directory, name);
    if (n < 0 || n >= FS_PATH_BYTES) {
        out[0] = '\0';
        errno = ENAMETOOLONG;
        return -1;
    }
    return 0;
}

int fs_make_directories(const char *path, mode_t mode)
{
    char part[FS_PATH_BYTES];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) return ENAMETOOLONG;
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, mode) != 0 && errno != EEXIST) {
            struct stat st;
            int error = errno;
            /* A read-only or foreign parent that exists is no obstacle. */
            if (stat(part, &st) != 0 || !S_ISDIR(st.st_mode)) return error;
        }
    }
    struct stat st;
    if (stat(path, &st) != 0) return errno;
    return S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
}

int fs_own_directory(const char *path, mode_t mode, uid_t uid)
{
    if (mkdir(path, mode) == 0) return chmod(path, mode) == 0 ? 0 : errno;
    if (errno != EEXIST) return errno;
    struct stat st;
    if (lstat(path, &st) != 0) return errno;
    if (!S_ISDIR(st.st_mode)) return ENOTDIR;
    if (st.st_uid != uid || (st.st_mode & 022) != 0) return EPERM;
    if ((st.st_mode & 07777) != mode && chmod(path, mode) != 0) return errno;
    return 0;
}

int fs_open_regular(const char *path, int flags)
{
    char again[64];
    struct stat st;
    int place = open(path, O_PATH | O_CLOEXEC | (flags & O_NOFOLLOW));
    if (place < 0) return -errno;
    int result = fstat(place, &st) != 0 ? -errno : !S_ISREG(st.st_mode) ? -EINVAL : 0;
    if (result == 0) {
        /* The very file that was looked at, whatever the name leads to meanwhile. */
        snprintf(again, sizeof again, "/proc/self/fd/%d", place);
        result = open(again, (flags & ~O_NOFOLLOW) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (result < 0) result = -errno;
    }
    close(place);
    return result;
}

int fs_read_file(const char *path, size_t max, char **data, size_t *len)
{
    int fd = fs_open_regular(path, O_RDONLY);
    if (fd < 0) return -fd;
    struct stat st;
    int error = fstat(fd, &st) != 0 ? errno : 0;
    if (error == 0 && (st.st_size < 0 || (size_t)st.st_size > max)) error = EFBIG;
    char *buf = error == 0 ? malloc((size_t)st.st_size + 1) : NULL;
    if (error == 0 && !buf) error = ENOMEM;
    size_t got = 0;
    while (error == 0 && got < (size_t)st.st_size) {
        ssize_t n = read(fd, buf + got, (size_t)st.st_size - got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) error = errno;
        if (n <= 0) break;
        got += (size_t)n;
    }
    close(fd);
    if (error != 0) {
        free(buf);
        return error;
    }
    buf[got] = '\0';
    *data = buf;
    *len = got;
    return 0;
}

ssize_t fs_read_small(const char *path, char *buf, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return -1;
    ssize_t n = read(fd, buf, cap - 1);
    int error = errno;
    close(fd);
    errno = error;
    buf[n > 0 ? n : 0] = '\0';
    return n;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* A new file, always: what lies there under that name, a crash's or somebody else's, is not written into. */
static int write_synced(const char *path, const void *data, size_t len, mode_t mode)
{
    if (unlink(path) != 0 && errno != ENOENT) return errno;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) return errno;
    int error = write_all(fd, data, len);
    if (error == 0 && fsync(fd) != 0) error = errno;
    if (close(fd) != 0 && error == 0) error = errno;
    if (error != 0) unlink(path);
    return error;
}

/* path.prev becomes the file that is at path now. A hard link, so that neither name is ever missing; where there are
 * no hard links, a copy. */
static int keep_as_previous(const char *path, mode_t mode)
{
    char prev[FS_PATH_BYTES], next[FS_PATH_BYTES];
    if (snprintf(prev, sizeof prev, "%s.prev", path) >= (int)sizeof prev ||
        snprintf(next, sizeof next, "%s.prev.tmp", path) >= (int)sizeof next)
        return ENAMETOOLONG;
    if (unlink(next) != 0 && errno != ENOENT) return errno;
    if (link(path, next) != 0) {
        if (errno == ENOENT) return 0;
        char *data;
        size_t len;
        int error = fs_read_file(path, 64u << 20, &data, &len);
        if (error != 0) return error;
        error = write_synced(next, data, len, mode);
        free(data);
        if (error != 0) return error;
    }
    return rename(next, prev) == 0 ? 0 : errno;
}

static int sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    int error = fsync(fd) == 0 || errno == EINVAL ? 0 : errno;
    close(fd);
    return error;
}

int fs_write_atomic(const char *directory, const char *name, const void *data, size_t len, mode_t mode,
                    bool keep_previous)
{
    char path[FS_PATH_BYTES], temporary[FS_PATH_BYTES];
    if (fs_join(path, directory, name) != 0) return ENAMETOOLONG;
    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary) return ENAMETOOLONG;
    int error = write_synced(temporary, data, len, mode);
    if (error == EPERM || error == EACCES || error == EEXIST) {
        /* In a sticky folder somebody else may have taken the name: no reason not to write. */
        unsigned long long number;
        error = fs_random(&number, sizeof number);
        int n = snprintf(temporary, sizeof temporary, "%s.tmp-%016llx", path, number);
        if (error == 0) error = n < (int)sizeof temporary ? write_synced(temporary, data, len, mode) : ENAMETOOLONG;
    }
    if (error == 0 && keep_previous) error = keep_as_previous(path, mode);
    if (error == 0 && rename(temporary, path) != 0) error = errno;
    if (error != 0) {
        unlink(temporary);
        return error;
    }
    return sync_directory(directory);
}

enum fs_kind fs_kind(const char *path)
{
    struct statfs st;
    if (statfs(path, &st) != 0) return FS_UNKNOWN;
    switch ((unsigned long)st.f_type & 0xffffffffUL) {
    case 0x6969:     /* NFS */
    case 0x517b:     /* SMB */
    case 0xff534d42: /* CIFS */
    case 0xfe534d42: /* SMB2 */
    case 0x564c:     /* NCP */
    case 0x5346414f: /* AFS */
    case 0x6b414653: /* kAFS */
    case 0x00c36400: /* Ceph */
    case 0x47504653: /* GPFS */
    case 0x0bd00bd0: /* Lustre */
    case 0x19830326: /* BeeGFS */
    case 0x65735546: /* FUSE: sshfs, gluster and others; not to be trusted with shared mappings either */
        return FS_REMOTE;
    case 0x01021994: /* tmpfs */
    case 0x858458f6: /* ramfs */ return FS_MEMORY;
    default: return FS_LOCAL;
    }
}

bool fs_is_noexec(const char *path)
{
    struct statvfs st;
    return statvfs(path, &st) == 0 && (st.f_flag & ST_NOEXEC) != 0;
}

int fs_random(void *buf, size_t len)
{
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    size_t got = 0;
    int error = 0;
    while (got < len && error == 0) {
        ssize_t n = read(fd, (char *)buf + got, len - got);
        if (n > 0) got += (size_t)n;
        if (n < 0 && errno != EINTR) error = errno;
        if (n == 0) error = EIO;
    }
    close(fd);
    return error;
}
