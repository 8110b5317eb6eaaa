#include "slices/edit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/failure.h"
#include "base/now.h"
#include "base/people.h"
#include "fs.h"
#include "journal/audit.h"
#include "json.h"
#include "region.h"
#include "slices/edit_commit.h"
#include "slices/edit_forget.h"
#include "slices/edit_move.h"
#include "slices/edit_rules.h"
#include "slices/measure.h"
#include "slices/policy.h"
#include "state/admission.h"
#include "state/agent_state.h"
#include "state/quota.h"
#include "state/slice.h"
#include "state/slice_settings.h"
#include "state/undo.h"
#include "text.h"

struct slice *edit_target(struct agent *agent, const char *id, int64_t revision, struct failure *failure)
{
    struct slice *slice = slice_find(&agent->slices, id);
    if (!slice || slice->r.deleted) {
        fail(failure, "unknown-slice", "There is no slice %s on %s; nothing was changed. Refresh and try again.", id,
             agent->host_name);
        return NULL;
    }
    if (revision >= 0 && slice->r.revision != (uint64_t)revision) {
        fail(failure, "changed-since",
             "%s was changed by %s %" PRId64 " s ago, after what you saw; nothing was changed now. Look again, then "
             "repeat the edit.",
             slice->r.name, slice->r.changed_by, (now_wall_ms() - slice->r.changed_at_ms) / 1000);
        return NULL;
    }
    return slice;
}

static int check_name(struct agent *agent, const char *name, const struct slice *self, struct failure *failure)
{
    if (!text_is_slice_name(name)) {
        return fail(failure, "bad-name",
                    "A slice's name is 1 to 40 letters, digits, dots, dashes or underscores and "
                    "begins with a letter or digit; nothing was changed.");
    }
    const struct slice *other = slice_find_name(&agent->slices, name);
    if (other && other != self) {
        return fail(failure, "name-taken",
                    "Another slice on %s is called %s; nothing was changed. Choose another name.", agent->host_name,
                    name);
    }
    return 0;
}

/* Applies changes to a record; values that do not fit the record's fields are refused with admission's own codes. */
static int apply_changes(struct slice_record *next, const struct slice_changes *c, struct failure *failure)
{
    struct admission bad = {.capacity_bytes = JSON_INTEGER_MAX};
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_info *info = &slice_settings[i];
        if (!c->has[i]) continue;
        if (c->value[i] < info->least || c->value[i] > info->most)
            return edit_admission_failure(failure, info->code, &bad);
        slice_setting_set(next, (enum slice_setting)i, c->value[i]);
    }
    return 0;
}

/* A limit below the use kills nothing: nothing new is admitted above it, and the slice is shown as shrinking. */
static void note_shrink(struct slice *slice, struct slice_record *next)
{
    uint64_t shown = slice->r.shrinks_from_bytes ? slice->r.shrinks_from_bytes : slice->r.memory_limit_bytes;
    bool waits = next->memory_limit_bytes < shown && next->memory_limit_bytes < measure_total(slice);
    next->shrinks_from_bytes = waits ? shown : 0;
}

static void default_name(struct agent *agent, const char *owner, char out[SLICE_NAME_BYTES])
{
    char base[33];
    size_t n = 0;
    for (const char *s = owner; *s && n < sizeof base - 1; s++) {
        char one[2] = {*s, '\0'};
        bool plain = n == 0 ? text_is_slice_name(one) : text_is_slice_name(one) || strchr("._-", *s);
        if (plain) base[n++] = *s;
    }
    base[n] = '\0';
    for (unsigned i = 1; i <= SLICES_MAX + 1; i++) {
        snprintf(out, SLICE_NAME_BYTES, "%s-%u", n > 0 ? base : "slice", i);
        if (!slice_find_name(&agent->slices, out)) return;
    }
}

