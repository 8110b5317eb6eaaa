#include "share.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admit.h"
#include "host_clock.h"
#include "proc_stat.h"
#include "region_file.h"
#include "text.h"

bool share_init(struct share *share, const char *runtime, const char *slice_id)
{
    memset(share, 0, sizeof *share);
    return text_copy(share->runtime, sizeof share->runtime, runtime) &&
           text_copy(share->slice_id, sizeof share->slice_id, slice_id);
}

/* ---- names in the usage file -------------------------------------------------------------------------------- */

/* As the process sees itself: its pid in its innermost namespace. 0: it is gone, or does not let us see. */
static uint32_t own_pid_of(pid_t pid)
{
    char path[64], *line = NULL, *end;
    size_t cap = 0;
    long found = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    while (found == 0 && getline(&line, &cap, file) > 0) {
        if (strncmp(line, "NSpid:", strlen("NSpid:")) != 0) continue;
        for (char *at = line + strlen("NSpid:"); *at != '\0' && *at != '\n'; at = end) {
            long number = strtol(at, &end, 10);
            if (end == at) break;
            found = number;
        }
    }
    fclose(file);
    free(line);
    return found > 0 && found <= INT32_MAX ? (uint32_t)found : 0;
}

static uint64_t namespace_of(pid_t pid)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)pid);
    return stat(path, &status) == 0 ? status.st_ino : 0;
}

/* The name under which a process stands in the file (region.h); 0: not known. */
static uint64_t token_of(pid_t pid)
{
    int64_t monotonic_ns, boottime_ns;
    struct proc_stat stat;
    uint32_t own_pid = own_pid_of(pid);
    if (own_pid == 0 || proc_stat_read((uint32_t)pid, 0, &stat) != 0) return 0;
    if (!host_clock_offsets(&monotonic_ns, &boottime_ns)) return 0;
    int64_t ticks = boottime_ns / (INT64_C(1000000000) / sysconf(_SC_CLK_TCK));
    return admit_token(own_pid, (uint64_t)((int64_t)stat.start_ticks - ticks));
}

/* What the process itself says that it holds, in its own entry. */
static uint64_t said_by(const struct share *share, const struct share_process *process)
{
    uint32_t entries = atomic_load(&share->usage->entries_high);
    for (uint32_t i = 0; i < entries && i < REGION_USAGE_ENTRIES && !process->has_ended; i++) {
        const struct region_entry *entry = &share->usage->entries[i];
        if ((atomic_load(&entry->token) & ~REGION_CLAIMING) != process->token ||
            atomic_load(&entry->pid_namespace) != process->pid_namespace ||
            (atomic_load(&entry->flags) & REGION_ENTRY_GATE) != 0)
            continue;
        return atomic_load(&entry->memory_bytes);
    }
    return 0;
}

static uint64_t beyond(const struct share *share, const struct share_process *process)
{
    uint64_t said = said_by(share, process);
    return process->bytes > said ? process->bytes - said : 0;
}

/* ---- our entries -------------------------------------------------------------------------------------------- */

static bool open_files(struct share *share)
{
    char path[FS_PATH_BYTES];
    if (share->is_open) return true;
    int n = snprintf(path, sizeof path, "%s/policy/%s", share->runtime, share->slice_id);
    int m = snprintf(share->usage_path, sizeof share->usage_path, "%s/usage/%s", share->runtime, share->slice_id);
    if (n >= (int)sizeof path || m >= (int)sizeof share->usage_path) return false;
    if (region_policy_map_ro(path, &share->policy) != 0) return false;
    if (region_usage_map(share->usage_path, &share->usage, &share->file) != 0) {
        region_policy_unmap(share->policy);
        return false;
    }
    share->is_open = true;
    return true;
}

static struct life_place place_of(const struct share *share, const struct share_process *process)
{
    return (struct life_place){
        .usage = share->usage,
        .path = share->usage_path,
        .file = share->file,
        .pid_namespace = process->pid_namespace,
    };
}

static void name(struct share_process *process)
{
    process->token = token_of(process->pid);
    process->pid_namespace = namespace_of(process->pid);
    process->has_ended = process->token == 0;
    if (!process->has_ended) return;
    process->token = token_of(getpid());
    process->pid_namespace = life_pid_namespace();
}

/* There is an entry of ours for it, with what it is to hold, whoever wrote there meanwhile. */
static bool have_entry(struct share *share, struct share_process *process)
{
    struct region_entry *entry = process->entry;
    struct life_place place = place_of(share, process);
    if (entry && atomic_load(&entry->token) != process->token &&
        !admit_own_again(entry, process->token, process->kept)) {
        life_end(process->kept);
        process->kept = NULL;
        entry = process->entry = NULL;
    }
    if (!entry) {
        if (process->token == 0 ||
            admit_claim(&place, process->token, host_clock_shown_ns(), &process->entry, &process->kept) != 0)
            return false;
        entry = process->entry;
    }
    atomic_fetch_or(&entry->flags, REGION_ENTRY_GATE);
    uint64_t stands = atomic_load(&entry->memory_bytes);
    if (stands < process->held_bytes) atomic_fetch_add(&entry->memory_bytes, process->held_bytes - stands);
    if (stands > process->held_bytes) admit_release(entry, stands - process->held_bytes);
    return true;
}

