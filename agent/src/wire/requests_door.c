/* The door: what is set for it, and setting it. */

#include <stdio.h>
#include <string.h>

#include "base/failure.h"
#include "base/reply.h"
#include "cards/doorman.h"
#include "journal/audit.h"
#include "json.h"
#include "state/agent_state.h"
#include "state/door_settings.h"
#include "wire/operations.h"
#include "wire/requests_fields.h"

int op_door(struct request *r)
{
    const struct agent *agent = r->agent;
    reply_begin(r->out, r->id);
    doorman_put(agent, r->out);
    json_put_text(r->out, "set", door_mode_word(agent->door_settings->mode));
    door_settings_put(agent->door_settings, r->out);
    json_end_line(r->out);
    return 0;
}

int op_door_set(struct request *r)
{
    struct door_settings next = *r->agent->door_settings;
    const char *mode, *services, *exempt;
    if (request_may_text(r, "mode", &mode) != 0 || request_may_text(r, "services", &services) != 0 ||
        request_may_text(r, "exempt", &exempt) != 0)
        return -1;
    if (!mode && !services && !exempt) return request_bad(r, "mode", "given, or services, or exempt");
    /* What is not said stays as it was set, and that is not known. */
    if (next.is_damaged && !mode) {
        return fail(&r->failure, "bad-request",
                    "What was set for the door is lost, so its mode has to be set with the "
                    "services and people; nothing was changed.");
    }
    if (mode && !door_mode_of(mode, &next.mode)) return request_bad(r, "mode", "off, watch or on");
    if (services && door_settings_services(&next, services, &r->failure) != 0) return -1;
    if (exempt && door_settings_exempt(&next, exempt, &r->failure) != 0) return -1;
    if (doorman_set(r->agent, &next, &r->failure) != 0) return -1;
    char detail[256];
    snprintf(detail, sizeof detail, "door %s, %zu services and %zu people let through%s%.120s",
             door_mode_word(next.mode), next.service_count, next.exempt_count, exempt ? ": " : "",
             exempt ? exempt : "");
    struct editor editor = request_editor(r);
    audit_setting(r->agent, &editor, detail);
    return request_ok(r);
}
