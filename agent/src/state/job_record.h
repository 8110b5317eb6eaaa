/* What is known of one job: the same record in the folder of its user, on the way to the agent and in the agent's list. */
#ifndef TRANCHE_JOB_RECORD_H
#define TRANCHE_JOB_RECORD_H

#include "json.h"
#include "region.h"
#include "state/queue.h"
#include "state/slice.h"
#include "text.h"

#define JOB_ID_BYTES 24
#define JOB_COMMAND_MAX_BYTES 4000 /* of a command line that a client sends; a request is 8 KiB */
#define JOB_GRACE_DEFAULT_MS 30000
#define JOB_GRACE_MAX_MS 600000

struct job_record {
    char id[JOB_ID_BYTES]; /* j- and 16 hex digits */
    char name[SLICE_NAME_BYTES];
    char slice_id[REGION_ID_BYTES];
    char command[TEXT_SHOWN_BYTES + 1]; /* to show; what is run is in the folder */
    char message[TEXT_SHOWN_BYTES + 1]; /* what went wrong, or "" */
    enum job_state state;
    enum job_priority priority;
    bool preemptible, requeue, preempts;
    int64_t min_free_bytes; /* 0: starts whatever is free */
    int64_t grace_ms;
    int64_t submitted_at_ms, started_at_ms, ended_at_ms; /* NO_TIME: not yet */
    int64_t pid;                                         /* of the program and of its process group; 0: none */
    int64_t exit_code;                                   /* -1: none */
    int64_t signal;                                      /* that ended it; 0: none */
    int64_t runs;                                        /* how often it was started */
};

bool job_id_is_good(const char *id);

/* Puts the record's fields into an object that the caller has opened. */
void job_record_put(struct json_writer *w, const struct job_record *record);

/* Takes and checks a record out of a request, a journal or a folder. 0, or -1 with the name of the field that is not
 * right in *field. */
int job_record_take(const struct json_object *object, struct job_record *record, const char **field);

/* A command line as it is shown: one line, safe. */
void job_command_shown(const char *command, char out[TEXT_SHOWN_BYTES + 1]);

/* "train" for `python3 -u src/train.py --epochs 90`: 1 to 40 characters that are a good name. */
void job_name_from(const char *command, char out[SLICE_NAME_BYTES]);

#endif
