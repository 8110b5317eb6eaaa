/* What the files of the requests share: one request as it is worked on, its fields and its answer, and the operations.
 * An operation returns 0 and has answered, or -1 with a failure, which requests.c answers. */
#ifndef TRANCHE_REQUESTS_PARTS_H
#define TRANCHE_REQUESTS_PARTS_H

#include "audit.h"
#include "peer.h"
#include "reply.h"

struct request {
    struct agent *agent;
    struct peer *peer;
    int64_t id; /* -1: none that could be read */
    const char *op;
    struct json_object object;
    struct json_writer *out;
    struct failure failure;
};

/* requests_fields.c: fields of the request. Each returns -1 with a failure for what is not right. */
int request_bad(struct request *r, const char *key, const char *what); /* always -1 */
int request_need_text(struct request *r, const char *key, const char **out);
int request_may_text(struct request *r, const char *key, const char **out); /* *out is NULL when it is absent */
/* 1 present, 0 absent. A min of -JSON_INTEGER_MAX is no bound to tell of. */
int request_may_integer(struct request *r, const char *key, int64_t min, int64_t max, int64_t *out);
int request_may_bool(struct request *r, const char *key, bool *out); /* 1 present, 0 absent */
int request_need_operator(struct request *r);
/* Who edits, as the audit keeps it. */
struct editor request_editor(const struct request *r);
/* The answer of what has nothing to say but that it was done. Returns 0. */
int request_ok(struct request *r);

/* requests_session.c */
int op_hello(struct request *r);
int op_subscribe(struct request *r);
int op_unsubscribe(struct request *r);

/* requests_slices.c */
int op_slice_create(struct request *r);
int op_slice_resize(struct request *r);
int op_slice_assign(struct request *r);
int op_slice_rename(struct request *r);
int op_slice_move(struct request *r);
int op_slice_delete(struct request *r);
int op_undo(struct request *r);

/* requests_records.c */
int op_history(struct request *r);
int op_audit(struct request *r);
int op_hours(struct request *r);

/* requests_processes.c */
int op_process_stop(struct request *r);

/* requests_host.c */
int op_operators_set(struct request *r);
int op_settings_set(struct request *r);
int op_quota_set(struct request *r);
int op_gpu_concurrent(struct request *r);
int op_doctor(struct request *r);
int op_shutdown(struct request *r);

/* requests_jobs.c: all that begin with job- */
int op_job(struct request *r);

#endif
