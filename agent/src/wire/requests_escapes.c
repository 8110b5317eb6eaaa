/* The rule for processes outside every slice (docs/escapes.md). */

#include <stdio.h>
#include <string.h>

#include "base/failure.h"
#include "base/reply.h"
#include "cards/escapes.h"
#include "journal/audit.h"
#include "json.h"
#include "state/agent_state.h"
#include "state/escape_rule.h"
#include "text.h"
#include "wire/operations.h"
#include "wire/requests_fields.h"

/* What is not given stays as it is. */
int op_escapes_set(struct request *r)
{
    struct escape_settings next = r->agent->escape_settings;
    const char *rule, *exempt;
    char detail[TEXT_SHOWN_BYTES];
    if (request_may_text(r, "rule", &rule) < 0 || request_may_text(r, "exempt", &exempt) < 0 ||
        request_may_integer(r, "graceSeconds", 0, ESCAPE_GRACE_MAX_S, &next.grace_seconds) < 0)
        return -1;
    if (rule && escape_rule_parse(rule, &next.rule) != 0)
        return request_bad(r, "rule", "\"report\", \"charge\", \"stop\" or \"end\"");
    if (exempt && !text_copy(next.exempt, sizeof next.exempt, exempt))
        return request_bad(r, "exempt", "a list of less than 1024 bytes");
    bool is_another = next.rule != r->agent->escape_settings.rule;
    if (escape_rule_set(r->agent, &next, &r->failure) != 0) return -1;
    if (is_another) escapes_rule_changed(r->agent);
    struct editor editor = request_editor(r);
    snprintf(detail, sizeof detail, "%s, %lld s to end, exempt: %.160s", escape_rule_name(next.rule),
             (long long)next.grace_seconds, next.exempt[0] ? next.exempt : "nobody");
    audit_setting(r->agent, &editor, detail);
    r->agent->state_dirty = true;
    return request_ok(r);
}
