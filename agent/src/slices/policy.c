/* The files that tenants map: policy (written by us alone), usage and line of the board (written by the slice's
 * tenants). The policy's content always comes from the slice record, so a restarted agent adopts the files and
 * rewrites them; it never learns limits from them. The agent reads usage with pread, because a tenant may truncate the
 * file under a mapping. */

#include "slices/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/now.h"
#include "fs.h"
#include "life.h"
#include "log.h"
#include "region.h"
#include "region_file.h"
#include "slices/files.h"
#include "slices/strays.h"
#include "state/agent_state.h"
#include "state/slice.h"

/* ---- who may join a slice ------------------------------------------------------------------------------ */

enum acl_tag {
    ACL_TAG_USER_OBJ = 1,
    ACL_TAG_USER = 2,
    ACL_TAG_GROUP_OBJ = 4,
    ACL_TAG_MASK = 0x10,
    ACL_TAG_OTHER = 0x20
};

struct acl_entry {
    uint16_t tag, permissions;
    uint32_t id;
};

/* Sets system.posix_acl_access: version 2, then entries ordered by tag and id, all little-endian (as both of our
 * architectures are). */
static int set_acl(const char *path, const uid_t *users, size_t count, mode_t others)
{
    struct {
        uint32_t version;
        struct acl_entry entries[ACL_USERS_MAX + 4];
    } acl = {.version = 2};
    size_t n = 0;
    acl.entries[n++] = (struct acl_entry){ACL_TAG_USER_OBJ, 6, UINT32_MAX};
    for (size_t i = 0; i < count; i++) {
        size_t at = n;
        while (at > 1 && acl.entries[at - 1].id > users[i]) {
            acl.entries[at] = acl.entries[at - 1];
            at--;
        }
        acl.entries[at] = (struct acl_entry){ACL_TAG_USER, 6, users[i]};
        n++;
    }
    acl.entries[n++] = (struct acl_entry){ACL_TAG_GROUP_OBJ, 0, UINT32_MAX};
    acl.entries[n++] = (struct acl_entry){ACL_TAG_MASK, 6, UINT32_MAX};
    acl.entries[n++] = (struct acl_entry){ACL_TAG_OTHER, (uint16_t)others, UINT32_MAX};
    return setxattr(path, "system.posix_acl_access", &acl, 4 + n * sizeof acl.entries[0], 0) == 0 ? 0 : errno;
}

/* others: what everybody else may do with the file, as in the last digit of a mode. false: there are no access lists
 * here, and the file is open to everybody. */
static bool grant(struct agent *agent, struct slice *slice, uid_t owner, const char *path, mode_t others)
{
    uid_t file_owner = agent->places.uid;
    /* Root can make the owner of the slice the owner of the file; where there are no ACLs, nothing else is needed. */
    if (file_owner == 0) {
        if (chown(path, owner, (gid_t)-1) == 0)
            file_owner = owner;
        else
            log_line("%s could not be given to uid %u: %s", path, (unsigned)owner, strerror(errno));
    }
    uid_t users[ACL_USERS_MAX];
    size_t count = 0;
    if (owner != file_owner) users[count++] = owner;
    for (size_t i = 0; i < slice->acl_count && count < ACL_USERS_MAX; i++) {
        bool known = slice->acl_users[i] == file_owner || slice->acl_users[i] == owner;
        if (!known) users[count++] = slice->acl_users[i];
    }
    int error = count > 0 ? set_acl(path, users, count, others) : 0;
    if (count == 0) {
        if (removexattr(path, "system.posix_acl_access") != 0 && errno != ENODATA && errno != ENOTSUP) error = errno;
        if (error == 0 && chmod(path, 0600 | others) != 0) error = errno;
    }
    if (error == 0) return true;
    log_line("no access list for %s (%s): the file is open to everybody", path, strerror(error));
    if (chmod(path, 0666) != 0) log_line("chmod %s: %s", path, strerror(errno));
    return false;
}

