/* A job's log on disk: segments of one size by offset, so that a reader that was away asks on where it was, and the
 * middle of a log that grows without end can go. */
#ifndef TRANCHE_JOB_LOG_H
#define TRANCHE_JOB_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs.h"

#define JOB_LOG_SEGMENT_BYTES (INT64_C(8) << 20)
#define JOB_LOG_SEGMENTS_MAX 8 /* the first and the last seven */
#define JOB_LOG_MAX_BYTES (JOB_LOG_SEGMENT_BYTES * JOB_LOG_SEGMENTS_MAX)
#define JOB_LOG_CHUNK_BYTES (32 * 1024)

struct job_log {
    char directory[FS_PATH_BYTES];
    int fd;
    int64_t offset; /* of the next byte */
    int error;      /* the last that could not be written: told in the record */
};

/* Goes on behind what is there. 0 or errno. */
int job_log_open(struct job_log *log, const char *directory);
void job_log_close(struct job_log *log);
/* What cannot be written is lost, and the program goes on. */
void job_log_write(struct job_log *log, const char *data, size_t len);

struct job_log_part {
    int64_t offset;  /* of the first byte */
    int64_t end;     /* of the log, as of now */
    int64_t skipped; /* asked for and no longer kept */
    size_t len;
};
/* Reads at most cap bytes at offset (< 0: cap bytes before the end), never across a gap. 0 or errno; a log that is not
 * there yet is empty. */
int job_log_read(const char *directory, int64_t offset, char *buf, size_t cap, struct job_log_part *part);

#endif
