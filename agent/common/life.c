#include "life.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "region.h"

#ifndef F_OFD_GETLK /* Linux 3.15; younger than the C library we build for */
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#endif

#define KEPT_BYTES 4096u

uint64_t life_pid_namespace(void)
{
    struct stat status;
    int saved = errno;
    uint64_t inode = stat("/proc/self/ns/pid", &status) == 0 ? (uint64_t)status.st_ino : 0;
    errno = saved;
    return inode;
}

int life_open(const char *path, const struct life_file *file)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && fd <= STDERR_FILENO) { /* the program has closed those, and 0 says "none" to our callers */
        int low = fd;
        fd = fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        int error = errno;
        close(low);
        errno = error;
    }
    if (fd < 0) return -errno;
    struct stat status;
    int error = fstat(fd, &status) != 0                                         ? -errno
                : status.st_dev != file->device || status.st_ino != file->inode ? -ESTALE
                                                                                : 0;
    if (error != 0) {
        close(fd);
        return error;
    }
    return fd;
}

static struct flock byte_of(unsigned index, short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = REGION_LOCK_BYTE(index), .l_len = 1};
}

int life_lock(int fd, unsigned index)
{
    struct flock lock = byte_of(index, F_WRLCK);
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return 1;
    /* Any other error (a kernel, a sandbox or a file system without such locks): the process goes on without a
     * lock. */
    return errno == EAGAIN || errno == EACCES ? 0 : -EOPNOTSUPP;
}

void life_unlock(int fd, unsigned index)
{
    struct flock lock = byte_of(index, F_UNLCK);
    (void)fcntl(fd, F_OFD_SETLK, &lock); /* fails only where there was none */
}

int life_held(int fd, unsigned index)
{
    struct flock lock = byte_of(index, F_WRLCK);
    if (fcntl(fd, F_OFD_GETLK, &lock) != 0) return -EOPNOTSUPP;
    return lock.l_type != F_UNLCK;
}

void *life_keep(int fd)
{
    /* Never accessed, so that a file that somebody cuts does no harm here. */
    void *kept = mmap(NULL, KEPT_BYTES, PROT_NONE, MAP_SHARED, fd, 0);
    if (kept == MAP_FAILED) return NULL;
    if (madvise(kept, KEPT_BYTES, MADV_DONTFORK) != 0) {
        munmap(kept, KEPT_BYTES); /* a child would keep its parent alive */
        return NULL;
    }
    return kept;
}

void life_end(void *kept)
{
    if (kept) munmap(kept, KEPT_BYTES);
}
