#include "slices/measure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/accounts.h"
#include "base/now.h"
#include "base/procs.h"
#include "gpu/gpu.h"
#include "journal/notices.h"
#include "life.h"
#include "nested.h"
#include "region.h"
#include "slices/kernel_proof.h"
#include "slices/policy.h"
#include "slices/strays.h"
#include "state/agent_state.h"
#include "state/slice.h"
#include "text.h"

#define CONTEXT_WINDOW_MS (10 * 60 * 1000) /* what was learned is forgotten after two of these */
#define RATE_WINDOW_NS 90000000u           /* shorter differences are noise */
#define NOTICE_INTERVAL_MS 1000            /* one per second and slice: a refused loop must not fill the screen */
#define OUTSIDE_SLACK_TENTHS 200u          /* the driver's figures are coarse, and of short windows */
#define HOLDS_MORE_BYTES (UINT64_C(256) << 20)
#define ENTRIES_OFFSET offsetof(struct region_usage, entries)

/* The entries as they lie in the file, without the price book behind them. */
struct usage_head {
    union {
        struct {
            uint64_t magic;
            uint32_t abi, bytes;
            uint32_t entries_high;
        } h;
        char bytes[ENTRIES_OFFSET];
    };
    struct region_entry entries[REGION_USAGE_ENTRIES];
};

static int read_head(int usage_fd, uint32_t *entries_high, struct usage_head *head)
{
    if (usage_fd < 0) return -1;
    for (int attempt = 0; attempt < 2; attempt++) {
        size_t want = *entries_high > 0 ? ENTRIES_OFFSET + *entries_high * sizeof head->entries[0] : 64;
        ssize_t n = pread(usage_fd, head, want, 0);
        if (n != (ssize_t)want || head->h.magic != REGION_USAGE_MAGIC || head->h.abi != REGION_ABI) return -1;
        uint32_t high = head->h.entries_high < REGION_USAGE_ENTRIES ? head->h.entries_high : REGION_USAGE_ENTRIES;
        if (high <= *entries_high) return 0;
        *entries_high = high;
    }
    return 0;
}

static struct entry_track *find_track(struct slice *slice, const struct region_entry *e)
{
    for (size_t i = 0; i < slice->track_count; i++) {
        struct entry_track *track = &slice->tracks[i];
        if (track->token == e->token && track->pid_namespace == e->pid_namespace) return track;
    }
    return NULL;
}

static struct entry_track *add_track(struct slice *slice, const struct region_entry *e, bool since_last_look,
                                     uint64_t throttled_ns)
{
    if (slice->track_count == slice->track_cap) {
        size_t cap = slice->track_cap ? slice->track_cap * 2 : 4;
        struct entry_track *tracks = realloc(slice->tracks, cap * sizeof *tracks);
        if (!tracks) return NULL;
        slice->tracks = tracks;
        slice->track_cap = cap;
    }
    struct entry_track *track = &slice->tracks[slice->track_count++];
    memset(track, 0, sizeof *track);
    track->token = e->token;
    track->pid_namespace = e->pid_namespace;
    /* A process that joined since our last look has done all of its work since then; of an older one (the agent was
     * restarted) only what comes from now on makes a rate. */
    if (!since_last_look) {
        track->charged_ns = e->charged_ns;
        track->throttled_ns = throttled_ns;
        track->denied_count = measure_sane(e->denied_count);
    }
    track->rates_known = since_last_look;
    return track;
}

