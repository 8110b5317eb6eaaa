#include "slices/owners.h"

#include "base/people.h"
#include "log.h"
#include "slices/policy.h"
#include "state/agent_state.h"
#include "state/operators.h"
#include "state/slice.h"

void owners_check(struct agent *agent, int64_t mono_ms)
{
    if (agent->people_checked_ms != 0 && mono_ms - agent->people_checked_ms < PEOPLE_CHECK_MS) return;
    agent->people_checked_ms = mono_ms;
    people_forget();
    operators_check(agent);
    for (size_t i = 0; i < agent->slices.count; i++) {
        struct slice *slice = agent->slices.items[i];
        if (slice->r.deleted) continue;
        bool suspended = !people_agree(slice->r.owner_uid, slice->r.owner);
        if (suspended == slice->r.suspended) continue;
        slice->r.suspended = suspended;
        agent->state_dirty = true;
        log_line("slice %s is %s: uid %u and the name %s", slice->r.id, suspended ? "suspended" : "open again",
                 (unsigned)slice->r.owner_uid, slice->r.owner);
        policy_apply(agent, slice);
    }
}
