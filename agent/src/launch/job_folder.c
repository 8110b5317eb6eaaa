#include "launch/job_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/detached.h"
#include "base/now.h"
#include "base/procs.h"
#include "fs.h"
#include "json.h"
#include "state/job_record.h"
#include "state/queue.h"
#include "state/slice.h"
#include "text.h"

#define JOBS "jobs"
#define RECORD_MAX_BYTES 8192
#define FOLDERS_SEEN_MAX 1024
#define CLAIM_MS 60000 /* from a folder to its supervisor: more than a start may take */

int job_folder_of(const char *id, char directory[FS_PATH_BYTES])
{
    return job_id_is_good(id) ? detached_folder_of(JOBS, id, directory) : -1;
}

int job_folder_claim(const char *directory)
{
    char line[64];
    uint64_t ticks;
    if (procs_start_ticks(getpid(), &ticks) != 0) return ESRCH;
    int n = snprintf(line, sizeof line, "%ld %llu\n", (long)getpid(), (unsigned long long)ticks);
    return fs_write_atomic(directory, "supervisor", line, (size_t)n, 0600, false);
}

bool job_folder_is_over(const char *directory, const struct job_record *record)
{
    char path[FS_PATH_BYTES], line[64];
    long pid;
    unsigned long long claimed;
    uint64_t ticks;
    if (job_is_over(record->state)) return true;
    if (fs_join(path, directory, "supervisor") != 0 || fs_read_small(path, line, sizeof line) <= 0 ||
        sscanf(line, "%ld %llu", &pid, &claimed) != 2)
        return now_wall_ms() - record->submitted_at_ms > CLAIM_MS;
    return procs_start_ticks((pid_t)pid, &ticks) != 0 || ticks != claimed;
}

void job_folder_remove(const char *id)
{
    char directory[FS_PATH_BYTES];
    if (job_folder_of(id, directory) == 0) detached_folder_remove(directory);
}

static int64_t bytes_in(const char *directory)
{
    char path[FS_PATH_BYTES];
    struct stat st;
    int64_t sum = 0;
    DIR *dir = opendir(directory);
    if (!dir) return 0;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        if (fs_join(path, directory, e->d_name) == 0 && lstat(path, &st) == 0 && S_ISREG(st.st_mode))
            sum += (int64_t)st.st_blocks * 512;
    closedir(dir);
    return sum;
}

struct old_job {
    char id[JOB_ID_BYTES];
    int64_t ended_at_ms, bytes;
};

static int newest_first(const void *a, const void *b)
{
    int64_t x = ((const struct old_job *)a)->ended_at_ms, y = ((const struct old_job *)b)->ended_at_ms;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Of jobs that are over the newest are kept. */
static void clear_out(const char *jobs)
{
    char path[FS_PATH_BYTES];
    struct job_record record;
    DIR *dir = opendir(jobs);
    struct old_job *old = dir ? malloc(FOLDERS_SEEN_MAX * sizeof *old) : NULL;
    size_t count = 0;
    for (struct dirent *e = old ? readdir(dir) : NULL; e && count < FOLDERS_SEEN_MAX; e = readdir(dir)) {
        if (!job_id_is_good(e->d_name) || fs_join(path, jobs, e->d_name) != 0) continue;
        if (job_folder_load(path, &record) != 0 || !job_folder_is_over(path, &record)) continue;
        text_copy(old[count].id, JOB_ID_BYTES, e->d_name);
        old[count].ended_at_ms = record.ended_at_ms == NO_TIME ? record.submitted_at_ms : record.ended_at_ms;
        old[count++].bytes = bytes_in(path);
    }
    if (dir) closedir(dir);
    if (count > 0) qsort(old, count, sizeof *old, newest_first);
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += old[i].bytes;
        if ((i >= JOB_FOLDERS_MAX || sum > JOB_LOGS_MAX_BYTES) && fs_join(path, jobs, old[i].id) == 0)
            detached_folder_remove(path);
    }
    free(old);
}

