#include "tally.h"

#include "supervisor_inside.h"

#include <time.h>

/* Before a refusal it is looked for files that were closed and clients that nobody has any more, this often at most. */
#define SWEEP_INTERVAL_NS INT64_C(20000000)
/* Descendants among which an heir is looked for. Beyond these, what a process held is given back with it. */
#define HEIRS_MAX 4096u

_Static_assert(ASKERS_MAX == RM_BOOK_OWNERS_MAX, "an asker's index is its owner in the book");

int64_t tally_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}
/* ---- the sum ---------------------------------------------------------------------------------------------- */

uint64_t tally_bytes(const struct supervisor *s)
{
    return rm_book_bytes(s->book) + s->managed_bytes;
}

uint64_t tally_bytes_of(const struct supervisor *s, uint32_t owner)
{
    return rm_book_owner_bytes(s->book, owner) + s->managed[owner];
}

bool tally_publish(struct supervisor *s, pid_t asker, uint64_t before, uint64_t after)
{
    return !s->policy.publish || before == after || s->policy.publish(s->policy.context, s, asker, before, after);
}

void tally_publish_less(struct supervisor *s, uint64_t before)
{
    tally_publish(s, 0, before, tally_bytes(s));
}

void tally_set_managed(struct supervisor *s, uint32_t owner, uint64_t bytes)
{
    s->managed_bytes += bytes - s->managed[owner];
    s->managed[owner] = bytes;
}

void tally_recount_managed(struct supervisor *s)
{
    uint64_t before = tally_bytes(s);
    for (uint32_t i = 0; s->managed_bytes > 0 && i < ASKERS_MAX; i++) {
        const struct asker *asker = askers_at(s->askers, i);
        uint64_t bytes;
        if (s->managed[i] > 0 && !asker->is_over && asker_managed_bytes(asker->pid, &bytes))
            tally_set_managed(s, i, bytes);
    }
    s->looked_ns = tally_now_ns();
    tally_publish_less(s, before);
}

/* ---- processes that end ----------------------------------------------------------------------------------- */

/* Whether that process may have a file of the asker's: one of the same number, which is how fork hands it on. A process
 * that opened one of that number for clients of its own does not; one that never asked may have it under any number. */
static bool may_have_files_of(const struct supervisor *s, uint32_t owner, pid_t pid, int known_as)
{
    uint32_t at = 0, client, own_at, own_client;
    int file, own_file;
    if (known_as < 0) return asker_has_control(&s->devices, pid) == 1;
    while (rm_book_next_client(s->book, owner, &at, &client, &file)) {
        if (rm_book_has_client(s->book, (uint32_t)known_as, client, &own_file))
            return true; /* it has asked something of that client itself */
        bool is_its_own = false;
        for (own_at = 0; rm_book_next_client(s->book, (uint32_t)known_as, &own_at, &own_client, &own_file);)
            is_its_own = is_its_own || own_file == file;
        if (!is_its_own && file >= 0 && asker_file_of(&s->devices, pid, (uint32_t)file) == ASKER_CONTROL) return true;
    }
    return false;
}

int tally_known_index(const struct supervisor *s, pid_t pid)
{
    for (uint32_t i = 0; i < ASKERS_MAX; i++) {
        const struct asker *asker = askers_at(s->askers, i);
        if (asker->pid == pid && !asker->is_over) return (int)i;
    }
    return -1;
}

/* A process that still has the files by which the asker held memory; 0: none. */
static pid_t find_heir(const struct supervisor *s, uint32_t owner)
{
    static pid_t descendants[HEIRS_MAX];
    const struct asker *asker = askers_at(s->askers, owner);
    size_t count = asker_descendants(descendants, HEIRS_MAX);
    for (size_t i = 0; i < count; i++) {
        /* Not itself: it has ended, or closed them, or become another program. */
        if (descendants[i] != asker->pid &&
            may_have_files_of(s, owner, descendants[i], tally_known_index(s, descendants[i])))
            return descendants[i];
    }
    return 0;
}

/* The asker is over: what it held goes, unless somebody has its files. An heir's end has to be noticed, too. */
void tally_settle(struct supervisor *s, uint32_t owner)
{
    uint64_t before = tally_bytes(s);
    tally_set_managed(s, owner, 0); /* mappings are of one process, and end with it */
    tally_publish_less(s, before);
    before = tally_bytes(s);
    pid_t heir = rm_book_owner_bytes(s->book, owner) > 0 ? find_heir(s, owner) : 0;
    if (heir != 0) {
        askers_of_process(s->askers, heir); /* without room for it, its end is noticed with that of the next one */
        askers_set_over(s->askers, owner, heir);
        return;
    }
    rm_book_end(s->book, owner);
    askers_forget(s->askers, owner);
    tally_publish_less(s, before);
}

/* Those whose files somebody else kept, once one of these may be gone. */
static void settle_again(struct supervisor *s)
{
    for (uint32_t i = 0; i < ASKERS_MAX; i++)
        if (askers_at(s->askers, i)->is_over) tally_settle(s, i);
}

bool tally_look_after_ends(struct supervisor *s, int bound)
{
    int ended = bound > 0 ? askers_next_ended(s->askers) : -1;
    bool any = ended >= 0;
    while (ended >= 0) {
        askers_set_over(s->askers, (uint32_t)ended, 0);
        tally_settle(s, (uint32_t)ended);
        ended = --bound > 0 ? askers_next_ended(s->askers) : -1;
    }
    if (any) settle_again(s);
    return any;
}

void tally_sweep(struct supervisor *s)
{
    tally_look_after_ends(s, (int)ASKERS_MAX);
    if (tally_now_ns() - s->swept_ns < SWEEP_INTERVAL_NS) return;
    for (uint32_t i = 0; i < ASKERS_MAX; i++) {
        const struct asker *asker = askers_at(s->askers, i);
        if (asker->pid != 0 && !asker->is_over && rm_book_owner_bytes(s->book, i) > 0 &&
            asker_has_control(&s->devices, asker->pid) == 0)
            tally_settle(s, i);
    }
    settle_again(s);              /* who was taken for an heir may have a client of its own by now */
    s->swept_ns = tally_now_ns(); /* the end of it, so that a long one does not follow itself */
}
