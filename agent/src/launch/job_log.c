#include "launch/job_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs.h"
#include "text.h"

static int segment_path(char out[FS_PATH_BYTES], const char *directory, int64_t segment)
{
    char name[32];
    snprintf(name, sizeof name, "log.%lld", (long long)segment);
    return fs_join(out, directory, name);
}

/* The last segment, and the first that is kept at or behind `from`; -1: none. */
static int find_segments(const char *directory, int64_t from, int64_t *first, int64_t *last)
{
    *first = *last = -1;
    DIR *dir = opendir(directory);
    if (!dir) return errno;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        int64_t number;
        if (strncmp(e->d_name, "log.", 4) != 0 || text_parse_integer(e->d_name + 4, 0, INT32_MAX, &number) != 0)
            continue;
        if (number > *last) *last = number;
        if (number >= from && (*first < 0 || number < *first)) *first = number;
    }
    closedir(dir);
    return 0;
}

static int64_t size_of(const char *directory, int64_t segment)
{
    char path[FS_PATH_BYTES];
    struct stat st;
    return segment_path(path, directory, segment) == 0 && stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

int job_log_open(struct job_log *log, const char *directory)
{
    int64_t first, last;
    *log = (struct job_log){.fd = -1};
    text_copy(log->directory, sizeof log->directory, directory);
    int error = find_segments(directory, 0, &first, &last);
    if (error == 0 && last >= 0) log->offset = last * JOB_LOG_SEGMENT_BYTES + size_of(directory, last);
    return error;
}

void job_log_close(struct job_log *log)
{
    if (log->fd >= 0) close(log->fd);
    log->fd = -1;
}

static int open_segment(struct job_log *log)
{
    char path[FS_PATH_BYTES];
    int64_t segment = log->offset / JOB_LOG_SEGMENT_BYTES, old = segment - (JOB_LOG_SEGMENTS_MAX - 1);
    job_log_close(log);
    if (old > 0 && segment_path(path, log->directory, old) == 0) unlink(path);
    if (segment_path(path, log->directory, segment) != 0) return ENAMETOOLONG;
    log->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    return log->fd >= 0 ? 0 : errno;
}

void job_log_write(struct job_log *log, const char *data, size_t len)
{
    while (len > 0) {
        int64_t room = JOB_LOG_SEGMENT_BYTES - log->offset % JOB_LOG_SEGMENT_BYTES;
        bool fresh = room == JOB_LOG_SEGMENT_BYTES;
        int error = fresh || log->fd < 0 ? open_segment(log) : 0;
        ssize_t n = -1;
        if (error == 0) {
            n = write(log->fd, data, (int64_t)len < room ? len : (size_t)room);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) error = errno;
        }
        if (n <= 0) {
            log->error = error ? error : EIO;
            return;
        }
        data += n;
        len -= (size_t)n;
        log->offset += n;
    }
}

int job_log_read(const char *directory, int64_t offset, char *buf, size_t cap, struct job_log_part *part)
{
    char path[FS_PATH_BYTES];
    int64_t first, last;
    *part = (struct job_log_part){.offset = offset > 0 ? offset : 0};
    int error = find_segments(directory, 0, &first, &last);
    if (error != 0 || last < 0) return error;
    part->end = last * JOB_LOG_SEGMENT_BYTES + size_of(directory, last);
    if (offset < 0) part->offset = part->end > (int64_t)cap ? part->end - (int64_t)cap : 0;
    if (part->offset > part->end) part->offset = part->end;
    int64_t asked = part->offset, segment = asked / JOB_LOG_SEGMENT_BYTES;
    error = find_segments(directory, segment, &first, &last);
    if (error != 0) return error;
    if (first < 0) return 0; /* right at the end of a full segment */
    if (first > segment) part->offset = first * JOB_LOG_SEGMENT_BYTES;
    part->skipped = part->offset - asked;
    if (segment_path(path, directory, first) != 0) return ENAMETOOLONG;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno == ENOENT ? EAGAIN : errno; /* it went between the look and now */
    ssize_t n = pread(fd, buf, cap, part->offset % JOB_LOG_SEGMENT_BYTES);
    error = n < 0 ? errno : 0;
    close(fd);
    part->len = n > 0 ? (size_t)n : 0;
    return error;
}
