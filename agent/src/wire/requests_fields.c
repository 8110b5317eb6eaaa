/* What requests have in common: how fields are read, who may, and the answer that has nothing to add. */

#include "wire/requests_fields.h"

#include <stdio.h>

#include "base/failure.h"
#include "base/reply.h"
#include "journal/audit.h"
#include "json.h"
#include "state/rights.h"

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
    if (min == -JSON_INTEGER_MAX)
        snprintf(what, sizeof what, "a whole number");
    else
        snprintf(what, sizeof what, "a whole number from %lld to %lld", (long long)min, (long long)max);
    return request_bad(r, key, what);
}

int request_may_bool(struct request *r, const char *key, bool *out)
{
    int found = json_get_bool(&r->object, key, out);
    return found >= 0 ? found : request_bad(r, key, "true or false");
}

int request_need(struct request *r, enum verb verb)
{
    if (rights_may(r->agent, r->peer->uid, verb, OWNED_BY_NOBODY)) return 0;
    return rights_refuse(r->agent, r->peer->name, verb, &r->failure);
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