/* r: the slice's record, or the one that it is about to get. */
static void update_access(struct agent *agent, struct slice *slice, const struct slice_record *r)
{
    char usage[FS_PATH_BYTES], line[FS_PATH_BYTES];
    if (slice->usage_fd < 0 || files_path(agent, "usage", r->id, usage) != 0 ||
        files_line_path(agent, slice, r, line) != 0)
        return;
    bool alone = grant(agent, slice, r->owner_uid, usage, 0);
    slice->acl_refused = !grant(agent, slice, r->owner_uid, line, 4) || !alone;
}

void policy_update_access(struct agent *agent, struct slice *slice)
{
    update_access(agent, slice, &slice->r);
}

/* ---- opening -------------------------------------------------------------------------------------------- */

static uint64_t capacity_of(struct agent *agent, const struct slice_record *r)
{
    struct gpu_state *gpu = agent_gpu(agent, r->gpu_uuid);
    return gpu ? gpu->info.capacity_bytes : 0;
}

static bool same_file(const struct region_policy *policy, const struct slice_record *r)
{
    return policy->board_slot == r->board_slot && policy->reserved0 == (uint32_t)r->generation &&
           strncmp(policy->slice_id, slice_base_id(r), REGION_ID_BYTES) == 0 &&
           strncmp(policy->gpu_uuid, r->gpu_uuid, REGION_UUID_BYTES) == 0;
}

/* The programs of each earlier owner and those of the present one get equal parts of what the slice may use. */
static uint32_t share_bp(const struct agent *agent, const struct slice_record *r, uint32_t percent)
{
    uint32_t share = percent * 100 / slice_generations(&agent->slices, r);
    return share == 0 && percent > 0 ? 1 : share;
}

/* Where the gate was not proved nobody is to go behind it: it might count nothing. */
static uint32_t gate_flags(struct agent *agent, const struct slice_record *r)
{
    const struct gpu_state *gpu = agent_gpu(agent, r->gpu_uuid);
    if (!gpu || gpu->kind->gate != GATE_PROVED || r->gate == SLICE_GATE_OFF) return 0;
    return REGION_POLICY_GATE_PROGRAMS | (r->gate == SLICE_GATE_SHELLS ? REGION_POLICY_GATE_SHELLS : 0);
}

static void fill(struct agent *agent, const struct slice *slice, const struct slice_record *r, struct region_policy *p)
{
    bool open = slice_is_open(&agent->slices, r, now_wall_ms());
    atomic_store(&p->flags, (open ? 0 : REGION_POLICY_DELETED) | gate_flags(agent, r));
    atomic_store(&p->revision, r->revision);
    atomic_store(&p->memory_limit_bytes, r->memory_limit_bytes);
    uint64_t capacity = capacity_of(agent, r);
    if (capacity > 0) atomic_store(&p->gpu_capacity_bytes, capacity);
    atomic_store(&p->compute_limit_bp, share_bp(agent, r, r->compute_limit_percent));
    atomic_store(&p->compute_guarantee_bp, share_bp(agent, r, r->compute_guarantee_percent));
    atomic_store(&p->priority, r->priority);
    atomic_store(&p->owner_uid, r->owner_uid);
    atomic_store(&p->tag, files_tag(slice, r));
}

#define PAGES_MAX (1 + SLICE_STRAYS_MAX)

/* The slice's page, and the pages that were removed while programs had them open. */
static size_t pages_of(const struct slice *slice, struct region_policy *pages[PAGES_MAX])
{
    size_t count = 0;
    if (slice->policy) pages[count++] = slice->policy;
    for (size_t i = 0; i < slice->stray_count; i++) pages[count++] = slice->strays[i].policy;
    return count;
}

/* Tells the slices of a GPU about each other, except for one that is about to go. A slice before its start or after
 * its end has no claim. */