/* The only way to report what a process did in a slice: a loop of it must not fill the screen. */
static void tell(struct agent *agent, struct slice *slice, enum slice_told what, uint32_t pid, int64_t mono_ms,
                 const char *format, ...)
{
    static const char *const codes[] = {[TOLD_DENIED] = "denied",
                                        [TOLD_NOT_HELD] = "limit-not-held",
                                        [TOLD_USES_MORE] = "limit-not-held",
                                        [TOLD_HOLDS_MORE] = "limit-not-held"};
    struct slice_notices *told = &slice->told[what];
    if (told->at_ms != 0 && mono_ms - told->at_ms < NOTICE_INTERVAL_MS) {
        told->omitted++;
        return;
    }
    char message[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (told->omitted > 0 && n > 0 && n < (int)sizeof message)
        snprintf(message + n, sizeof message - (size_t)n, " (%zu more since the last notice)", told->omitted);
    told->at_ms = mono_ms;
    told->omitted = 0;
    notices_tell(agent, codes[what], slice->r.id, pid, message);
}

/* "python train.py (pid 7)", or less where less is known. */
static const char *name_of(char *out, size_t cap, struct proc *proc, uint32_t pid, int64_t mono_ms)
{
    const char *command = proc ? procs_command(proc, mono_ms) : "A process";
    if (pid != 0)
        snprintf(out, cap, "%.80s (pid %u)", command, pid);
    else
        snprintf(out, cap, "%.80s of another PID namespace", command);
    return out;
}

static void notice_denied(struct agent *agent, struct slice *slice, struct proc *proc, uint32_t pid, uint64_t bytes,
                          int64_t mono_ms)
{
    char asked[32], limit[32], name[128];
    tell(agent, slice, TOLD_DENIED, pid, mono_ms, "%s asked %s for %s and was refused: the limit is %s.",
         name_of(name, sizeof name, proc, pid, mono_ms), slice->r.name, text_gib(asked, sizeof asked, bytes),
         text_gib(limit, sizeof limit, slice->r.memory_limit_bytes));
}

static void notice_not_held(struct agent *agent, struct slice *slice, struct proc *proc, uint32_t pid, int64_t mono_ms)
{
    char name[128];
    tell(agent, slice, TOLD_NOT_HELD, pid, mono_ms,
         "%s in %s was held back as long as is allowed and went on: its compute limit is not held right now.",
         name_of(name, sizeof name, proc, pid, mono_ms), slice->r.name);
}

struct look {
    struct agent *agent;
    struct slice *slice;
    int64_t mono_ms, wall_ms;
    uint64_t now_ns;
    uint64_t elapsed_ns; /* since rates were last taken; 0: too short, or the first look */
    uint64_t charged_ns; /* in that time */
    int usage_fd;        /* the file that is being read */
    struct slice_measure m;
    uid_t uids[ACL_USERS_MAX];
    size_t uid_count;
};

static uint32_t tenths(uint64_t part, uint64_t whole)
{
    if (part >= whole) return 1000;
    return (uint32_t)((double)part * 1000.0 / (double)whole + 0.5);
}

/* `known`: how many of this entry were known at the last look. */
static void take_denials(struct look *look, const struct region_entry *e, struct entry_track *track, struct proc *proc,
                         uint64_t *known)
{
    uint64_t denied = measure_sane(e->denied_count);
    uint32_t pid = track->pid;
    if (denied > *known)
        notice_denied(look->agent, look->slice, proc, pid, measure_sane(e->denied_bytes), look->mono_ms);
    *known = denied;
    look->m.denied_count = measure_add(look->m.denied_count, denied);
    if (denied > 0 && e->denied_at_ns >= look->m.denied_at_ns) {
        look->m.denied_at_ns = e->denied_at_ns;
        look->m.denied_bytes = measure_sane(e->denied_bytes);
        uint64_t ago_ms = look->now_ns > e->denied_at_ns ? (look->now_ns - e->denied_at_ns) / 1000000u : 0;
        look->m.denied_at_ms = (int64_t)ago_ms < look->wall_ms ? look->wall_ms - (int64_t)ago_ms : 0;
    }
    bool not_held = (e->flags & REGION_ENTRY_LIMIT_NOT_HELD) != 0;
    if (not_held && !track->limit_not_held) notice_not_held(look->agent, look->slice, proc, pid, look->mono_ms);
    track->limit_not_held = not_held;
    look->m.limit_held &= !not_held;
}

static void take_rates(struct look *look, const struct region_entry *e, struct entry_track *track,
                       uint64_t throttled_ns)
{
    if (look->elapsed_ns > 0 && track->rates_known) {
        uint64_t charged = e->charged_ns > track->charged_ns ? e->charged_ns - track->charged_ns : 0;
        uint64_t waited = throttled_ns > track->throttled_ns ? throttled_ns - track->throttled_ns : 0;
        if (charged > look->elapsed_ns) charged = look->elapsed_ns;
        track->compute_tenths = tenths(charged, look->elapsed_ns);
        track->throttled_tenths = tenths(waited, look->elapsed_ns);
        look->charged_ns += charged;
    }
    if (look->elapsed_ns > 0 || !track->rates_known) {
        track->charged_ns = e->charged_ns;
        track->throttled_ns = throttled_ns;
    }
    if (look->elapsed_ns > 0) track->rates_known = true;
    track->held_by = e->held_by <= REGION_HELD_BY_PEER ? e->held_by : REGION_HELD_BY_NOTHING;
    if (track->throttled_tenths > look->m.throttled_tenths) {
        look->m.throttled_tenths = track->throttled_tenths;
        look->m.held_by = track->held_by;
    }
}

static void note_uid(struct look *look, const struct proc *proc)
{
    if (!proc || !proc->uid_known || proc->uid == look->slice->r.owner_uid) return;
    for (size_t i = 0; i < look->uid_count; i++)
        if (look->uids[i] == proc->uid) return;
    if (look->uid_count < ACL_USERS_MAX) look->uids[look->uid_count++] = proc->uid;
}

/* How many processes a look may examine to find one, besides those of the driver's own list. */
#define SOUGHT_AT_ONCE 64

static bool is_ours(const struct look *look, uint64_t pid_namespace)
{
    return look->agent->procs.pid_namespace != 0 && pid_namespace == look->agent->procs.pid_namespace;
}

/* Finds our pid for an entry from another PID namespace: first among those that the driver lists on this GPU, where it
 * should be, then in a piece of /proc at each look. */
static uint32_t seek(struct look *look, const struct region_entry *e, struct entry_track *track)
{
    const struct nested_name name = {e->pid_namespace, token_pid(e->token), e->token >> 32 & 0x7fffffffu};
    const struct gpu_state *gpu = agent_gpu(look->agent, look->slice->r.gpu_uuid);
    for (size_t i = 0; gpu && i < gpu->process_count && i < SOUGHT_AT_ONCE; i++) {
        uint32_t pid = gpu->processes[i].pid;
        if (!slice_holds(look->slice, pid) && nested_is(pid, &name)) return pid;
    }
    return nested_find(&name, &track->looked_after, SOUGHT_AT_ONCE);
}

/* What we know of the process of an entry; NULL: nothing. */
static struct proc *identify(struct look *look, const struct region_entry *e, struct entry_track *track)
{
    struct procs *procs = &look->agent->procs;
    struct proc *proc;
    if (is_ours(look, e->pid_namespace)) {
        track->pid = token_pid(e->token);
        return procs_token_alive(procs, e->token, look->mono_ms, &proc) ? proc : NULL;
    }
    proc = procs_get(procs, (pid_t)track->pid, look->mono_ms);
    if (track->pid != 0 && !proc) track->pid = 0;
    if (track->pid == 0) {
        track->pid = seek(look, e, track);
        proc = procs_get(procs, (pid_t)track->pid, look->mono_ms);
    }
    return proc;
}

static bool is_listed(const struct gpu_state *gpu, uint32_t pid)
{
    for (size_t i = 0; gpu && i < gpu->process_count; i++)
        if (gpu->processes[i].pid == pid) return true;
    return false;
}

/* A token is written by a tenant and may name any process. It is believed if the kernel says that the process is the
 * owner's, or of one of the owner's subordinate uids. Processes of root and of the manager, who may enter every slice,
 * are believed if their own environment names this slice. Where that cannot be read, the driver must list the process
 * on this GPU. */
static bool is_here(struct look *look, struct entry_track *track, struct proc *proc)
{
    const struct slice *slice = look->slice;
    const struct gpu_state *gpu = agent_gpu(look->agent, slice->r.gpu_uuid);
    if (!proc) return true; /* in a namespace of its own, or not found for want of room: a figure, and no row */
    if (!proc->uid_known) return is_listed(gpu, track->pid);
    if (proc->uid == slice->r.owner_uid) return true;
    if (accounts_owner(proc->uid, look->mono_ms * 1000000) == slice->r.owner_uid) return true;
    for (size_t i = 0; i < slice->acl_count; i++)
        if (slice->acl_users[i] == proc->uid) return true;
    if (!slice->acl_refused && proc->uid != 0 && proc->uid != look->agent->places.uid) return false;
    if (track->says_so == 0) {
        track->says_so = procs_names_slice(proc, slice_base_id(&slice->r));
        track->unreadable = track->says_so < 0 && errno == EACCES;
    }
    return track->says_so == 1 || (track->unreadable && is_listed(gpu, track->pid));
}

/* An entry's lock says whether its process lives, if it has one. Otherwise its pid does, where the pid means the same
 * to us as to the process; where it does not, the process counts as alive. */
static bool is_alive(struct look *look, unsigned index, const struct region_entry *e)
{
    struct proc *proc;
    int held = (e->flags & REGION_ENTRY_LOCKED) != 0 ? life_held(look->usage_fd, index) : -1;
    if (held >= 0) return held == 1;
    return !is_ours(look, e->pid_namespace) || procs_token_alive(&look->agent->procs, e->token, look->mono_ms, &proc);
}

/* A supervisor's, and not one that says so to be charged nothing. */
static bool is_of_gate(const struct region_entry *e)
{
    return (e->flags & REGION_ENTRY_GATE) != 0 && e->charged_ns == 0 && e->launches == 0;
}

/* A process may have two entries, its own and its supervisor's: what both say is added up. true: it is the first of them
 * in this look. */
static bool take_bytes(struct look *look, const struct region_entry *e, struct entry_track *track, struct proc *proc)
{
    bool first = !track->seen;
    uint64_t bytes = measure_sane(e->memory_bytes);
    if (first) {
        track->memory_bytes = track->gate_bytes = 0;
        track->is_metered = track->is_held = false;
        track->believed = is_here(look, track, proc);
    }
    track->seen = true;
    track->memory_bytes = measure_add(track->memory_bytes, bytes);
    if (is_of_gate(e)) {
        track->gate_bytes = measure_add(track->gate_bytes, bytes);
        track->is_held = true;
    } else {
        track->is_metered = true;
    }
    return first;
}

static void take_entry(struct look *look, unsigned index, const struct region_entry *e)
{
    if (e->token == 0) return;
    if (!is_alive(look, index, e)) {
        policy_reap(look->slice, look->usage_fd, index, e->token);
        return;
    }
    if (e->token & REGION_CLAIMING) return;
    uint64_t since = e->throttled_since_ns;
    uint64_t throttled_ns = e->throttled_ns + (since != 0 && look->now_ns > since ? look->now_ns - since : 0);
    struct entry_track *track = find_track(look->slice, e);
    if (!track) {
        bool fresh = look->slice->rates_at_ns != 0 && e->claimed_at_ns >= look->slice->rates_at_ns;
        track = add_track(look->slice, e, fresh, throttled_ns);
        if (!track) return;
    }
    struct proc *proc = identify(look, e, track);
    if (proc) procs_watch(&look->agent->procs, proc);
    bool first = take_bytes(look, e, track, proc);
    if (!track->believed) return;
    if (look->slice->policy && e->estimate_until > atomic_load(&look->slice->policy->residue_sequence))
        look->m.estimate_bytes = measure_add(look->m.estimate_bytes, e->estimate_bytes);
    look->m.ledger_bytes = measure_add(look->m.ledger_bytes, e->memory_bytes);
    if (is_of_gate(e)) look->m.gate_bytes = measure_add(look->m.gate_bytes, e->memory_bytes);
    if (!proc || !is_listed(agent_gpu(look->agent, look->slice->r.gpu_uuid), track->pid))
        look->m.unwitnessed_bytes = measure_add(look->m.unwitnessed_bytes, e->memory_bytes);
    if (first) look->m.process_count++;
    take_denials(look, e, track, proc, is_of_gate(e) ? &track->gate_denied_count : &track->denied_count);
    if (!is_of_gate(e)) take_rates(look, e, track, throttled_ns);
    if (first) note_uid(look, proc);
}

static void take_file(struct look *look, int usage_fd, uint32_t entries, const struct usage_head *head)
{
    look->usage_fd = usage_fd;
    for (uint32_t i = 0; i < entries; i++) take_entry(look, i, &head->entries[i]);
}

static void take_stray(struct look *look, struct slice_stray *stray, struct usage_head *head)
{
    uint64_t before = look->m.ledger_bytes;
    uint32_t count = look->m.process_count;
    if (read_head(stray->usage_fd, &stray->entries_high, head) == 0)
        take_file(look, stray->usage_fd, stray->entries_high, head);
    stray->ledger_bytes = look->m.ledger_bytes - before;
    stray->used = look->m.process_count > count;
}

static void drop_unseen(struct slice *slice)
{
    size_t kept = 0;
    for (size_t i = 0; i < slice->track_count; i++) {
        if (slice->tracks[i].seen) {
            slice->tracks[kept++] = slice->tracks[i];
        } else {
            slice->left_count++;
            slice->dead_denied_count = measure_add(slice->dead_denied_count, slice->tracks[i].denied_count);
            slice->dead_denied_count = measure_add(slice->dead_denied_count, slice->tracks[i].gate_denied_count);
        }
    }
    slice->track_count = kept;
}

/* Other people than the owner keep their access while they have a process in the slice. */
static void settle_access(struct look *look)
{
    struct slice *slice = look->slice;
    size_t kept = 0;
    for (size_t i = 0; i < slice->acl_count; i++) {
        for (size_t k = 0; k < look->uid_count; k++) {
            if (slice->acl_users[i] == look->uids[k]) {
                slice->acl_users[kept++] = slice->acl_users[i];
                break;
            }
        }
    }
    if (kept == slice->acl_count) return;
    slice->acl_count = kept;
    policy_update_access(look->agent, slice);
}

static void settle_shrink(struct agent *agent, struct slice *slice)
{
    if (slice->r.shrinks_from_bytes == 0 || measure_total(slice) > slice->r.memory_limit_bytes) return;
    slice->r.shrinks_from_bytes = 0;
    agent->state_dirty = true;
    agent->pending_unsaved = true;
}

/* An earlier owner has cut the file that its programs still have open: nothing more is admitted through it, and its
 * processes are those already known, as long as they live. */
static void lose_file(struct agent *agent, struct slice *slice, int64_t mono_ms)
{
    struct proc *proc;
    policy_shut(slice);
    for (size_t i = 0; i < slice->track_count; i++) {
        struct entry_track *track = &slice->tracks[i];
        uint64_t token = (track->token & ~UINT64_C(0x7fffffff)) | track->pid;
        track->seen = track->pid != 0 && procs_token_alive(&agent->procs, token, mono_ms, &proc);
    }
    drop_unseen(slice);
    slice->m.process_count = (uint32_t)slice->track_count;
}

/* What goes into the GPU-hours: what the processes say that they were charged, as far as the driver agrees. */
static uint64_t used_ns(const struct slice *slice, uint64_t elapsed_ns, uint64_t charged_ns)
{
    if (slice->outside.looks < OUTSIDE_LOOKS) return charged_ns;
    uint64_t seen_ns = elapsed_ns / 1000 * slice->outside.average_tenths;
    uint64_t most_ns = seen_ns + elapsed_ns / 1000 * OUTSIDE_SLACK_TENTHS;
    if (slice->outside.uses_more && charged_ns < seen_ns) return seen_ns;
    return charged_ns < most_ns ? charged_ns : most_ns;
}

void measure_slice(struct agent *agent, struct slice *slice, int64_t mono_ms)
{
    static struct usage_head head;
    bool readable = read_head(slice->usage_fd, &slice->entries_high, &head) == 0;
    if (!readable && slice->stray_count == 0) {
        slice->m.usage_known = slice->m.rates_known = false;
        if (slice_is_left(&slice->r)) lose_file(agent, slice, mono_ms);
        return;
    }
    struct look look = {.agent = agent,
                        .slice = slice,
                        .mono_ms = mono_ms,
                        .wall_ms = now_wall_ms(),
                        .now_ns = now_region_ns(agent),
                        .m = slice->m};
    if (slice->policy) atomic_store(&slice->policy->agent_clock_ns, look.now_ns);
    look.m.gate_bytes = 0;
    look.m.ledger_bytes = look.m.denied_count = look.m.estimate_bytes = look.m.unwitnessed_bytes = 0;
    look.m.throttled_tenths = 0;
    look.m.held_by = REGION_HELD_BY_NOTHING;
    look.m.process_count = 0;
    look.m.limit_held = !slice->outside.uses_more && !slice->outside.holds_more;
    bool first = slice->rates_at_ns == 0;
    uint64_t elapsed = look.now_ns > slice->rates_at_ns ? look.now_ns - slice->rates_at_ns : 0;
    if (!first && elapsed >= RATE_WINDOW_NS) look.elapsed_ns = elapsed;
    for (size_t i = 0; i < slice->track_count; i++) slice->tracks[i].seen = false;
    take_file(&look, slice->usage_fd, readable ? slice->entries_high : 0, &head);
    slice->current_ledger_bytes = look.m.ledger_bytes;
    for (size_t i = 0; i < slice->stray_count; i++) take_stray(&look, &slice->strays[i], &head);
    drop_unseen(slice);
    const struct gpu_state *gpu = agent_gpu(agent, slice->r.gpu_uuid);
    uint64_t capacity = gpu ? gpu->info.capacity_bytes : 0;
    if (capacity > 0 && look.m.ledger_bytes > capacity) look.m.ledger_bytes = capacity;
    if (look.charged_ns > look.elapsed_ns) look.charged_ns = look.elapsed_ns;
    look.m.usage_known = true;
    look.m.denied_count = measure_add(look.m.denied_count, slice->dead_denied_count);
    if (first && look.m.process_count == 0) look.m.rates_known = true; /* no process, so nothing is used */
    if (look.elapsed_ns > 0) {
        look.m.compute_tenths = tenths(look.charged_ns, look.elapsed_ns);
        look.m.rates_known = true;
    }
    if (first || look.elapsed_ns > 0) slice->rates_at_ns = look.now_ns;
    slice->uncounted_ns += used_ns(slice, look.elapsed_ns, look.charged_ns);
    slice->m = look.m;
    if (slice->stray_count > 0) {
        strays_forget_unused(slice);
        policy_tell_strays(slice);
    }
    settle_access(&look);
    settle_shrink(agent, slice);
}

uint64_t measure_used(const struct slice *slice)
{
    uint64_t ledger = slice->m.usage_known ? slice->m.ledger_bytes : 0;
    return measure_add(ledger, slice->m.residue_known ? slice->m.residue_bytes : 0);
}

uint64_t measure_total(const struct slice *slice)
{
    return measure_add(measure_add(measure_used(slice), slice->inherited_used_bytes), slice->escaped_bytes);
}

uint64_t measure_believed_ledger(const struct gpu_state *gpu, const struct slice *slice)
{
    uint64_t granted = slice_granted_bytes(&slice->r);
    uint64_t ledger = slice->m.ledger_bytes;
    if (gpu && (gpu->reading.valid & GPU_MEMORY) != 0) {
        uint64_t claimed = slice->m.unwitnessed_bytes < ledger ? slice->m.unwitnessed_bytes : ledger;
        uint64_t most = gpu->reading.memory_used_bytes;
        if (claimed > most) ledger -= claimed - most;
    }
    return ledger < granted ? ledger : granted;
}

uint64_t measure_believed(const struct gpu_state *gpu, const struct slice *slice)
{
    uint64_t total = measure_total(slice);
    if (!slice->m.usage_known) return total;
    return total - slice->m.ledger_bytes + measure_believed_ledger(gpu, slice);
}

bool measure_gpu_bytes(const struct gpu_state *gpu, uint32_t pid, uint64_t *bytes)
{
    if (!gpu->processes_known) return false;
    for (size_t i = 0; i < gpu->process_count; i++) {
        if (gpu->processes[i].pid != pid) continue;
        *bytes = gpu->processes[i].bytes;
        return gpu->processes[i].bytes_known;
    }
    return false;
}

/* The least that was seen is what the next context is expected to take; too little does no harm, as it is measured
 * soon. It is the least of two windows of ten minutes, so that no figure that a tenant made us see stays for ever. */
static void learn(struct agent *agent, struct gpu_state *gpu, uint64_t bytes, int64_t mono_ms)
{
    if (bytes < CONTEXT_LEAST_BYTES || bytes > CONTEXT_MOST_BYTES) return;
    if (gpu->context_now_bytes != 0 && mono_ms - gpu->context_since_ms >= CONTEXT_WINDOW_MS) {
        gpu->context_before_bytes = gpu->context_now_bytes;
        gpu->context_now_bytes = 0;
    }
    if (gpu->context_now_bytes == 0) gpu->context_since_ms = mono_ms;
    if (gpu->context_now_bytes == 0 || bytes < gpu->context_now_bytes) gpu->context_now_bytes = bytes;
    uint64_t before = gpu->context_before_bytes;
    uint64_t least = before != 0 && before < gpu->context_now_bytes ? before : gpu->context_now_bytes;
    if (least == gpu->context_bytes) return;
    gpu->context_bytes = least;
    for (size_t i = 0; i < agent->slices.count; i++) {
        struct slice *slice = agent->slices.items[i];
        if (strcmp(slice->r.gpu_uuid, gpu->info.uuid) == 0) policy_set_context(agent, slice);
    }
}

/* Where what the driver shows of a process beyond its ledger is the same at two looks, it is what its context
 * takes. */
static void learn_context(struct agent *agent, struct gpu_state *gpu, struct entry_track *track, uint64_t held,
                          int64_t mono_ms)
{
    uint64_t own = track->memory_bytes - track->gate_bytes;
    uint64_t beyond = held > own ? held - own : 0;
    bool still = beyond == track->beyond_bytes;
    track->beyond_bytes = beyond;
    if (still) learn(agent, gpu, beyond, mono_ms);
}

void measure_unmanaged_context(struct agent *agent, struct gpu_state *gpu, int64_t mono_ms)
{
    for (size_t i = 0; i < gpu->process_count; i++) {
        const struct gpu_process *p = &gpu->processes[i];
        if (p->bytes_known && !slice_holding(&agent->slices, p->pid) && !kernel_proof_is(p->pid))
            learn(agent, gpu, p->bytes, mono_ms);
    }
}

/* ---- what the driver says against what tenants say -------------------------------------------------------- */

void measure_outside_use(struct agent *agent, struct slice *slice, uint32_t percent, int64_t mono_ms)
{
    if (slice->outside.revision != slice->r.revision) {
        memset(&slice->outside, 0, sizeof slice->outside);
        slice->outside.revision = slice->r.revision;
    }
    uint32_t limit = slice->r.compute_limit_percent, least = 1000, sum = 0;
    slice->outside.tenths[slice->outside.next++ % OUTSIDE_LOOKS] = percent > 100 ? 1000 : percent * 10;
    slice->outside.looks += slice->outside.looks < OUTSIDE_LOOKS;
    for (uint32_t i = 0; i < OUTSIDE_LOOKS; i++) {
        sum += slice->outside.tenths[i];
        if (slice->outside.tenths[i] < least) least = slice->outside.tenths[i];
    }
    slice->outside.average_tenths = sum / OUTSIDE_LOOKS;
    /* Each look covers a short window: a slice that keeps its share does not exceed it by far in three of them in a
     * row. */
    uint32_t allowed = limit * 10 + limit * 5 + OUTSIDE_SLACK_TENTHS / 2;
    uint32_t figure = slice->outside.uses_more ? slice->outside.average_tenths : least;
    bool more = slice->outside.looks == OUTSIDE_LOOKS && figure > allowed;
    if (more && !slice->outside.uses_more) {
        tell(agent, slice, TOLD_USES_MORE, 0, mono_ms,
             "%s uses %u %% of the GPU by the driver's account, and may use %u %%: its compute limit is not held by "
             "what "
             "runs in it.",
             slice->r.name, (slice->outside.average_tenths + 5) / 10, limit);
    }
    slice->outside.uses_more = more;
}

/* Reports a slice that holds more than its limit and what a driver takes by itself, twice in a row. */
static void compare_memory(struct agent *agent, struct slice *slice, uint64_t held, int64_t mono_ms)
{
    char holds[32], limit[32];
    uint64_t may = slice->r.memory_limit_bytes;
    bool more =
        held > may + may / 16 + HOLDS_MORE_BYTES && slice->r.shrinks_from_bytes == 0 && !slice_is_left(&slice->r);
    slice->outside.holds_more_looks = more ? slice->outside.holds_more_looks + 1 : 0;
    more = slice->outside.holds_more_looks >= 2;
    if (more && !slice->outside.holds_more) {
        tell(agent, slice, TOLD_HOLDS_MORE, 0, mono_ms,
             "%s holds %s by the driver's account, and may hold %s: its memory limit is not held by what runs in it.",
             slice->r.name, text_gib(holds, sizeof holds, held), text_gib(limit, sizeof limit, may));
    }
    slice->outside.holds_more = more;
}

void measure_residue(struct agent *agent, struct slice *slice, uint64_t ledger_before)
{
    struct gpu_state *gpu = agent_gpu(agent, slice->r.gpu_uuid);
    if (!gpu || !gpu->processes_known || !slice->m.usage_known) {
        /* The last figure stays in the policy page: a driver that does not answer frees no memory. */
        slice->m.residue_known = false;
        return;
    }
    uint64_t ledger = slice->m.ledger_bytes;
    bool moved = ledger != ledger_before;
    uint64_t held = 0, bytes;
    int64_t mono_ms = now_mono_ms();
    for (size_t i = 0; i < slice->track_count; i++) {
        struct entry_track *track = &slice->tracks[i];
        if (!track->believed || !measure_gpu_bytes(gpu, track->pid, &bytes)) continue;
        held = measure_add(held, bytes);
        if (!moved) learn_context(agent, gpu, track, bytes, mono_ms);
    }
    compare_memory(agent, slice, held, mono_ms);
    if (moved && slice->m.residue_known) {
        /* The ledger changed while NVML was asked. What exceeds both figures is residue all the same: a ledger that
         * changes all the time hides nothing. */
        uint64_t both = ledger > ledger_before ? ledger : ledger_before;
        if (held < measure_add(both, slice->m.residue_bytes)) return;
        ledger = both;
    }
    uint64_t residue = held > ledger ? held - ledger : 0;
    uint64_t candidate = slice->m.residue_candidate_bytes;
    slice->m.residue_candidate_bytes = residue;
    uint64_t confirmed = residue < candidate ? residue : candidate;
    if (residue <= slice->m.residue_bytes)
        slice->m.residue_bytes = residue;
    else if (confirmed > slice->m.residue_bytes)
        slice->m.residue_bytes = confirmed;
    slice->m.residue_known = true;
    policy_set_residue(slice, slice->m.residue_bytes);
}
