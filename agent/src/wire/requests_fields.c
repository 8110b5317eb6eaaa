/* What requests have in common: how fields are read, who may, and the answer that has nothing to add. */

#include "wire/requests_fields.h"

#include <stdio.h>

#include "base/failure.h"
#include "base/reply.h"
#include "journal/audit.h"
#include "json.h"

int request_bad(struct request *r, const char *key, const char *what)
{
    return fail_field(&r->failure, key, what);
}

int request_need_text(struct request *r, const char *key, const char **out)
{
    return json_get_text(&r->object, key, out) == 1 ? 0 : request_bad(r, key, "text");
}

int request_may_text(struct request *r, const char *key, const char **out)
{
    *out = NULL;
    return json_get_text(&r->object, key, out) >= 0 ? 0 : request_bad(r, key, "text or null");
}

int request_may_integer(struct request *r, const char *key, int64_t min, int64_t max, int64_t *out)
{
    int found = json_get_integer(&r->object, key, min, max, out);
    if (found >= 0) return found;
    char what[96];
    if (min == -JSON_INTEGER_MAX) {
        snprintf(what, sizeof what, "a whole number");
    } else {
        snprintf(what, sizeof what, "a whole number from %lld to %lld", (long long)min, (long long)max);
    }
    return request_bad(r, key, what);
}

int request_may_bool(struct request *r, const char *key, bool *out)
{
    int found = json_get_bool(&r->object, key, out);
    return found >= 0 ? found : request_bad(r, key, "true or false");
}

int request_need_operator(struct request *r)
{
    if (r->peer->is_operator) return 0;
    return fail(
        &r->failure, "not-permitted",
        "%s manages the GPUs of %s and may change them; you are %s and may use slices that you own. Nothing was "
        "changed. Ask %s.",
        r->agent->manager_name, r->agent->host_name, r->peer->name, r->agent->manager_name);
}

struct editor request_editor(const struct request *r)
{
    bool over_quota = false; /* anything but true is no */
    json_get_bool(&r->object, "overQuota", &over_quota);
    return (struct editor){.uid = r->peer->uid,
                           .name = r->peer->name,
                           .action = r->op,
                           .over_quota = over_quota,
                           .claimed_from = r->peer->claimed_from};
}

int request_ok(struct request *r)
{
    reply_begin(r->out, r->id);
    json_end_line(r->out);
    return 0;
}