static void introduce_neighbours(struct agent *agent, const char *gpu_uuid, const struct slice *leaving)
{
    uint64_t words[REGION_BOARD_SLOTS] = {0};
    for (size_t i = 0; i < agent->slices.count; i++) {
        const struct slice *slice = agent->slices.items[i];
        const struct slice_record *r = &slice->r;
        /* Two generations of a slice may have to share a line of the board; then the present owner's is shown. */
        bool taken = slice_is_left(r) && r->board_slot < REGION_BOARD_SLOTS && words[r->board_slot] != 0;
        if (slice != leaving && strcmp(r->gpu_uuid, gpu_uuid) == 0 && !taken && r->board_slot < REGION_BOARD_SLOTS &&
            slice_is_open(&agent->slices, r, now_wall_ms())) {
            words[r->board_slot] =
                REGION_NEIGHBOUR(files_tag(slice, &slice->r), share_bp(agent, r, r->compute_limit_percent),
                                 share_bp(agent, r, r->compute_guarantee_percent), r->priority);
        }
    }
    for (size_t i = 0; i < agent->slices.count; i++) {
        struct slice *slice = agent->slices.items[i];
        struct region_policy *pages[PAGES_MAX];
        size_t count = strcmp(slice->r.gpu_uuid, gpu_uuid) == 0 ? pages_of(slice, pages) : 0;
        for (size_t page = 0; page < count; page++) {
            bool changed = false;
            for (size_t at = 0; at < REGION_BOARD_SLOTS; at++) {
                uint64_t word = at == slice->r.board_slot ? 0 : words[at];
                changed = atomic_exchange(&pages[page]->neighbours[at], word) != word || changed;
            }
            if (changed) region_policy_announce(pages[page]);
        }
    }
}

int policy_board(struct agent *agent, const char *gpu_uuid)
{
    char path[FS_PATH_BYTES];
    struct stat st;
    int error = files_path(agent, "board", gpu_uuid, path);
    if (error != 0) return error;
    /* Before ABI 4 the board was one file. */
    if (lstat(path, &st) == 0 && !S_ISDIR(st.st_mode) && unlink(path) != 0) return errno;
    return fs_own_directory(path, 0711, agent->places.uid);
}

/* The slice's line: what its tenants write about themselves, and its neighbours read. */
static int open_line(const struct agent *agent, const struct slice *slice, const struct slice_record *r)
{
    char path[FS_PATH_BYTES];
    struct region_board_slot line;
    int fd, error = files_line_path(agent, slice, r, path);
    if (error != 0) return error;
    if (region_line_open(path, &fd) == 0) {
        bool ours = pread(fd, &line, sizeof line, offsetof(struct region_line, line)) == (ssize_t)sizeof line &&
                    line.slice_tag == files_tag(slice, r);
        close(fd);
        if (ours) return 0;
    }
    return -region_line_create(path, files_tag(slice, r), 0644);
}

static int make_policy(struct agent *agent, const char *path, const struct slice *slice, const struct slice_record *r,
                       bool closed)
{
    struct region_policy initial;
    memset(&initial, 0, sizeof initial);
    initial.board_slot = r->board_slot;
    initial.reserved0 = (uint32_t)r->generation; /* for the agent: the generation of owners whose page it is */
    snprintf(initial.slice_id, sizeof initial.slice_id, "%s", slice_base_id(r));
    memcpy(initial.gpu_uuid, r->gpu_uuid, sizeof initial.gpu_uuid);
    snprintf(initial.name, sizeof initial.name, "%s", r->name);
    fill(agent, slice, r, &initial);
    if (closed) atomic_store(&initial.flags, REGION_POLICY_DELETED);
    return -region_policy_create(path, &initial, 0644);
}

