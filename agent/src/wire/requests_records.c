/* What was kept: readings, edits, GPU-hours. */

#include "wire/requests_records.h"

#include <string.h>

#include "base/failure.h"
#include "base/now.h"
#include "base/reply.h"
#include "journal/audit.h"
#include "json.h"
#include "records/history.h"
#include "records/hours.h"
#include "state/agent_state.h"
#include "state/peer.h"
#include "state/slice.h"
#include "wire/operations.h"
#include "wire/requests_fields.h"

#define HOURS_DAYS_DEFAULT 7

int op_history(struct request *r)
{
    const char *gpu, *slice_id;
    int64_t from, to, max;
    if (request_may_text(r, "gpuUuid", &gpu) != 0 || request_may_text(r, "sliceId", &slice_id) != 0) return -1;
    if (!gpu == !slice_id) return request_bad(r, "gpuUuid or sliceId", "given, and not both");
    if (request_may_integer(r, "fromMs", 0, JSON_INTEGER_MAX, &from) != 1) return request_bad(r, "fromMs", "a time");
    if (request_may_integer(r, "toMs", 0, JSON_INTEGER_MAX, &to) != 1) return request_bad(r, "toMs", "a time");
    if (request_may_integer(r, "maxPoints", 1, HISTORY_POINTS_MAX, &max) != 1)
        return request_bad(r, "maxPoints", "a whole number from 1 to 2000");
    if (gpu && !agent_gpu(r->agent, gpu))
        return fail(&r->failure, "unknown-gpu", "There is no GPU with that UUID on %s.", r->agent->host_name);
    if (slice_id) {
        struct slice *slice = slice_find(&r->agent->slices, slice_id);
        if (!slice || slice->r.deleted)
            return fail(&r->failure, "unknown-slice", "There is no such slice on %s.", r->agent->host_name);
    }
    if (r->peer->job_count == HISTORY_JOBS_MAX) {
        return fail(&r->failure, "busy", "%d history requests are already waiting; ask again when they are answered.",
                    HISTORY_JOBS_MAX);
    }
    struct history_job *job = history_query(r->agent, gpu ? gpu : slice_id, gpu, from, to, (size_t)max);
    if (!job) return fail(&r->failure, "internal", "The agent is out of memory; ask for less.");
    job->request_id = r->id;
    r->peer->jobs[r->peer->job_count++] = job;
    return 0;
}

void request_history_done(struct peer *peer, const struct history_job *job)
{
    struct json_writer *w = &peer->replies;
    reply_begin(w, job->request_id);
    json_put_integer(w, "points", (int64_t)job->count);
    json_end_line(w);
}

int op_audit(struct request *r)
{
    struct audit_query q = {.from_ms = 0, .to_ms = JSON_INTEGER_MAX, .before_seq = JSON_INTEGER_MAX};
    int64_t max = AUDIT_RECORDS_MAX;
    if (request_may_text(r, "sliceId", &q.slice_id) != 0) return -1;
    if (request_may_integer(r, "fromMs", 0, JSON_INTEGER_MAX, &q.from_ms) < 0 ||
        request_may_integer(r, "toMs", 0, JSON_INTEGER_MAX, &q.to_ms) < 0 ||
        request_may_integer(r, "beforeSeq", 0, JSON_INTEGER_MAX, &q.before_seq) < 0 ||
        request_may_integer(r, "maxRecords", 1, AUDIT_RECORDS_MAX, &max) < 0)
        return -1;
    q.max = (size_t)max;
    struct json_mark mark = json_mark(r->out);
    reply_begin(r->out, r->id);
    int error = audit_read(r->agent, &q, r->out);
    if (error != 0) {
        json_rewind(r->out, mark);
        return fail(&r->failure, "internal", "The audit in %s could not be read: %s.", r->agent->places.state,
                    strerror(error));
    }
    json_end_line(r->out);
    return 0;
}

int op_hours(struct request *r)
{
    int64_t days = HOURS_DAYS_DEFAULT, today = now_wall_ms() / DAY_MS;
    if (request_may_integer(r, "days", 1, HOURS_DAYS, &days) < 0) return -1;
    reply_begin(r->out, r->id);
    json_put_integer(r->out, "sinceMs", (today - days + 1) * DAY_MS);
    hours_put(r->agent, today, days, r->out);
    json_end_line(r->out);
    return 0;
}
