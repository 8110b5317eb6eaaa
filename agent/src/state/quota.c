#include "state/quota.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failure.h"
#include "base/groups.h"
#include "base/now.h"
#include "base/people.h"
#include "base/sealed.h"
#include "fs.h"
#include "json.h"
#include "log.h"
#include "state/admission.h"
#include "state/agent_state.h"
#include "state/slice.h"
#include "text.h"

#define FILE_NAME "quotas"
#define FILE_MAX_BYTES (64 * 1024)

static struct quota *find(struct agent *agent, const char *subject)
{
    for (size_t i = 0; i < agent->quota_count; i++)
        if (strcmp(agent->quotas[i].subject, subject) == 0) return &agent->quotas[i];
    return NULL;
}

/* ---- on disk: one object a line ------------------------------------------------------------------------- */

static void put(const struct quota *q, struct json_writer *w)
{
    json_open(w, '{');
    json_put_text(w, "subject", q->subject);
    json_put_known(w, "memoryBytesMax", q->memory_bytes_max != QUOTA_NONE, q->memory_bytes_max);
    json_put_known(w, "slicesMax", q->slices_max != QUOTA_NONE, q->slices_max);
}

/* *of: how many there should be; -1: the line is of a file of before. */
static bool take(char *line, struct quota *q, int64_t *of)
{
    struct json_object object;
    const char *subject;
    int sealed = sealed_open(line);
    *of = -1;
    if (sealed < 0) return false;
    if (sealed == 1 && (json_parse_flat(line, strlen(line), &object, NULL) != 0 ||
                        json_get_integer(&object, "of", 0, QUOTAS_MAX, of) != 1))
        return false;
    if (*of == 0) return true; /* none are set */
    q->memory_bytes_max = q->slices_max = QUOTA_NONE;
    return (sealed == 1 || json_parse_flat(line, strlen(line), &object, NULL) == 0) &&
           object.count == (sealed == 1 ? 4 : 3) && json_get_text(&object, "subject", &subject) == 1 &&
           subject[0] != '\0' && text_copy(q->subject, sizeof q->subject, subject) &&
           json_get_integer(&object, "memoryBytesMax", 0, JSON_INTEGER_MAX, &q->memory_bytes_max) >= 0 &&
           json_get_integer(&object, "slicesMax", 0, SLICES_MAX, &q->slices_max) >= 0;
}

void quota_load(struct agent *agent)
{
    char path[FS_PATH_BYTES], *data, *line;
    size_t len;
    agent->quota_count = 0;
    if (fs_join(path, agent->places.state, FILE_NAME) != 0) return;
    int error = fs_read_file(path, FILE_MAX_BYTES, &data, &len);
    if (error != 0) {
        if (error != ENOENT) log_line("%s: %s; no quota is in force", path, strerror(error));
        return;
    }
    int64_t of = -1;
    size_t wrong = 0, old = 0;
    for (char *rest = data; (line = strsep(&rest, "\n"));) {
        struct quota q;
        int64_t said;
        if (line[0] == '\0') continue;
        bool taken = agent->quota_count < QUOTAS_MAX && take(line, &q, &said);
        if (taken && said == 0) {
            of = 0;
            continue;
        }
        if (!taken || find(agent, q.subject)) {
            log_line("%s: a line is not right; what it set is not in force", path);
            wrong++;
            continue;
        }
        old += said < 0;
        if (said > of) of = said;
        agent->quotas[agent->quota_count++] = q;
    }
    /* A file of before has no counts; one of ours is never empty. */
    bool missing = of >= 0 ? agent->quota_count < (size_t)of : old == 0 && wrong == 0;
    if (wrong > 0 || missing) {
        log_line("%s: some quotas are damaged or missing, and not in force", path);
        sealed_note(
            agent->state_notes, sizeof agent->state_notes,
            "Of the quotas in %s some are damaged or missing, and not in force: `tranche quota` shows those that "
            "are.",
            path);
    }
    free(data);
}

static int save(struct agent *agent)
{
    struct json_writer w;
    json_writer_init(&w, FILE_MAX_BYTES);
    for (size_t i = 0; i < (agent->quota_count > 0 ? agent->quota_count : 1); i++) {
        size_t start = w.len;
        if (agent->quota_count > 0)
            put(&agent->quotas[i], &w);
        else
            json_open(&w, '{');
        json_put_integer(&w, "of", (int64_t)agent->quota_count);
        sealed_end(&w, start);
    }
    int error =
        w.failed ? EFBIG : fs_write_atomic(agent->places.state, FILE_NAME, w.data ? w.data : "", w.len, 0600, false);
    json_writer_free(&w);
    return error;
}

void quota_put(const struct agent *agent, struct json_writer *w)
{
    json_key(w, "quotas");
    json_open(w, '[');
    for (size_t i = 0; i < agent->quota_count; i++) {
        put(&agent->quotas[i], w);
        json_close(w, '}');
    }
    json_close(w, ']');
}

/* ---- setting -------------------------------------------------------------------------------------------- */

static int check_subject(const char *subject, struct failure *failure)
{
    char shown[80];
    uid_t uid;
    text_sanitize(shown, sizeof shown, subject, strlen(subject));
    if (strlen(subject) >= QUOTA_SUBJECT_BYTES || strcmp(shown, subject) != 0)
        return fail(failure, "unknown-owner", "A quota is for a user, an @group or “default”; nothing was changed.");
    if (strcmp(subject, QUOTA_DEFAULT) == 0) return 0;
    if (subject[0] == '@') {
        if (groups_exists(subject + 1)) return 0;
        return fail(failure, "unknown-owner", "There is no group %s on this host; nothing was changed.", shown + 1);
    }
    if (people_uid_of(subject, &uid) == 0) return 0;
    return fail(failure, "unknown-owner", "There is no user %s on this host; nothing was changed.", shown);
}