static int find_owner(const char *owner, const struct editor *editor, struct slice_record *next,
                      struct failure *failure)
{
    if (!owner) {
        text_copy(next->owner, sizeof next->owner, editor->name);
        next->owner_uid = editor->uid;
        return 0;
    }
    if (strlen(owner) >= OWNER_BYTES || people_uid_of(owner, &next->owner_uid) != 0) {
        char shown[80];
        text_sanitize(shown, sizeof shown, owner, strlen(owner));
        return fail(failure, "unknown-owner", "There is no user %s on this host; nothing was changed.", shown);
    }
    text_copy(next->owner, sizeof next->owner, owner);
    return 0;
}

static int prepare_create(struct agent *agent, const struct slice_changes *c, const struct editor *editor,
                          struct slice_record *next, struct failure *failure)
{
    uint64_t random;
    if (agent->gpu_count == 0)
        return fail(failure, "no-gpu", "%s has no GPU to cut: %s.", agent->host_name, agent->gpu_note);
    if (!agent_gpu(agent, c->gpu_uuid)) {
        return fail(failure, "unknown-gpu", "There is no GPU with that UUID on %s; nothing was created.",
                    agent->host_name);
    }
    if (find_owner(c->owner, editor, next, failure) != 0) return -1;
    text_copy(next->gpu_uuid, sizeof next->gpu_uuid, c->gpu_uuid);
    if (c->name) {
        if (check_name(agent, c->name, NULL, failure) != 0) return -1;
        text_copy(next->name, sizeof next->name, c->name);
    } else {
        default_name(agent, next->owner, next->name);
    }
    if (apply_changes(next, c, failure) != 0 || edit_check_admission(agent, next, NULL, failure) != 0) return -1;
    if (!editor->over_quota && quota_check(agent, next, NULL, failure) != 0) return -1;
    size_t present = 0;
    for (size_t i = 0; i < agent->slices.count; i++) present += !agent->slices.items[i]->r.deleted;
    if (present >= SLICES_MAX || edit_take_board_slot(agent, next->gpu_uuid, &next->board_slot) != 0) {
        return fail(failure, "too-many-slices",
                    "No more slices fit on this %s; nothing was created. Delete one first.",
                    present >= SLICES_MAX ? "host" : "GPU");
    }
    if (fs_random(&random, sizeof random) != 0)
        return fail(failure, "internal", "The system gave no random numbers; nothing was created.");
    snprintf(next->id, sizeof next->id, "s-%016" PRIx64, random);
    next->created_at_ms = now_wall_ms();
    return 0;
}

int edit_create(struct agent *agent, const struct slice_changes *c, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure)
{
    struct slice_record next = {.priority = REGION_PRIORITY_NORMAL,
                                .gate = SLICE_GATE_PROGRAMS,
                                .starts_at_ms = NO_TIME,
                                .expires_at_ms = NO_TIME};
    if (prepare_create(agent, c, editor, &next, failure) != 0) return -1;
    struct slice_record nothing = next;
    nothing.deleted = true;
    text_copy(nothing.changed_by, sizeof nothing.changed_by, editor->name);
    struct slice *slice = slice_add(&agent->slices, &nothing);
    if (!slice) return fail(failure, "internal", "The agent is out of memory; nothing was created.");
    /* Files first: files without a record are harmless, a record without files is a slice that limits nothing. */
    int error = policy_open(agent, slice);
    int result = error != 0 ? fail(failure, "state-not-saved",
                                   "The slice's files could not be made in %s (%s), so it was not created.",
                                   agent->places.runtime, strerror(error))
                            : edit_commit(agent, slice, &next, editor, reply, failure);
    if (result != 0) {
        policy_close(agent, slice, true);
        slice_remove(&agent->slices, slice);
        return -1;
    }
    measure_slice(agent, slice, now_mono_ms());
    return 0;
}

int edit_resize(struct agent *agent, struct slice *slice, const struct slice_changes *c, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure)
{
    struct slice_record next = slice->r;
    if (apply_changes(&next, c, failure) != 0 || edit_check_admission(agent, &next, slice, failure) != 0) return -1;
    if (!editor->over_quota && quota_check(agent, &next, slice, failure) != 0) return -1;
    if (c->has[SETTING_memory_limit_bytes]) {
        measure_slice(agent, slice, now_mono_ms());
        uint64_t used = measure_total(slice);
        if (c->refuse_below_use && next.memory_limit_bytes < used) {
            char use[32], limit[32];
            return fail(failure, "below-use",
                        "%s uses %s, more than the new limit of %s; the limit was left as it was.", slice->r.name,
                        text_gib(use, sizeof use, used), text_gib(limit, sizeof limit, next.memory_limit_bytes));
        }
        note_shrink(slice, &next);
    }
    return edit_commit(agent, slice, &next, editor, reply, failure);
}

