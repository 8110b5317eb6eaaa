#include "cards/escapes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/now.h"
#include "base/openers.h"
#include "base/procs.h"
#include "cards/escape_answers.h"
#include "cards/escapes_table.h"
#include "cards/watch.h"
#include "gpu/gpu.h"
#include "json.h"
#include "log.h"
#include "slices/measure.h"
#include "state/agent_state.h"
#include "state/escape_rule.h"
#include "state/slice.h"

#define REFRESH_MS 1000
#define HELD_AGE_MS 1000 /* what it has open is looked at again */
#define SCAN_STEPS_APART_MS 50
/* A round over all processes although nothing was heard: for what was opened before we listened, and where a mark cannot
 * lie. The timer's is what is promised where nothing can be heard. */
#define SCAN_FANOTIFY_MS 30000
#define SCAN_INOTIFY_MS 10000
#define SCAN_TIMER_MS 1900
/* What the driver takes for itself is in nobody's count; and a program that takes and gives back all the time is seen to
 * hold more than a ledger that is read a moment later, but not four times in a row. */
#define BEYOND_BYTES (UINT64_C(256) << 20)
#define BEYOND_LOOKS 4

/* ---- the table ------------------------------------------------------------------------------------------- */

const struct escape *escapes_find(const struct agent *agent, uint32_t pid)
{
    const struct escape *e = escapes_seek(agent->escapes, (pid_t)pid);
    return e && e->is_shown ? e : NULL;
}

bool escapes_is_held_only(const struct escape *escape)
{
    return escape->is_shown && escape->held != 0 && escapes_listed_on(escape) == 0;
}

void escapes_release(struct agent *agent, pid_t pid, uint64_t start_ticks)
{
    struct escape *e = escapes_seek(agent->escapes, pid);
    if (!e || e->start_ticks != start_ticks) return;
    e->has_stopped = false;
    e->was_released = true;
}

void escapes_rule_changed(struct agent *agent)
{
    struct escapes *all = agent->escapes;
    for (size_t i = 0; i < all->count; i++) all->items[i].was_told = all->items[i].was_released = false;
}

/* ---- what the kernel shows ------------------------------------------------------------------------------ */

static void set_held(const struct watch *watch, struct escape *e, uint64_t bits, int64_t mono_ms)
{
    e->held = 0;
    e->is_for_work = false;
    e->held_at_ms = mono_ms;
    for (size_t i = 0; i < watch->count; i++) {
        const struct gpu_node *node = &watch->nodes[i].said;
        if ((bits >> i & 1) == 0) continue;
        e->is_for_work |= node->is_for_work;
        if (node->gpu != GPU_NODE_OF_ALL) e->held |= UINT32_C(1) << node->gpu;
    }
}

struct taking {
    struct agent *agent;
    int64_t mono_ms;
    bool is_new;
};

static void take_holder(void *context, pid_t pid, uint64_t bits)
{
    struct taking *t = context;
    struct escapes *all = t->agent->escapes;
    if (pid == getpid() || slice_holding(&t->agent->slices, (uint32_t)pid)) return;
    struct escape *e = escapes_seek(all, pid);
    bool was_working = e && e->is_for_work && e->held != 0;
    e = escapes_get(t->agent, pid, false, t->mono_ms);
    if (!e) return;
    was_working &= e->first_ms != t->mono_ms;
    set_held(&all->watch, e, bits, t->mono_ms);
    t->is_new |= !was_working && e->is_for_work && e->held != 0;
}

/* The kernel named them: what do they have open now? Whoever has more descriptors than are looked through is taken to have
 * what it was heard to open. */
static void look_at_named(struct taking *t, const struct watch_heard *heard)
{
    struct escapes *all = t->agent->escapes;
    size_t looked = 0;
    for (size_t i = 0; i < heard->count; i++) {
        uint64_t bits;
        if (heard->pids[i] == getpid()) continue;
        if (looked >= OPENERS_AT_ONCE) {
            all->is_behind = true;
            return;
        }
        /* Its descriptor of the process comes first (procs_get), so that both are of one process. */
        if (!procs_get(&t->agent->procs, heard->pids[i], t->mono_ms)) continue;
        int error = openers_of(heard->pids[i], all->watch.files, all->watch.count, &looked, &bits);
        if (error == EFBIG) bits = ~UINT64_C(0);
        if ((error == 0 || error == EFBIG) && bits != 0) take_holder(t, heard->pids[i], bits);
    }
}