int quota_set(struct agent *agent, const struct quota *quota, bool removes, struct failure *failure)
{
    struct quota before[QUOTAS_MAX];
    size_t count = agent->quota_count;
    struct quota *known = find(agent, quota->subject);
    memcpy(before, agent->quotas, sizeof before);
    if (removes && !known) return 0;
    if (!removes && check_subject(quota->subject, failure) != 0) return -1;
    if (!known && count == QUOTAS_MAX) {
        return fail(failure, "bad-request",
                    "At most %d quotas can be set; nothing was changed. Use a group for several people.", QUOTAS_MAX);
    }
    if (removes) {
        size_t at = (size_t)(known - agent->quotas);
        memmove(known, known + 1, (count - at - 1) * sizeof *known);
        agent->quota_count--;
    } else {
        *(known ? known : &agent->quotas[agent->quota_count++]) = *quota;
    }
    int error = save(agent);
    if (error == 0) return 0;
    memcpy(agent->quotas, before, sizeof before);
    agent->quota_count = count;
    return fail(failure, "state-not-saved", "The quotas could not be written to %s (%s); nothing was changed.",
                agent->places.state, strerror(error));
}

/* ---- holding -------------------------------------------------------------------------------------------- */

static bool allows_more(const struct quota *a, const struct quota *b)
{
    uint64_t memory_a = (uint64_t)a->memory_bytes_max, memory_b = (uint64_t)b->memory_bytes_max; /* none: the most */
    return memory_a != memory_b ? memory_a > memory_b : (uint64_t)a->slices_max > (uint64_t)b->slices_max;
}

const struct quota *quota_of(struct agent *agent, const char *person, bool may_ask)
{
    const struct quota *best = find(agent, person);
    if (best && strcmp(person, QUOTA_DEFAULT) != 0) return best;
    best = NULL;
    for (size_t i = 0; i < agent->quota_count; i++) {
        const struct quota *q = &agent->quotas[i];
        if (q->subject[0] != '@' || (best && !allows_more(q, best))) continue;
        if (groups_member(q->subject + 1, person, may_ask, now_mono_ms()) == 1) best = q;
    }
    return best ? best : find(agent, QUOTA_DEFAULT);
}

bool quota_for_groups(const struct agent *agent)
{
    for (size_t i = 0; i < agent->quota_count; i++)
        if (agent->quotas[i].subject[0] == '@') return true;
    return false;
}

static int refuse(const struct slice_record *next, const struct quota *quota, const struct quota_request *r,
                  struct failure *failure)
{
    char held[32], wanted[32], allowed[64], whom[QUOTA_SUBJECT_BYTES + 32] = "";
    bool slices =
        r->slices_max != QUOTA_NONE && r->previous_memory_limit_bytes == 0 && r->other_slice_count + 1 > r->slices_max;
    if (slices)
        snprintf(allowed, sizeof allowed, "%" PRId64 " slice%s", r->slices_max, r->slices_max == 1 ? "" : "s");
    else
        text_gib(allowed, sizeof allowed, (uint64_t)r->memory_bytes_max);
    if (strcmp(quota->subject, QUOTA_DEFAULT) == 0)
        snprintf(whom, sizeof whom, " each person here");
    else if (quota->subject[0] == '@')
        snprintf(whom, sizeof whom, " each member of %s", quota->subject + 1);
    else
        snprintf(whom, sizeof whom, " %s", quota->subject);
    return fail(failure, "quota-exceeded",
                "%s holds %s in %" PRId64 " other slice%s on this host; with %s more it would be beyond the %s that%s "
                "may hold. Nothing was changed. Choose less, have the quota raised, or do it over the quota on "
                "purpose.",
                next->owner, text_gib(held, sizeof held, (uint64_t)r->other_memory_limits_bytes), r->other_slice_count,
                r->other_slice_count == 1 ? "" : "s", text_gib(wanted, sizeof wanted, next->memory_limit_bytes),
                allowed, whom);
}

int quota_check(struct agent *agent, const struct slice_record *next, const struct slice *self,
                struct failure *failure)
{
    const struct quota *quota = agent->quota_count > 0 ? quota_of(agent, next->owner, true) : NULL;
    if (!quota) return 0;
    bool keeps = self && !self->r.deleted && self->r.owner_uid == next->owner_uid;
    struct quota_request r = {
        .memory_bytes_max = quota->memory_bytes_max,
        .slices_max = quota->slices_max,
        .memory_limit_bytes = (int64_t)next->memory_limit_bytes,
        .previous_memory_limit_bytes = keeps ? (int64_t)self->r.memory_limit_bytes : 0,
    };
    for (size_t i = 0; i < agent->slices.count; i++) {
        const struct slice *other = agent->slices.items[i];
        if (other == self || other->r.deleted || other->r.owner_uid != next->owner_uid) continue;
        r.other_memory_limits_bytes += (int64_t)other->r.memory_limit_bytes;
        r.other_slice_count++;
    }
    return admission_check_quota(&r) ? refuse(next, quota, &r, failure) : 0;
}