static int map_policy(struct slice *slice, const char *path)
{
    struct stat st;
    int error = -region_policy_map_rw(path, &slice->policy);
    /* Nobody else writes to this folder, so it is the same file. */
    if (error == 0 && lstat(path, &st) == 0) slice->policy_file = (struct life_file){st.st_dev, st.st_ino};
    return error;
}

static int open_policy(struct agent *agent, struct slice *slice)
{
    char path[FS_PATH_BYTES];
    int error = files_path(agent, "policy", slice->r.id, path);
    if (error != 0) return error;
    struct stat st;
    bool ours = lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == agent->places.uid;
    if (ours && map_policy(slice, path) == 0) {
        if (same_file(slice->policy, &slice->r)) {
            policy_apply(agent, slice);
            return 0;
        }
        region_policy_unmap(slice->policy);
        slice->policy = NULL;
    }
    error = make_policy(agent, path, slice, &slice->r, false);
    return error != 0 ? error : map_policy(slice, path);
}

static int open_usage(struct agent *agent, struct slice *slice)
{
    char path[FS_PATH_BYTES];
    int error = files_path(agent, "usage", slice->r.id, path);
    if (error != 0) return error;
    if (region_usage_open(path, &slice->usage_fd) != 0) {
        slice->usage_fd = -1;
        error = -region_usage_create(path, 0600);
        if (error == 0) error = -region_usage_open(path, &slice->usage_fd);
    }
    if (error != 0) return error;
    /* The file is read several times a second, and nobody needs its access time. Refused where we are not the
     * owner. */
    fcntl(slice->usage_fd, F_SETFL, O_NOATIME);
    return 0;
}

/* The name under which an earlier owner's files are kept: "s-0123456789abcdef.3" for generation 3. */
static void left_id(const struct slice_record *r, char out[REGION_ID_BYTES])
{
    snprintf(out, REGION_ID_BYTES, "%.20s.%llu", r->id, (unsigned long long)r->generation);
}

static const char *const left_folders[] = {"usage", "policy"};

/* The files of the present generation lie under the name for earlier ones: the slice did not change hands after all,
 * or the agent was killed before that was written down. */
static int take_back_files(struct agent *agent, const struct slice_record *r)
{
    char id[REGION_ID_BYTES], kept[FS_PATH_BYTES], path[FS_PATH_BYTES];
    if (slice_is_left(r)) return 0;
    left_id(r, id);
    for (size_t i = 0; i < 2; i++) {
        if (files_path(agent, left_folders[i], id, kept) != 0 || files_path(agent, left_folders[i], r->id, path) != 0)
            return ENAMETOOLONG;
        /* rename() leaves both names if they are of one file. */
        if (access(kept, F_OK) == 0 && (rename(kept, path) != 0 || (unlink(kept) != 0 && errno != ENOENT)))
            return errno;
    }
    return 0;
}

/* Files in the runtime directory take memory that everybody shares, and a tenant may make its own longer, until
 * nothing new can be made. The surplus is cut at once, and not at the next look: then there is room for long
 * enough. */
static bool makes_room(struct agent *agent, int error)
{
    return error == ENOSPC && files_trim_all(agent);
}

static int open_all(struct agent *agent, struct slice *slice)
{
    int error = policy_board(agent, slice->r.gpu_uuid);
    if (error == 0 && slice->usage_fd < 0 && !slice->policy) error = take_back_files(agent, &slice->r);
    /* Usage and line before policy: a tenant that sees a policy finds them, too. */
    if (error == 0 && slice->usage_fd < 0) error = open_usage(agent, slice);
    if (error == 0) error = open_line(agent, slice, &slice->r);
    if (error == 0) update_access(agent, slice, &slice->r);
    if (error == 0 && !slice->policy) error = open_policy(agent, slice);
    if (error == 0) introduce_neighbours(agent, slice->r.gpu_uuid, NULL);
    return error;
}