static int64_t lists_due_ms(const struct escapes *all)
{
    bool is_soon = all->soon_count < ESCAPE_LISTS_SOON_MAX;
    return all->listed_at_ms + (is_soon ? ESCAPE_LISTS_SOON_MS : ESCAPE_LISTS_APART_MS);
}

static void scan_if_due(struct escapes *all, int64_t mono_ms)
{
    static const int64_t every_ms[] = {
        [WATCH_TIMER] = SCAN_TIMER_MS, [WATCH_INOTIFY] = SCAN_INOTIFY_MS, [WATCH_FANOTIFY] = SCAN_FANOTIFY_MS};
    char why[WATCH_WHY_BYTES];
    bool is_due = mono_ms - all->scanned_ms >= every_ms[watch_how(&all->watch, why)];
    if (all->watch.count == 0 || all->scan.runs || !(all->is_behind || is_due)) return;
    all->scan = (struct openers_scan){.runs = true};
    all->is_behind = false;
    all->scanned_ms = mono_ms;
}

/* Is the driver to be asked now? */
static bool is_list_due(struct escapes *all, int64_t mono_ms)
{
    if (mono_ms - all->soon_from_ms >= 1000) {
        all->soon_from_ms = mono_ms;
        all->soon_count = 0;
    }
    if (!all->wants_list || mono_ms < lists_due_ms(all)) return false;
    all->soon_count++;
    all->wants_list = false;
    all->listed_at_ms = mono_ms;
    return true;
}

/* ---- the loop -------------------------------------------------------------------------------------------- */

/* One shot: whoever opens without end wakes us once for each look. */
static void arm(struct agent *agent)
{
    const struct escapes *all = agent->escapes;
    int fds[] = {all->watch.fanotify_fd, all->watch.inotify_fd};
    for (size_t i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = &agent->escapes};
        if (fds[i] >= 0) (void)epoll_ctl(agent->epoll_fd, EPOLL_CTL_MOD, fds[i], &event);
    }
}

int escapes_begin(struct agent *agent)
{
    struct escapes *all = agent->escapes = calloc(1, sizeof *all);
    if (!all) return ENOMEM;
    watch_begin(&all->watch);
    int *fds[] = {&all->watch.fanotify_fd, &all->watch.inotify_fd};
    for (size_t i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = &agent->escapes};
        if (*fds[i] < 0 || epoll_ctl(agent->epoll_fd, EPOLL_CTL_ADD, *fds[i], &event) == 0) continue;
        all->watch.refused = errno;
        close(*fds[i]);
        *fds[i] = -1;
    }
    return 0;
}

void escapes_heard(struct agent *agent, int64_t mono_ms)
{
    struct escapes *all = agent->escapes;
    if (all->look_at_ms != 0) return;
    int64_t soon = mono_ms + ESCAPE_EVENT_MS, apart = all->looked_at_ms + ESCAPE_LOOKS_APART_MS;
    all->look_at_ms = soon > apart ? soon : apart;
}

bool escapes_serve(struct agent *agent, int64_t mono_ms)
{
    struct escapes *all = agent->escapes;
    struct taking t = {.agent = agent, .mono_ms = mono_ms};
    struct watch_heard heard = {.count = 0};
    bool is_due = all->look_at_ms != 0 && mono_ms >= all->look_at_ms;
    if (is_due) {
        watch_take(&all->watch, &heard);
        all->look_at_ms = 0;
        all->looked_at_ms = mono_ms;
        look_at_named(&t, &heard);
        all->is_behind |= heard.is_unnamed;
    }
    if (heard.nodes_change || mono_ms - all->refreshed_ms >= REFRESH_MS) {
        all->is_behind |= watch_refresh(&all->watch, agent);
        all->refreshed_ms = mono_ms;
    }
    if (is_due) arm(agent);
    scan_if_due(all, mono_ms);
    if (all->scan.runs && (mono_ms - all->looked_at_ms >= SCAN_STEPS_APART_MS || is_due)) {
        all->looked_at_ms = mono_ms;
        openers_step(&all->scan, all->watch.files, all->watch.count, take_holder, &t);
    }
    all->wants_list |= t.is_new;
    return is_list_due(all, mono_ms);
}

