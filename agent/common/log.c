#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int log_fd = STDERR_FILENO;

int log_to_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return errno;
    if (log_fd != STDERR_FILENO) close(log_fd);
    log_fd = fd;
    return 0;
}

void log_line(const char *format, ...)
{
    char line[1024];
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%SZ ", &tm);
    va_list args;
    va_start(args, format);
    int m = vsnprintf(line + n, sizeof line - n - 1, format, args);
    va_end(args);
    if (m < 0) return;
    n += (size_t)m < sizeof line - n - 1 ? (size_t)m : sizeof line - n - 2;
    line[n++] = '\n';
    struct stat st;
    if (log_fd != STDERR_FILENO && fstat(log_fd, &st) == 0 && st.st_size > LOG_FILE_MAX_BYTES &&
        ftruncate(log_fd, 0) != 0) {
        return;
    }
    /* A log that can not be written (full disk, closed stderr) must not disturb what is being logged. */
    ssize_t written = write(log_fd, line, n);
    (void)written;
}