int policy_open(struct agent *agent, struct slice *slice)
{
    int error = open_all(agent, slice);
    if (makes_room(agent, error)) error = open_all(agent, slice);
    if (error != 0) log_line("files of slice %s: %s", slice->r.id, strerror(error));
    return error;
}

void policy_open_all(struct agent *agent)
{
    for (size_t i = 0; i < agent->slices.count; i++) policy_open(agent, agent->slices.items[i]);
}

void policy_apply(struct agent *agent, struct slice *slice)
{
    struct region_policy *pages[PAGES_MAX];
    if (!slice->policy) return;
    policy_set_context(agent, slice);
    size_t count = pages_of(slice, pages);
    for (size_t i = 0; i < count; i++) {
        fill(agent, slice, &slice->r, pages[i]);
        region_policy_announce(pages[i]);
    }
    introduce_neighbours(agent, slice->r.gpu_uuid, NULL);
}

void policy_meet(struct agent *agent, const char *gpu_uuid)
{
    introduce_neighbours(agent, gpu_uuid, NULL);
}

void policy_shut(struct slice *slice)
{
    struct region_policy *pages[PAGES_MAX];
    size_t count = pages_of(slice, pages);
    for (size_t i = 0; i < count; i++) {
        atomic_fetch_or(&pages[i]->flags, REGION_POLICY_DELETED);
        region_policy_announce(pages[i]);
    }
}

static void remove_line(const struct agent *agent, const struct slice *slice, const struct slice_record *r)
{
    char path[FS_PATH_BYTES];
    if (files_line_path(agent, slice, r, path) == 0 && unlink(path) != 0 && errno != ENOENT)
        log_line("unlink %s: %s", path, strerror(errno));
}

static int make_files_once(struct agent *agent, struct slice *slice, const struct slice_record *to, const char *usage,
                           const char *policy)
{
    int error = -region_usage_create(usage, 0600);
    if (error == 0) error = open_line(agent, slice, to);
    return error != 0 ? error : make_policy(agent, policy, slice, to, true);
}

/* Makes new files for the record that the slice is about to get. 0 or errno. */
static int make_files(struct agent *agent, struct slice *slice, const struct slice_record *to, const char *usage,
                      const char *policy)
{
    int error = make_files_once(agent, slice, to, usage, policy);
    return makes_room(agent, error) ? make_files_once(agent, slice, to, usage, policy) : error;
}

int policy_move(struct agent *agent, struct slice *slice, const struct slice_record *to)
{
    char policy[FS_PATH_BYTES], usage[FS_PATH_BYTES];
    int error = files_path(agent, "policy", to->id, policy);
    if (error == 0) error = files_path(agent, "usage", to->id, usage);
    if (error == 0) error = policy_board(agent, to->gpu_uuid);
    /* A new usage file too: what kernels cost was learned on the other GPU. */
    if (error == 0) error = make_files(agent, slice, to, usage, policy);
    if (error != 0) return error;
    policy_close(agent, slice, false);
    remove_line(agent, slice, &slice->r);
    slice->entries_high = 0;
    slice->acl_count = 0;
    slice->m.residue_bytes = slice->m.residue_candidate_bytes = 0;
    error = open_usage(agent, slice);
    if (error == 0) update_access(agent, slice, to);
    return error != 0 ? error : map_policy(slice, policy);
}

/* What stands in the other ledgers of the slice, as of the last look: the tenants of a page sum up their own ledger
 * only, and the others count as residue to them. */
static uint64_t beside(const struct slice *slice, const struct slice_stray *page)
{
    bool own = page && page->usage_fd >= 0;
    uint64_t sum = own ? slice->current_ledger_bytes : 0;
    for (size_t i = 0; i < slice->stray_count; i++)
        if (&slice->strays[i] != page) sum += slice->strays[i].ledger_bytes;
    return sum;
}

