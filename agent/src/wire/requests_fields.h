/* One request as it is worked on, its fields and its answer. */
#ifndef TRANCHE_REQUESTS_FIELDS_H
#define TRANCHE_REQUESTS_FIELDS_H

#include "base/failure.h"
#include "journal/audit.h"
#include "json.h"
#include "state/agent_state.h"
#include "state/peer.h"
#include "state/rights.h"

struct request {
    struct agent *agent;
    struct peer *peer;
    int64_t id; /* -1: none that could be read */
    const char *op;
    struct json_object object;
    struct json_writer *out;
    struct failure failure;
};

/* Fields of the request. Each returns -1 with a failure for what is not right. */
int request_bad(struct request *r, const char *key, const char *what); /* always -1 */
int request_need_text(struct request *r, const char *key, const char **out);
int request_may_text(struct request *r, const char *key, const char **out); /* *out is NULL when it is absent */
/* 1 present, 0 absent. A min of -JSON_INTEGER_MAX is no bound to tell of. */
int request_may_integer(struct request *r, const char *key, int64_t min, int64_t max, int64_t *out);
int request_may_bool(struct request *r, const char *key, bool *out); /* 1 present, 0 absent */
/* 0 where who asks may do it to everybody's things, else -1 with the refusal. */
int request_need(struct request *r, enum verb verb);
/* Who edits, as the audit keeps it. */
struct editor request_editor(const struct request *r);
/* The answer of what has nothing to say but that it was done. Returns 0. */
int request_ok(struct request *r);

#endif
