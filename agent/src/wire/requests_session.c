/* How a session with the agent begins, and what it is sent from then on. */
#include "base/failure.h"
#include "base/now.h"
#include "base/places.h"
#include "base/reply.h"
#include "base/version.h"
#include "json.h"
#include "region.h"
#include "slices/scopes.h"
#include "state/agent_state.h"
#include "state/rights.h"
#include "wire/operations.h"
#include "wire/requests_fields.h"

#define SAMPLE_INTERVAL_MIN_MS 100
#define SAMPLE_INTERVAL_MAX_MS 60000
#define SAMPLE_INTERVAL_DEFAULT_MS 500

int op_hello(struct request *r)
{
    struct agent *agent = r->agent;
    int64_t min, max;
    if (request_may_integer(r, "protocolMin", 0, 1000000, &min) != 1 ||
        request_may_integer(r, "protocolMax", 0, 1000000, &max) != 1)
        return r->failure.code ? -1 : request_bad(r, "protocolMin", "present, and protocolMax too");
    if (min > PROTOCOL_VERSION || max < PROTOCOL_VERSION) {
        return fail(&r->failure, "protocol-mismatch",
                    "The agent on %s (" TRANCHE_VERSION ") speaks protocol %d and the desktop %lld to %lld. Upgrade "
                    "the older one.",
                    agent->host_name, PROTOCOL_VERSION, (long long)min, (long long)max);
    }
    struct json_writer *w = r->out;
    reply_begin(w, r->id);
    json_put_integer(w, "protocol", PROTOCOL_VERSION);
    json_put_text(w, "agentVersion", TRANCHE_VERSION);
    json_put_integer(w, "regionAbi", REGION_ABI);
    json_put_text(w, "arch", TRANCHE_ARCH);
    json_put_text(w, "hostName", agent->host_name);
    json_put_text(w, "machineId", agent->places.machine_id);
    json_put_text(w, "bootId", agent->places.boot_id);
    json_put_text(w, "scope", agent->places.scope == SCOPE_SYSTEM ? "system" : "user");
    json_put_integer(w, "managerUid", agent->places.uid);
    json_put_text(w, "managerName", agent->manager_name);
    json_put_integer(w, "yourUid", r->peer->uid);
    json_put_text(w, "yourName", r->peer->name);
    json_put_bool(w, "operator", rights_may(agent, r->peer->uid, VERB_CHANGE_SLICES, OWNED_BY_NOBODY));
    rights_put(agent, r->peer->uid, w);
    json_put_text(w, "driver", agent->driver[0] ? agent->driver : NULL);
    json_put_text(w, "gpuNote", agent->gpu_note[0] ? agent->gpu_note : NULL);
    json_put_bool(w, "simulated", agent->simulation);
    json_put_bool(w, "scopes", !scopes_why_not(agent));
    json_put_text(w, "runtimeDir", agent->places.runtime);
    json_put_text(w, "shimPath", r->peer->shim_path[0] ? r->peer->shim_path : NULL);
    json_put_integer(w, "hostTimeMs", now_wall_ms());
    json_end_line(w);
    return 0;
}

int op_subscribe(struct request *r)
{
    int64_t interval = SAMPLE_INTERVAL_DEFAULT_MS;
    if (request_may_integer(r, "sampleIntervalMs", SAMPLE_INTERVAL_MIN_MS, SAMPLE_INTERVAL_MAX_MS, &interval) < 0)
        return -1;
    r->peer->subscribed = true;
    r->peer->wants_state = r->peer->wants_jobs = true;
    r->peer->interval_ms = (int32_t)interval;
    r->peer->due_at_ms = 0;
    return request_ok(r);
}

int op_unsubscribe(struct request *r)
{
    r->peer->subscribed = r->peer->wants_state = r->peer->wants_jobs = false;
    return request_ok(r);
}
