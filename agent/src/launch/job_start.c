#include "launch/job_start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/detached.h"
#include "base/failure.h"
#include "base/now.h"
#include "fs.h"
#include "launch/job_folder.h"
#include "state/job_record.h"
#include "state/queue.h"
#include "state/slice.h"

static int check_folder(const char *cwd, struct failure *failure)
{
    struct stat st;
    int error = stat(cwd, &st) != 0 ? errno : !S_ISDIR(st.st_mode) ? ENOTDIR : access(cwd, X_OK) != 0 ? errno : 0;
    if (error == 0) return 0;
    return fail(failure, "bad-request", "The job cannot run in %s: %s. Nothing was started.", cwd, strerror(error));
}

int job_start(struct job_record *record, char *const argv[], const char *cwd, struct failure *failure)
{
    char why[FS_PATH_BYTES + 256];
    int ends[2];
    if (check_folder(cwd, failure) != 0) return -1;
    record->state = JOB_QUEUED;
    record->submitted_at_ms = now_wall_ms();
    record->started_at_ms = record->ended_at_ms = NO_TIME;
    record->exit_code = -1;
    record->pid = record->signal = record->runs = 0;
    if (job_folder_make(record, argv, cwd, why, sizeof why) != 0) return fail(failure, "state-not-saved", "%s", why);
    if (pipe2(ends, O_CLOEXEC) != 0) {
        job_folder_remove(record->id);
        return fail(failure, "internal", "The job could not be started: %s.", strerror(errno));
    }
    char number[16];
    int ready_fd = dup(ends[1]); /* without the flag, so that it is there after the exec */
    snprintf(number, sizeof number, "%d", ready_fd);
    const char *const argv_holder[] = {"tranche", "job", "supervise", record->id, number, NULL};
    int error = ready_fd >= 0 ? detached_start(argv_holder, ready_fd, true) : errno;
    if (ready_fd >= 0) close(ready_fd);
    close(ends[1]);
    if (error == 0) return ends[0];
    close(ends[0]);
    job_folder_remove(record->id);
    return fail(failure, "internal", "The job could not be started: %s.", strerror(error));
}

int job_verdict(int fd, char text[JOB_VERDICT_BYTES], struct failure *failure)
{
    size_t len = strlen(text);
    ssize_t n = len < JOB_VERDICT_BYTES - 1 ? read(fd, text + len, JOB_VERDICT_BYTES - 1 - len) : 0;
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return 0;
    if (n > 0) text[len + (size_t)n] = '\0';
    char *newline = strchr(text, '\n');
    if (!newline && n > 0) return 0;
    *failure = (struct failure){.code = NULL};
    if (newline) *newline = '\0';
    if (newline && strcmp(text, "ok") == 0) return 1;
    char *tab = newline ? strchr(text, '\t') : NULL;
    if (!tab) {
        fail(failure, "internal", "The job's supervisor ended before it reached the agent. Nothing was started.");
        return 1;
    }
    *tab = '\0';
    fail(failure, text, "%s", tab + 1); /* the code lives as long as the text */
    return 1;
}

int job_verdict_late(const struct job_record *record, struct failure *failure)
{
    return fail(failure, "busy",
                "The agent did not take the job within %d s. It may still get into the line as %s; look before you "
                "start it again.",
                JOB_VERDICT_TIMEOUT_MS / 1000, record->id);
}
