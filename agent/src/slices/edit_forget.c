#include "slices/edit_forget.h"

#include <string.h>

#include "base/now.h"
#include "log.h"
#include "region.h"
#include "slices/measure.h"
#include "slices/measure_left.h"
#include "slices/policy.h"
#include "state/agent_state.h"
#include "state/slice.h"
#include "state/slice_store.h"
#include "state/undo.h"
#include "text.h"

#define PRUNE_INTERVAL_MS 30000

static void forget(struct agent *agent, struct slice *slice)
{
    undo_forget(&agent->slices, slice->r.id);
    policy_close(agent, slice, true);
    slice_remove(&agent->slices, slice);
}

void edit_forget_left(struct agent *agent)
{
    for (size_t i = 0; i < agent->slices.count;) {
        struct slice *left = agent->slices.items[i++];
        if (!slice_is_left(&left->r) || left->m.process_count > 0) continue;
        /* Closed first, counted then: a program that had the page open and was not counted gets nothing through it. */
        policy_shut(left);
        measure_slice(agent, left, now_mono_ms());
        if (left->m.process_count > 0) {
            policy_apply(agent, left);
            continue;
        }
        char id[REGION_ID_BYTES], gpu_uuid[REGION_UUID_BYTES];
        text_copy(id, sizeof id, left->r.successor);
        text_copy(gpu_uuid, sizeof gpu_uuid, left->r.gpu_uuid);
        forget(agent, left);
        i = 0;
        measure_inherited(agent, gpu_uuid, now_mono_ms());
        struct slice *successor = slice_find(&agent->slices, id);
        if (successor) policy_apply(agent, successor);
        agent->pending_unsaved = true;
    }
}

/* A free line, or else the oldest deleted slice's. */
int edit_take_board_slot(struct agent *agent, const char *gpu_uuid, uint32_t *slot)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        bool used[REGION_BOARD_SLOTS] = {false};
        struct slice *oldest = NULL;
        for (size_t i = 0; i < agent->slices.count; i++) {
            struct slice *s = agent->slices.items[i];
            if (strcmp(s->r.gpu_uuid, gpu_uuid) != 0) continue;
            if (s->r.board_slot < REGION_BOARD_SLOTS) used[s->r.board_slot] = true;
            bool idle = s->r.deleted && s->m.usage_known && s->m.process_count == 0;
            if (idle && (!oldest || s->r.changed_at_ms < oldest->r.changed_at_ms)) oldest = s;
        }
        for (uint32_t i = 0; i < REGION_BOARD_SLOTS; i++) {
            if (used[i]) continue;
            *slot = i;
            return 0;
        }
        if (!oldest) return -1;
        forget(agent, oldest);
    }
    return -1;
}

void edit_prune(struct agent *agent, int64_t mono_ms)
{
    if (mono_ms < agent->prune_at_ms) return;
    agent->prune_at_ms = mono_ms + PRUNE_INTERVAL_MS;
    bool changed = undo_expire(&agent->slices, now_wall_ms()) || agent->pending_unsaved;
    for (size_t i = 0; i < agent->slices.count;) {
        struct slice *slice = agent->slices.items[i];
        bool gone = slice->r.deleted && !slice_is_left(&slice->r) && !undo_mentions(&agent->slices, slice->r.id) &&
                    slice->m.process_count == 0;
        if (!gone) {
            i++;
            continue;
        }
        forget(agent, slice);
        changed = true;
    }
    if (!changed) return;
    int error = slice_store_save(&agent->slices, agent->places.state);
    /* No acknowledged edit is lost by this; the next edit writes the file again. */
    if (error != 0) log_line("state not saved: %s", strerror(error));
    agent->pending_unsaved = error != 0;
}
