/* The folders of a user's jobs: JOBS/ID/{job,argv,cwd}. Everything here runs as that user. */
#ifndef TRANCHE_JOB_FOLDER_H
#define TRANCHE_JOB_FOLDER_H

#include "fs.h"
#include "state/job_record.h"

#define JOB_FOLDERS_MAX 50                    /* of jobs that are over; older ones are removed */
#define JOB_LOGS_MAX_BYTES (INT64_C(1) << 30) /* what their logs may take together */
#define JOB_ARGV_MAX_BYTES (256 * 1024)

/* Fills directory with the job's own folder. 0, or -1 when there is none of that id in this account. */
int job_folder_of(const char *id, char directory[FS_PATH_BYTES]);

/* Gives the record an id, makes its folder and puts record, argv and cwd into it; clears out old folders before.
 * 0, or -1 with a sentence and nothing left behind. */
int job_folder_make(struct job_record *record, char *const argv[], const char *cwd, char *why, size_t cap);
void job_folder_remove(const char *id);

/* The record on disk. 0 or errno. */
int job_folder_save(const char *directory, const struct job_record *record);
int job_folder_load(const char *directory, struct job_record *record);

/* Says that this process is the supervisor. 0 or errno. */
int job_folder_claim(const char *directory);
/* Its record says so, or nobody is there any more who could ever change it: killed, or the host was restarted. */
bool job_folder_is_over(const char *directory, const struct job_record *record);

/* argv (one allocation, NULL-terminated) and cwd as they were at the start. 0 or errno. */
int job_folder_argv(const char *directory, char ***argv, char cwd[FS_PATH_BYTES]);

#endif