int64_t escapes_wait_ms(const struct agent *agent, int64_t mono_ms, int64_t wait)
{
    const struct escapes *all = agent->escapes;
    int64_t due_ms = INT64_MAX;
    if (all->has_news) return 0; /* the look of a second found somebody, after this turn's samples had gone */
    if (all->look_at_ms != 0) due_ms = all->look_at_ms;
    if ((all->scan.runs || all->is_behind) && all->looked_at_ms + SCAN_STEPS_APART_MS < due_ms)
        due_ms = all->looked_at_ms + SCAN_STEPS_APART_MS;
    if (all->wants_list && lists_due_ms(all) < due_ms) due_ms = lists_due_ms(all);
    if (due_ms == INT64_MAX || due_ms - mono_ms > wait) return wait;
    return due_ms > mono_ms ? due_ms - mono_ms : 0;
}

bool escapes_hears(const struct agent *agent)
{
    char why[WATCH_WHY_BYTES];
    return watch_how(&agent->escapes->watch, why) == WATCH_FANOTIFY;
}

bool escapes_take_news(struct agent *agent)
{
    bool has_news = agent->escapes->has_news;
    agent->escapes->has_news = false;
    return has_news;
}

/* ---- the look -------------------------------------------------------------------------------------------- */

static struct slice *slice_on(const struct agent *agent, const struct gpu_state *gpu, uint32_t pid)
{
    for (size_t i = 0; i < agent->slices.count; i++) {
        struct slice *slice = agent->slices.items[i];
        if (strcmp(slice->r.gpu_uuid, gpu->info.uuid) == 0 && slice_holds(slice, pid)) return slice;
    }
    return NULL;
}

/* A gated process has its memory counted from outside, request by request: what the driver shows beyond that came by a
 * way that the gate does not see, or was raced (docs/gate.md). */
static bool holds_more_than_counted(const struct slice *slice, const struct gpu_process *p)
{
    for (size_t i = 0; i < slice->track_count; i++) {
        const struct entry_track *track = &slice->tracks[i];
        if (track->pid != p->pid || !track->believed || !track->is_held || !p->bytes_known) continue;
        return p->bytes > track->memory_bytes + track->memory_bytes / 16 + BEYOND_BYTES;
    }
    return false;
}

static void take_listed(struct agent *agent, uint32_t at, const struct gpu_process *p, bool is_fresh, int64_t mono_ms)
{
    const struct slice *slice = slice_on(agent, &agent->gpus[at], p->pid);
    if (p->pid == (uint32_t)getpid() || (slice && !holds_more_than_counted(slice, p))) return;
    struct escape *e = escapes_get(agent, (pid_t)p->pid, true, mono_ms);
    if (!e) return;
    e->is_off = false;
    if (slice) {
        e->beyond |= UINT32_C(1) << at;
        e->is_beyond_anew |= is_fresh;
        return;
    }
    e->listed |= UINT32_C(1) << at;
    if (e->listed_ms == 0) e->listed_ms = mono_ms;
    e->list_looks += is_fresh;
}

static void count_beyond(struct escape *e)
{
    if (e->beyond == 0)
        e->beyond_looks = 0;
    else if (e->is_beyond_anew && e->beyond_looks < BEYOND_LOOKS)
        e->beyond_looks++;
    e->is_beyond_anew = false;
    e->is_beyond = e->beyond_looks == BEYOND_LOOKS;
}

