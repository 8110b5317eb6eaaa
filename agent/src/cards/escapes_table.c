#include "cards/escapes_table.h"

#include <stdlib.h>

#include "base/accounts.h"
#include "base/now.h"
#include "base/procs.h"
#include "log.h"
#include "state/agent_state.h"

struct escape *escapes_seek(const struct escapes *all, pid_t pid)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].pid == pid) return &all->items[i];
    return NULL;
}

/* Who is on a GPU takes the place of one that has left it, or only has a node open: nobody fills the table with those. */
static bool give_place(struct escapes *all)
{
    for (size_t i = 0; i < all->count; i++) {
        if (!all->items[i].is_off) continue;
        all->items[i] = all->items[--all->count];
        return true;
    }
    return false;
}

static bool has_room(struct escapes *all, uid_t person, bool is_listed)
{
    size_t holders = 0;
    for (size_t i = 0; i < all->count; i++) holders += all->items[i].person == person && all->items[i].is_off;
    if (!is_listed && holders >= ESCAPE_HOLDERS_PER_PERSON) return false;
    if (all->count < ESCAPES_MAX || (is_listed && give_place(all))) return true;
    if (!all->is_full) log_line("more than %d processes are outside of slices: the rest is not answered", ESCAPES_MAX);
    all->is_full = true;
    return false;
}

static void fill(struct escape *e, struct proc *proc, uid_t uid, int64_t mono_ms)
{
    *e = (struct escape){.pid = proc->pid,
                         .start_ticks = proc->start_ticks,
                         .uid = uid,
                         .person = accounts_owner(uid, mono_ms * 1000000),
                         .since_ms = now_wall_ms(),
                         .first_ms = mono_ms,
                         .is_off = true,
                         .names_slice = procs_names_slice(proc, NULL) == 1};
}

struct escape *escapes_get(struct agent *agent, pid_t pid, bool is_listed, int64_t mono_ms)
{
    struct escapes *all = agent->escapes;
    struct escape *e = escapes_seek(all, pid);
    struct proc *proc = procs_get(&agent->procs, pid, mono_ms);
    uid_t uid;
    pid_t parent;
    if (!proc) return NULL;
    if (e && e->start_ticks == proc->start_ticks) return e;
    if (procs_status(pid, &uid, &parent) != 0) return NULL;
    if (!e) {
        if (!has_room(all, accounts_owner(uid, mono_ms * 1000000), is_listed)) return NULL;
        if (all->count == all->cap) {
            size_t cap = all->cap ? all->cap * 2 : 16;
            struct escape *items = realloc(all->items, cap * sizeof *items);
            if (!items) return NULL;
            all->items = items;
            all->cap = cap;
        }
        e = &all->items[all->count++];
    }
    fill(e, proc, uid, mono_ms); /* also where the pid was given to another process */
    return e;
}

uint32_t escapes_listed_on(const struct escape *escape)
{
    return escape->listed | (escape->is_beyond ? escape->beyond : 0);
}