static void set_residue(struct region_policy *policy, uint64_t bytes, bool compared)
{
    bool changed = atomic_load(&policy->residue_bytes) != bytes;
    atomic_store(&policy->residue_bytes, bytes);
    /* After the bytes: a tenant that sees the new count drops its estimate, and must see the figure that replaces
     * it. */
    if (compared) atomic_fetch_add(&policy->residue_sequence, 1);
    if (changed) region_policy_announce(policy);
}

static void set_all_residues(struct slice *slice, uint64_t bytes, bool compared)
{
    bytes += slice->inherited_bytes + slice->escaped_bytes;
    if (slice->policy) set_residue(slice->policy, bytes + beside(slice, NULL), compared);
    for (size_t i = 0; i < slice->stray_count; i++)
        set_residue(slice->strays[i].policy, bytes + beside(slice, &slice->strays[i]), compared);
}

static int keep_files(struct agent *agent, const struct slice_record *r)
{
    char id[REGION_ID_BYTES], kept[FS_PATH_BYTES], path[FS_PATH_BYTES];
    left_id(r, id);
    for (size_t i = 0; i < 2; i++) {
        if (files_path(agent, left_folders[i], id, kept) != 0 || files_path(agent, left_folders[i], r->id, path) != 0)
            return ENAMETOOLONG;
        if ((unlink(kept) != 0 && errno != ENOENT) || link(path, kept) != 0) return errno;
    }
    return 0;
}

/* Hands the open files of one slice to another, with what was measured through them. */
static void give_files(struct slice *from, struct slice *to)
{
    to->policy = from->policy;
    to->policy_file = from->policy_file;
    to->usage_fd = from->usage_fd;
    to->entries_high = from->entries_high;
    to->line_generation = from->line_generation;
    memcpy(to->strays, from->strays, sizeof to->strays);
    to->stray_count = from->stray_count;
    to->current_ledger_bytes = from->current_ledger_bytes;
    to->rates_at_ns = from->rates_at_ns;
    to->tracks = from->tracks;
    to->track_count = from->track_count;
    to->track_cap = from->track_cap;
    to->m = from->m;
    from->policy = NULL;
    from->usage_fd = -1;
    from->entries_high = 0;
    from->line_generation = 0;
    from->stray_count = 0;
    from->current_ledger_bytes = 0;
    from->tracks = NULL;
    from->track_count = from->track_cap = 0;
    from->m = (struct slice_measure){.denied_at_ms = NO_TIME, .limit_held = true};
}

int policy_hand_over(struct agent *agent, struct slice *slice, const struct slice_record *to, struct slice *left)
{
    char policy[FS_PATH_BYTES], usage[FS_PATH_BYTES];
    int error = files_path(agent, "policy", to->id, policy);
    if (error == 0) error = files_path(agent, "usage", to->id, usage);
    if (error == 0 && left) error = keep_files(agent, &slice->r);
    if (error == 0) error = make_files(agent, slice, to, usage, policy);
    if (error != 0) return error;
    uint32_t line_generation = slice->line_generation;
    if (left) {
        give_files(slice, left);
    } else {
        policy_close(agent, slice, false);
        remove_line(agent, slice, &slice->r);
        slice->entries_high = 0;
    }
    slice->line_generation = line_generation; /* the new line was named by it */
    slice->acl_count = 0;
    slice->m.residue_bytes = slice->m.residue_candidate_bytes = 0;
    slice->inherited_bytes = left ? left->r.memory_limit_bytes : 0;
    slice->escaped_bytes = 0; /* of the owner of before */
    error = open_usage(agent, slice);
    if (error == 0) update_access(agent, slice, to);
    if (error == 0) error = map_policy(slice, policy);
    /* Before anything can be admitted through it. */
    if (error == 0) atomic_store(&slice->policy->residue_bytes, slice->inherited_bytes);
    return error;
}