static void take_lists(struct agent *agent, int64_t mono_ms)
{
    for (uint32_t at = 0; at < agent->gpu_count; at++) {
        const struct gpu_state *gpu = &agent->gpus[at];
        if (!gpu->processes_known) continue; /* what was known of it stays as it was */
        for (size_t i = 0; i < agent->escapes->count; i++) {
            agent->escapes->items[i].listed &= ~(UINT32_C(1) << at);
            agent->escapes->items[i].beyond &= ~(UINT32_C(1) << at);
        }
        bool is_fresh = gpu->processes_at_ms == mono_ms;
        for (size_t i = 0; i < gpu->process_count; i++) take_listed(agent, at, &gpu->processes[i], is_fresh, mono_ms);
    }
}

static bool is_outside(const struct agent *agent, const struct escape *e, int64_t mono_ms)
{
    const struct slice *slice = slice_holding(&agent->slices, (uint32_t)e->pid);
    if (escapes_listed_on(e) != 0) return true;
    if (slice || !e->is_for_work || e->held == 0) return false;
    return !e->names_slice || mono_ms - e->first_ms >= ESCAPE_CLAIM_MS;
}

/* false: there is nothing left to know of it. */
static bool keep(struct agent *agent, struct escape *e, size_t *looked, int64_t mono_ms)
{
    struct escapes *all = agent->escapes;
    struct proc *proc = procs_get(&agent->procs, e->pid, mono_ms);
    if (!proc || proc->start_ticks != e->start_ticks) return false;
    bool is_old = (e->held != 0 || e->is_for_work) && mono_ms - e->held_at_ms >= HELD_AGE_MS;
    if (is_old && *looked < OPENERS_AT_ONCE) {
        uint64_t bits;
        int error = openers_of(e->pid, all->watch.files, all->watch.count, looked, &bits);
        if (error != EFBIG) set_held(&all->watch, e, error == 0 ? bits : 0, mono_ms);
    }
    if (e->listed != 0 || e->beyond != 0 || e->was_told) return true;
    return (e->held != 0 || e->is_for_work) && !slice_holding(&agent->slices, (uint32_t)e->pid);
}

void escapes_look(struct agent *agent, int64_t mono_ms)
{
    struct escapes *all = agent->escapes;
    size_t looked = 0;
    take_lists(agent, mono_ms);
    for (size_t i = 0; i < all->count;) {
        struct escape *e = &all->items[i];
        if (!keep(agent, e, &looked, mono_ms)) {
            *e = all->items[--all->count];
            continue;
        }
        bool was_shown = e->is_shown;
        count_beyond(e);
        e->is_off = e->listed == 0 && e->beyond == 0 && !e->has_stopped;
        e->is_shown = is_outside(agent, e, mono_ms);
        all->has_news |= e->is_shown && !was_shown;
        i++;
    }
    if (all->count < ESCAPES_MAX) all->is_full = false;
    escape_answers(agent, mono_ms);
}

/* ---- on the wire ----------------------------------------------------------------------------------------- */

void escapes_put_row(const struct escape *e, bool is_beyond, struct json_writer *w)
{
    bool by_kernel = e && e->held != 0;
    json_put_text(w, "seenBy", !by_kernel ? "driver" : escapes_listed_on(e) != 0 ? "both" : "kernel");
    json_put_text(w, "reason", is_beyond ? "beyond-count" : "outside");
    json_put_known(w, "sinceMs", e, e ? e->since_ms : 0);
    json_put_text(w, "answer", e ? escape_answer_name(e->answer) : NULL);
    json_put_text(w, "answerWhy", e && e->why[0] ? e->why : NULL);
}

void escapes_put_state(const struct agent *agent, struct json_writer *w)
{
    char why[WATCH_WHY_BYTES];
    const struct escape_settings *s = &agent->escape_settings;
    enum watch_how how = watch_how(&agent->escapes->watch, why);
    json_key(w, "escapes");
    json_open(w, '{');
    json_put_text(w, "rule", escape_rule_name(s->rule));
    json_put_integer(w, "graceSeconds", s->grace_seconds);
    json_put_text(w, "exempt", s->exempt);
    json_put_text(w, "watchedBy", watch_how_name(how));
    json_put_text(w, "watchNote", why[0] ? why : NULL);
    json_close(w, '}');
}
