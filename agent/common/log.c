#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int log_fd = STDERR_FILENO;

static char log_path[4096 - sizeof ".1"];

static int open_log(void)
{
    return open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

int log_to_file(const char *path)
{
    if (strlen(path) >= sizeof log_path) return ENAMETOOLONG;
    memcpy(log_path, path, strlen(path) + 1);
    int fd = open_log();
    if (fd < 0) return errno;
    if (log_fd != STDERR_FILENO) close(log_fd);
    log_fd = fd;
    return 0;
}

/* The full file becomes the older one, so that whoever can fill the log cannot wipe out what was in it before. */
static void start_over(void)
{
    char older[sizeof log_path + 2];
    snprintf(older, sizeof older, "%s.1", log_path);
    int fd = rename(log_path, older) == 0 ? open_log() : -1;
    if (fd < 0) return; /* it goes on in the file that it has, and tries again with the next line */
    close(log_fd);
    log_fd = fd;
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
    if (log_fd != STDERR_FILENO && fstat(log_fd, &st) == 0 && st.st_size > LOG_FILE_MAX_BYTES) start_over();
    /* Where it cannot be renamed it must not grow without end either. */
    if (log_fd != STDERR_FILENO && fstat(log_fd, &st) == 0 && st.st_size > 2 * LOG_FILE_MAX_BYTES) return;
    /* A log that cannot be written (full disk, closed stderr) must not disturb what is being logged. */
    ssize_t written = write(log_fd, line, n);
    (void)written;
}