void policy_take_back(struct agent *agent, struct slice *slice, const struct slice_record *to, struct slice *left)
{
    policy_close(agent, slice, false);
    remove_line(agent, slice, to);
    if (left) {
        give_files(left, slice);
        int error = take_back_files(agent, &slice->r);
        if (error != 0) log_line("files of slice %s could not be put back: %s", slice->r.id, strerror(error));
        policy_apply(agent, slice);
    }
    policy_open(agent, slice);
}

void policy_set_inherited(struct slice *slice, uint64_t bytes)
{
    if (slice->inherited_bytes == bytes) return;
    slice->inherited_bytes = bytes;
    set_all_residues(slice, slice->m.residue_bytes, false);
}

void policy_set_escaped(struct slice *slice, uint64_t bytes)
{
    if (slice->escaped_bytes == bytes) return;
    slice->escaped_bytes = bytes;
    set_all_residues(slice, slice->m.residue_bytes, false);
}

void policy_set_limit(struct slice *slice, uint64_t bytes)
{
    struct region_policy *pages[PAGES_MAX];
    size_t count = pages_of(slice, pages);
    for (size_t i = 0; i < count; i++) atomic_store(&pages[i]->memory_limit_bytes, bytes);
}

void policy_set_residue(struct slice *slice, uint64_t own_bytes)
{
    set_all_residues(slice, own_bytes, true);
}

void policy_tell_strays(struct slice *slice)
{
    set_all_residues(slice, slice->m.residue_bytes, false);
}

void policy_set_context(struct agent *agent, struct slice *slice)
{
    struct gpu_state *gpu = agent_gpu(agent, slice->r.gpu_uuid);
    if (!slice->policy || !gpu) return;
    uint64_t kept = atomic_load(&slice->policy->context_bytes); /* what an earlier agent wrote */
    /* Until a context is seen, and never a figure that no context takes. */
    if (gpu->context_bytes == 0 && kept >= CONTEXT_LEAST_BYTES && kept <= CONTEXT_MOST_BYTES)
        gpu->context_bytes = kept;
    struct region_policy *pages[PAGES_MAX];
    size_t count = pages_of(slice, pages);
    for (size_t i = 0; i < count; i++) atomic_store(&pages[i]->context_bytes, gpu->context_bytes);
}

void policy_close(struct agent *agent, struct slice *slice, bool remove_files)
{
    char path[FS_PATH_BYTES];
    while (slice->stray_count > 0) strays_forget(slice, 0);
    if (slice->policy) region_policy_unmap(slice->policy);
    slice->policy = NULL;
    if (slice->usage_fd >= 0) close(slice->usage_fd);
    slice->usage_fd = -1;
    if (!remove_files) return;
    introduce_neighbours(agent, slice->r.gpu_uuid, slice);
    static const char *const folders[] = {"policy", "usage"};
    for (size_t i = 0; i < 2; i++)
        if (files_path(agent, folders[i], slice->r.id, path) == 0 && unlink(path) != 0 && errno != ENOENT)
            log_line("unlink %s: %s", path, strerror(errno));
    remove_line(agent, slice, &slice->r);
}

/* ---- reaping -------------------------------------------------------------------------------------------- */

/* The holder of an entry's lock may empty it, and while we hold it no process can claim the entry. Without locks, a
 * process that claims it between our look and our write finds its token gone, and takes it back. */
void policy_reap(const struct slice *slice, int usage_fd, unsigned index, uint64_t token)
{
    off_t at = (off_t)(offsetof(struct region_usage, entries) + index * sizeof(struct region_entry));
    uint64_t stands, none = 0;
    int lock = life_lock(usage_fd, index);
    if (lock == 0) return;
    if (pread(usage_fd, &stands, sizeof stands, at) == (ssize_t)sizeof stands && stands == token &&
        pwrite(usage_fd, &none, sizeof none, at) != (ssize_t)sizeof none)
        log_line("an entry of slice %s could not be emptied: %s", slice->r.id, strerror(errno));
    if (lock == 1) life_unlock(usage_fd, index);
}
