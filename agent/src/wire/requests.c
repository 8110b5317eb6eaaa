/* The door of the requests: a line is read, its operation found in the table, and what it refuses is answered here. */

#include "wire/requests.h"

#include <string.h>

#include "base/failure.h"
#include "base/reply.h"
#include "base/version.h"
#include "journal/audit.h"
#include "json.h"
#include "state/agent_state.h"
#include "state/peer.h"
#include "state/rights.h"
#include "state/slice.h"
#include "text.h"
#include "wire/operations.h"
#include "wire/requests_fields.h"

static const struct {
    const char *name;
    int (*run)(struct request *);
    enum verb verb;
    bool kept;
} ops[] = {
#define REQUEST(name, run, verb, kept) {name, run, VERB_##verb, kept},
#include "wire/requests.def"
#undef REQUEST
};

static void keep_refusal(struct request *r)
{
    const char *id;
    if (strcmp(r->failure.code, "not-permitted") != 0) return;
    struct slice *slice = json_get_text(&r->object, "sliceId", &id) == 1 ? slice_find(&r->agent->slices, id) : NULL;
    if (slice && slice->r.deleted) slice = NULL;
    struct editor editor = request_editor(r);
    audit_refused(r->agent, &editor, r->failure.code, slice);
}

/* Sent by `tranche attach` and our command line before anything else; has no id and no reply. */
static bool take_introduction(struct peer *peer, const struct json_object *object)
{
    const char *op, *path;
    if (json_get(object, "id") || json_get_text(object, "op", &op) != 1 || strcmp(op, "introduce") != 0) return false;
    if (json_get_text(object, "shimPath", &path) == 1)
        text_sanitize(peer->shim_path, sizeof peer->shim_path, path, strlen(path));
    if (json_get_text(object, "from", &path) == 1)
        text_sanitize(peer->claimed_from, sizeof peer->claimed_from, path, strlen(path));
    return true;
}

/* Where it depends on whose thing it is, the operation asks itself, once it has found it. */
static int permitted(struct request *r, enum verb verb)
{
    return rights_depend_on_owner(verb) ? 0 : request_need(r, verb);
}

static int run_op(struct request *r)
{
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (strcmp(ops[i].name, r->op) != 0) continue;
        int result = permitted(r, ops[i].verb) == 0 ? ops[i].run(r) : -1;
        if (result != 0 && ops[i].kept) keep_refusal(r);
        return result;
    }
    if (strncmp(r->op, "terminal-", 9) == 0) {
        return fail(&r->failure, "upgrade-needed",
                    "Terminals are held by the tranche in your own account on %s, and that one is older than the "
                    "agent. Nothing was done; install Tranche there again.",
                    r->agent->host_name);
    }
    return fail(&r->failure, "unknown-op", "This agent (" TRANCHE_VERSION ") does not know that operation.");
}

static void refuse(const struct request *r)
{
    reply_refuse_begin(r->out, r->id, &r->failure);
    if (strcmp(r->failure.code, "protocol-mismatch") == 0) {
        json_put_integer(r->out, "protocolMin", PROTOCOL_VERSION);
        json_put_integer(r->out, "protocolMax", PROTOCOL_VERSION);
    }
    json_end_line(r->out);
}

void request_line(struct agent *agent, struct peer *peer, char *line, size_t len)
{
    struct request r = {.agent = agent, .peer = peer, .id = -1, .out = &peer->replies};
    const char *why;
    int result = -1;
    if (json_parse_flat(line, len, &r.object, &why) != 0) {
        fail(&r.failure, "bad-request", "The request could not be read: %s. Nothing was done.", why);
    } else if (take_introduction(peer, &r.object)) {
        return;
    } else if (json_get_integer(&r.object, "id", 0, JSON_INTEGER_MAX, &r.id) != 1) {
        r.id = -1;
        request_bad(&r, "id", "a whole number");
    } else if (json_get_text(&r.object, "op", &r.op) != 1) {
        request_bad(&r, "op", "text");
    } else {
        result = run_op(&r);
    }
    if (result != 0) refuse(&r);
}

void request_too_long(struct agent *agent, struct peer *peer)
{
    struct failure failure;
    (void)agent;
    fail(&failure, "line-too-long", "A request is at most %u bytes long; the connection ends.",
         REQUEST_LINE_MAX_BYTES);
    reply_refuse(&peer->replies, -1, &failure);
}