static int save_argv(const char *directory, char *const argv[], const char *cwd)
{
    size_t len = 0, at = 0;
    for (size_t i = 0; argv[i]; i++) len += strlen(argv[i]) + 1;
    if (len > JOB_ARGV_MAX_BYTES) return E2BIG;
    char *data = malloc(len);
    if (!data) return ENOMEM;
    for (size_t i = 0; argv[i]; i++) {
        size_t n = strlen(argv[i]) + 1;
        memcpy(data + at, argv[i], n);
        at += n;
    }
    int error = fs_write_atomic(directory, "argv", data, len, 0600, false);
    free(data);
    return error == 0 ? fs_write_atomic(directory, "cwd", cwd, strlen(cwd), 0600, false) : error;
}

int job_folder_make(struct job_record *record, char *const argv[], const char *cwd, char *why, size_t cap)
{
    char jobs[FS_PATH_BYTES], directory[FS_PATH_BYTES];
    uint64_t number;
    if (detached_folders_make(JOBS, jobs, why, cap) != 0) return -1;
    int error = fs_random(&number, sizeof number);
    if (error != 0) {
        snprintf(why, cap, "No id could be made for the job: %s. Nothing was started.", strerror(error));
        return -1;
    }
    clear_out(jobs);
    snprintf(record->id, sizeof record->id, "j-%016llx", (unsigned long long)number);
    error = fs_join(directory, jobs, record->id) == 0 && mkdir(directory, 0700) == 0 ? 0 : errno;
    if (error == 0) error = save_argv(directory, argv, cwd);
    if (error == 0) error = job_folder_save(directory, record);
    if (error == 0) return 0;
    detached_folder_remove(directory);
    snprintf(why, cap, "The job's folder %s cannot be written: %s. Nothing was started.", directory, strerror(error));
    return -1;
}

int job_folder_save(const char *directory, const struct job_record *record)
{
    struct json_writer w;
    json_writer_init(&w, RECORD_MAX_BYTES);
    json_open(&w, '{');
    json_put_text(&w, "jobId", record->id);
    job_record_put(&w, record);
    json_end_line(&w);
    int error = w.failed ? ENOMEM : fs_write_atomic(directory, "job", w.data, w.len, 0600, false);
    json_writer_free(&w);
    return error;
}

int job_folder_load(const char *directory, struct job_record *record)
{
    char path[FS_PATH_BYTES], *data;
    struct json_object object;
    const char *why;
    size_t len;
    if (fs_join(path, directory, "job") != 0) return ENAMETOOLONG;
    int error = fs_read_file(path, RECORD_MAX_BYTES, &data, &len);
    if (error != 0) return error;
    len = strcspn(data, "\n");
    data[len] = '\0';
    if (json_parse_flat(data, len, &object, &why) != 0 || job_record_take(&object, record, &why) != 0) error = EINVAL;
    free(data);
    return error;
}

int job_folder_argv(const char *directory, char ***argv, char cwd[FS_PATH_BYTES])
{
    char path[FS_PATH_BYTES], *data;
    size_t len, count = 0;
    if (fs_join(path, directory, "cwd") != 0 || fs_read_small(path, cwd, FS_PATH_BYTES) < 0) return errno;
    if (fs_join(path, directory, "argv") != 0) return ENAMETOOLONG;
    int error = fs_read_file(path, JOB_ARGV_MAX_BYTES, &data, &len);
    if (error != 0) return error;
    for (size_t i = 0; i < len; i++) count += data[i] == '\0';
    char **list = count > 0 ? malloc((count + 1) * sizeof *list) : NULL;
    if (!list) {
        free(data);
        return count > 0 ? ENOMEM : EINVAL;
    }
    char *at = data;
    for (size_t i = 0; i < count; i++) {
        list[i] = at;
        at += strlen(at) + 1;
    }
    list[count] = NULL;
    *argv = list; /* both live as long as the supervisor */
    return 0;
}