static void leave(struct share_process *process)
{
    if (process->entry) admit_leave(process->entry, process->token, process->kept);
    process->pid = 0;
    process->entry = NULL;
    process->kept = NULL;
}

/* ---- looks -------------------------------------------------------------------------------------------------- */

static void begin(struct share *share)
{
    for (uint32_t i = 0; i < share->process_count; i++) share->processes[i].seen = false;
}

static struct share_process *find(struct share *share, pid_t pid)
{
    struct share_process *place = NULL;
    for (uint32_t i = 0; i < share->process_count; i++) {
        if (share->processes[i].pid == pid) return &share->processes[i];
        if (share->processes[i].pid == 0) place = &share->processes[i];
    }
    if (!place && share->process_count < SHARE_PROCESSES_MAX) place = &share->processes[share->process_count++];
    if (!place) return NULL;
    *place = (struct share_process){.pid = pid};
    name(place);
    return place;
}

/* One that comes twice holds the sum. */
static void take(void *context, pid_t pid, uint64_t bytes)
{
    struct share *share = context;
    struct share_process *process = find(share, pid);
    if (!process) return; /* as many as a supervisor answers for have a place */
    process->bytes = process->seen ? process->bytes + bytes : bytes;
    process->seen = true;
}

static void forget_unseen(struct share *share)
{
    for (uint32_t i = 0; i < share->process_count; i++)
        if (share->processes[i].pid != 0 && !share->processes[i].seen) leave(&share->processes[i]);
}

static void count(struct share *share, const struct supervisor *supervisor)
{
    begin(share);
    supervisor_each(supervisor, take, share);
}

/* true: so much more of this process fits into the slice's limit, and is charged. */
static bool ask(struct share *share, pid_t asker, uint64_t growth)
{
    struct share_process *process = find(share, asker);
    if (!process || !open_files(share) || !have_entry(share, process)) return false;
    uint64_t before = process->seen ? process->bytes : 0; /* who holds nothing is not told of */
    process->seen = true;
    process->bytes = before + growth;
    uint64_t wanted = beyond(share, process);
    struct life_place place = place_of(share, process);
    bool fits = wanted <= process->held_bytes ||
                admit_reserve(share->policy, &place, process->entry, wanted - process->held_bytes);
    if (!fits) {
        process->bytes = before;
        return false;
    }
    process->last_bytes = wanted;
    process->held_bytes = wanted > process->held_bytes ? wanted : process->held_bytes;
    return true;
}

/* For the slice's figures, in the entry of who asked. */
static void note_denial(void *context, pid_t asker, uint64_t bytes)
{
    struct share *share = context;
    struct share_process *process = find(share, asker);
    if (!process || !open_files(share) || !have_entry(share, process)) return;
    atomic_store(&process->entry->denied_bytes, bytes);
    atomic_store(&process->entry->denied_at_ns, host_clock_shown_ns());
    atomic_fetch_add(&process->entry->denied_count, 1);
}

/* What is there counts, whether it fits or not. It goes down to the larger of two looks: what is freed leaves the shim's
 * count later than ours. */
static void settle(struct share *share, struct share_process *process)
{
    uint64_t wanted = beyond(share, process);
    uint64_t least = wanted > process->last_bytes ? wanted : process->last_bytes;
    process->last_bytes = wanted;
    if (wanted == 0 && process->held_bytes == 0 && !process->entry) return;
    if (!have_entry(share, process)) return; /* tried again at the next look */
    if (wanted > process->held_bytes) {
        atomic_fetch_add(&process->entry->memory_bytes, wanted - process->held_bytes);
        process->held_bytes = wanted;
    } else if (least < process->held_bytes) {
        admit_release(process->entry, process->held_bytes - least);
        process->held_bytes = least;
    }
}

static bool look(void *context, const struct supervisor *supervisor)
{
    struct share *share = context;
    bool any = false;
    count(share, supervisor);
    forget_unseen(share);
    if (!share->is_open) return false;
    for (uint32_t i = 0; i < share->process_count; i++) {
        struct share_process *process = &share->processes[i];
        if (process->pid == 0) continue;
        settle(share, process);
        any = any || process->entry;
    }
    return any;
}

/* What was given back is seen at the next look: the shim's count of it follows a moment later. */
static bool publish(void *context, const struct supervisor *supervisor, pid_t asker, uint64_t before, uint64_t after)
{
    struct share *share = context;
    if (after <= before) return true;
    count(share, supervisor);
    return ask(share, asker, after - before);
}

/* The ledger has it. */
static uint64_t no_limit(void *context)
{
    (void)context;
    return GATE_NO_LIMIT;
}

struct gate_policy share_policy(struct share *share)
{
    return (struct gate_policy){
        .context = share, .limit_bytes = no_limit, .publish = publish, .deny = note_denial, .look = look};
}
