#include "slices/upkeep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/places.h"
#include "fs.h"
#include "journal/notices.h"
#include "life.h"
#include "log.h"
#include "region.h"
#include "region_file.h"
#include "slices/files.h"
#include "slices/policy.h"
#include "slices/strays.h"
#include "state/agent_state.h"
#include "state/slice.h"

#define TOUCH_INTERVAL_MS (3600 * 1000) /* cleaners that go by age go by days at the shortest */

void upkeep_begin(struct agent *agent)
{
    /* Never closed: the lock is ours as long as we live. If it is refused, somebody else holds one and keeps cleaners
     * off, too. */
    int fd = open(agent->places.runtime, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        log_line("%s could not be locked against cleaners: %s", agent->places.runtime, strerror(errno));
        close(fd);
    }
}

/* Puts the slice's files aside, so that policy_open makes new ones. */
static void set_aside(struct slice *slice, bool usage_too)
{
    if (slice->stray_count == SLICE_STRAYS_MAX) strays_forget(slice, 0);
    struct slice_stray *stray = &slice->strays[slice->stray_count++];
    *stray = (struct slice_stray){.policy = slice->policy, .usage_fd = -1, .used = true};
    slice->policy = NULL;
    if (!usage_too) return;
    /* A page and its ledger belong together: an older page whose programs are in this ledger is dropped with it. */
    stray->usage_fd = slice->usage_fd;
    stray->entries_high = slice->entries_high;
    stray->ledger_bytes = slice->current_ledger_bytes;
    slice->usage_fd = -1;
    slice->entries_high = 0;
    slice->current_ledger_bytes = 0;
}

static bool is_at(const char *path, const struct life_file *file, size_t bytes)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_dev == file->device &&
           status.st_ino == file->inode && status.st_size == (off_t)bytes;
}

static bool usage_is_right(const struct slice *slice, const char *path)
{
    struct stat status;
    if (fstat(slice->usage_fd, &status) != 0) return false;
    const struct life_file file = {status.st_dev, status.st_ino};
    return is_at(path, &file, sizeof(struct region_usage));
}

static bool line_is_right(const char *path)
{
    int fd;
    if (region_line_open(path, &fd) != 0) return false;
    close(fd);
    return true;
}

static void say(struct agent *agent, const struct slice *slice, int error)
{
    char message[512];
    if (error == 0) {
        snprintf(
            message, sizeof message,
            "Files of slice %.64s in %.200s had been removed or cut, and were made again. Programs that run go on "
            "with theirs.",
            slice->r.name, agent->places.runtime);
    } else {
        snprintf(
            message, sizeof message,
            "Files of slice %.64s in %.200s were removed or cut and could not be made again (%s): until they can be, "
            "programs that start in it get no memory.",
            slice->r.name, agent->places.runtime, strerror(error));
    }
    log_line("%s", message);
    notices_tell(agent, "files-made-again", slice->r.id, 0, message);
}

static void tell_trimmed(struct agent *agent, struct slice *slice)
{
    if (!slice->was_trimmed) return;
    slice->was_trimmed = false;
    char message[512];
    snprintf(
        message, sizeof message,
        "A file of slice %.64s (%.72s's) in %.200s had been made longer than it is, and was cut back: such files lie "
        "in memory that everybody shares.",
        slice->r.name, slice->r.owner, agent->places.runtime);
    log_line("%s", message);
    notices_tell(agent, "files-made-again", slice->r.id, 0, message);
}

struct found {
    bool policy, usage, line;
};

/* Finds which files are where programs look for them, whole, and the ones that we have open. false: the slice has none
 * yet. */
static bool find(const struct agent *agent, const struct slice *slice, bool touch, struct found *found)
{
    char policy[FS_PATH_BYTES], usage[FS_PATH_BYTES], line[FS_PATH_BYTES];
    if (!slice->policy || slice->usage_fd < 0 || files_path(agent, "policy", slice->r.id, policy) != 0 ||
        files_path(agent, "usage", slice->r.id, usage) != 0 ||
        region_line_path(line, sizeof line, agent->places.runtime, slice->r.gpu_uuid, files_tag(slice, &slice->r)) !=
            0)
        return false;
    const char *const paths[] = {policy, usage, line};
    for (size_t i = 0; touch && i < 3; i++) (void)utimensat(AT_FDCWD, paths[i], NULL, AT_SYMLINK_NOFOLLOW);
    *found = (struct found){is_at(policy, &slice->policy_file, sizeof(struct region_policy)),
                            usage_is_right(slice, usage), line_is_right(line)};
    return true;
}

bool upkeep_is_whole(const struct agent *agent, const struct slice *slice)
{
    struct found found;
    return find(agent, slice, false, &found) && found.policy && found.usage && found.line;
}

static void look_at(struct agent *agent, struct slice *slice, bool touch)
{
    char policy[FS_PATH_BYTES];
    struct found found;
    if (!find(agent, slice, touch, &found) || (found.policy && found.usage && found.line) ||
        files_path(agent, "policy", slice->r.id, policy) != 0)
        return;
    int error = places_make_runtime(&agent->places);
    if (!found.usage && found.policy && unlink(policy) != 0) error = errno;
    if (!found.policy || !found.usage) set_aside(slice, !found.usage);
    slice->line_generation += !found.line;
    if (error == 0) error = policy_open(agent, slice);
    if (error == 0) {
        policy_apply(agent, slice);
        policy_tell_strays(slice);
    }
    say(agent, slice, error);
}

void upkeep_files(struct agent *agent, int64_t mono_ms)
{
    static int64_t touched_at_ms;
    bool touch = touched_at_ms == 0 || mono_ms - touched_at_ms >= TOUCH_INTERVAL_MS;
    if (touch) touched_at_ms = mono_ms;
    for (size_t i = 0; i < agent->slices.count; i++) {
        struct slice *slice = agent->slices.items[i];
        files_trim(agent, slice);
        tell_trimmed(agent, slice);
        /* A file that an earlier owner cuts is not made again. */
        if (!slice_is_left(&slice->r)) look_at(agent, slice, touch);
    }
}