int edit_assign(struct agent *agent, struct slice *slice, const char *owner, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure)
{
    struct slice_record next = slice->r;
    if (find_owner(owner, editor, &next, failure) != 0) return -1;
    next.suspended = false; /* the directory has just confirmed that this name has this uid */
    if (!editor->over_quota && quota_check(agent, &next, slice, failure) != 0) return -1;
    if (next.owner_uid == slice->r.owner_uid) return edit_commit(agent, slice, &next, editor, reply, failure);
    return edit_commit_hand_over(agent, slice, &next, editor, reply, failure);
}

int edit_rename(struct agent *agent, struct slice *slice, const char *name, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure)
{
    struct slice_record next = slice->r;
    if (check_name(agent, name, slice, failure) != 0) return -1;
    text_copy(next.name, sizeof next.name, name);
    return edit_commit(agent, slice, &next, editor, reply, failure);
}

static int refuse_in_use(struct agent *agent, struct slice *slice, struct failure *failure)
{
    measure_slice(agent, slice, now_mono_ms());
    uint32_t count = slice->m.process_count + slice->inherited_count;
    if (count == 0) return 0;
    return fail(failure, "slice-in-use",
                "%u %s in %s; it was not deleted. Stop them first, or delete it with its "
                "processes: they keep what they hold and get nothing more.",
                count, count == 1 ? "process is" : "processes are", slice->r.name);
}

int edit_delete(struct agent *agent, struct slice *slice, bool with_processes, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure)
{
    if (!with_processes && refuse_in_use(agent, slice, failure) != 0) return -1;
    struct slice_record next = slice->r;
    next.deleted = true;
    return edit_commit(agent, slice, &next, editor, reply, failure);
}

int edit_undo(struct agent *agent, const char *token, const struct editor *editor, struct edit_reply *reply,
              struct failure *failure)
{
    int64_t now_ms = now_wall_ms();
    struct undo_entry *entry = undo_find(&agent->slices, token, now_ms);
    struct slice *slice = entry ? slice_find(&agent->slices, entry->before.id) : NULL;
    if (!slice) {
        return fail(failure, "undo-expired",
                    "That edit can no longer be undone (ten minutes have passed); nothing was changed.");
    }
    if (slice->r.revision != entry->after_revision) {
        return fail(failure, "changed-since",
                    "%s was changed since by %s, %" PRId64 " s ago; the edit was not undone.", slice->r.name,
                    slice->r.changed_by, (now_ms - slice->r.changed_at_ms) / 1000);
    }
    struct slice_record next = entry->before;
    next.board_slot = slice->r.board_slot;
    next.generation = slice->r.generation;
    bool same = next.owner_uid == slice->r.owner_uid;
    next.suspended = same ? slice->r.suspended : !people_agree(next.owner_uid, next.owner);
    if (next.deleted) {
        if (!slice->r.deleted && refuse_in_use(agent, slice, failure) != 0) return -1;
    } else {
        if (check_name(agent, next.name, slice, failure) != 0) return -1;
        if (edit_check_admission(agent, &next, slice, failure) != 0) return -1;
        if (!editor->over_quota && quota_check(agent, &next, slice, failure) != 0) return -1;
    }
    measure_slice(agent, slice, now_mono_ms());
    note_shrink(slice, &next);
    if (strcmp(next.gpu_uuid, slice->r.gpu_uuid) != 0)
        return edit_commit_move(agent, slice, &next, editor, reply, failure);
    if (next.owner_uid != slice->r.owner_uid)
        return edit_commit_hand_over(agent, slice, &next, editor, reply, failure);
    return edit_commit(agent, slice, &next, editor, reply, failure);
}
