#include "judge.h"

#include "supervisor_inside.h"
#include "tally.h"

#include <errno.h>

/* A new client: if the program is another one than before, what that one held went with its files. */
static void notice_exec(struct supervisor *s, struct ask *ask)
{
    const struct asker *asker = askers_at(s->askers, ask->owner);
    uint64_t start = asker_stack_start(asker->pid);
    if (start == 0 || asker->stack_start == 0 || start == asker->stack_start) return;
    askers_set_over(s->askers, ask->owner, 0);
    tally_settle(s, ask->owner);
    int index = askers_of_thread(s->askers, ask->tid);
    ask->owner = index >= 0 ? (uint32_t)index : ask->owner;
}

static struct rm_book_name name_of(const struct ask *ask)
{
    const struct rm_request *request = &ask->request;
    return (struct rm_book_name){.owner = ask->owner,
                                 .client = request->client,
                                 .parent = request->parent,
                                 .object = request->object,
                                 /* The driver ties a client to the control device's file by which it was made. */
                                 .file = ask->file == ASKER_CONTROL ? (int)ask->fd : -1};
}

static bool fits(const struct supervisor *s, uint64_t growth)
{
    uint64_t held = tally_bytes(s);
    uint64_t limit = s->policy.limit_bytes(s->policy.context);
    if (growth == 0 || limit == GATE_NO_LIMIT) return growth <= UINT64_MAX - held;
    return held <= limit && growth <= limit - held;
}

static void note_peak(struct supervisor *s)
{
    uint64_t held = tally_bytes(s);
    s->peak_bytes = held > s->peak_bytes ? held : s->peak_bytes;
}

/* Before a refusal: what was unmapped last is to be had again. Where nothing that is mapped could make room, nobody is
 * asked. */
static void sweep_managed(struct supervisor *s, uint64_t growth)
{
    uint64_t held = rm_book_bytes(s->book), limit = s->policy.limit_bytes(s->policy.context);
    if (held <= limit && growth <= limit - held) tally_recount_managed(s);
}

/* Notes it, with everything that has a say. */
static bool admit(struct supervisor *s, struct ask *ask)
{
    struct rm_book_name name = name_of(ask);
    uint64_t growth = rm_book_growth(s->book, &name, ask->request.bytes);
    uint64_t before = tally_bytes(s);
    pid_t asker = askers_at(s->askers, ask->owner)->pid;
    if (!fits(s, growth) || !tally_publish(s, asker, before, before + growth)) return false;
    ask->is_noted = rm_book_add(s->book, &name, ask->request.bytes, &ask->note);
    if (!ask->is_noted) tally_publish(s, 0, before + growth, before);
    note_peak(s);
    return ask->is_noted;
}

static void deny(struct supervisor *s, pid_t asker, uint64_t bytes)
{
    s->figures.denied++;
    if (s->policy.deny) s->policy.deny(s->policy.context, asker, bytes);
}

static enum verdict judge_memory(struct supervisor *s, struct ask *ask)
{
    pid_t pid = askers_at(s->askers, ask->owner)->pid;
    if (admit(s, ask)) return LET_GO_ON;
    /* Its client first: whoever has one of its own is not taken for somebody's heir. */
    struct rm_book_name name = name_of(ask);
    struct rm_book_note none;
    name.object = name.client;
    rm_book_add(s->book, &name, 0, &none);
    tally_sweep(s);
    if (askers_at(s->askers, ask->owner)->pid != pid) return NOBODY_ASKS; /* it has ended meanwhile */
    sweep_managed(s, ask->request.bytes);
    if (admit(s, ask)) return LET_GO_ON;
    deny(s, pid, ask->request.bytes);
    return NO_MEMORY;
}

/* An object without memory that finds no room is not missed: what stands below it stands below its client (rm_book.h). */
static enum verdict judge_object(struct supervisor *s, struct ask *ask)
{
    struct rm_book_name name = name_of(ask);
    ask->is_noted = rm_book_add(s->book, &name, 0, &ask->note);
    return LET_GO_ON;
}

/* A second name that finds no room would let memory be freed that is still held. */
static enum verdict judge_dup(struct supervisor *s, struct ask *ask)
{
    struct rm_book_name name = name_of(ask);
    ask->is_noted = rm_book_dup(s->book, &name, ask->request.source_client, ask->request.source_object, &ask->note);
    s->figures.denied += ask->is_noted ? 0 : 1;
    return ask->is_noted ? LET_GO_ON : NO_MEMORY;
}

/* Whether a free by this asker reaches what `owner` holds: only who has the client's file may free with it. */
static bool may_free(const struct supervisor *s, const struct ask *ask, uint32_t owner)
{
    const struct asker *asker = askers_at(s->askers, ask->owner), *other = askers_at(s->askers, owner);
    int file;
    if (!rm_book_has_client(s->book, owner, ask->request.client, &file) || file < 0)
        return owner == ask->owner; /* the first that it does with that client by the control device */
    if (other->is_over) return (uint32_t)file == ask->fd;
    return asker_is_same_file(asker->pid, (int)ask->fd, other->pid, file);
}

static enum verdict judge_free(struct supervisor *s, struct ask *ask)
{
    uint64_t before = tally_bytes(s);
    uint32_t owners[ASKERS_MAX];
    size_t count = rm_book_owners(s->book, ask->request.client, owners, ASKERS_MAX);
    for (size_t i = 0; i < count; i++)
        if (may_free(s, ask, owners[i])) rm_book_free(s->book, owners[i], ask->request.client, ask->request.object);
    tally_publish_less(s, before);
    return LET_GO_ON;
}

enum verdict judge_request(struct supervisor *s, struct ask *ask)
{
    switch (ask->request.kind) {
    case RM_CLIENT: notice_exec(s, ask); return LET_GO_ON;
    case RM_MEMORY: return judge_memory(s, ask);
    case RM_OBJECT: return judge_object(s, ask);
    case RM_DUP: return judge_dup(s, ask);
    case RM_FREE: return judge_free(s, ask);
    default: return LET_GO_ON;
    }
}

static bool admit_mapping(struct supervisor *s, const struct ask *ask, uint64_t bytes)
{
    uint64_t before = tally_bytes(s);
    pid_t asker = askers_at(s->askers, ask->owner)->pid;
    return fits(s, bytes) && tally_publish(s, asker, before, before + bytes);
}

enum verdict judge_mapping(struct supervisor *s, struct ask *ask, uint64_t bytes)
{
    pid_t pid = askers_at(s->askers, ask->owner)->pid;
    if (!admit_mapping(s, ask, bytes)) {
        tally_sweep(s);
        sweep_managed(s, bytes);
        if (askers_at(s->askers, ask->owner)->pid != pid) return NOBODY_ASKS;
        if (!admit_mapping(s, ask, bytes)) {
            deny(s, pid, bytes);
            ask->error = ENOMEM;
            return WITH_ERRNO;
        }
    }
    ask->mapped_bytes = bytes;
    tally_set_managed(s, ask->owner, s->managed[ask->owner] + bytes);
    note_peak(s);
    return LET_GO_ON;
}
