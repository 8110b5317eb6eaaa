#include "slices/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs.h"
#include "region.h"
#include "region_file.h"
#include "state/agent_state.h"
#include "state/slice.h"

uint64_t files_tag(const struct slice *slice, const struct slice_record *r)
{
    return region_slice_tag(slice_base_id(r), r->generation << 32 | slice->line_generation);
}

int files_path(const struct agent *agent, const char *folder, const char *name, char out[FS_PATH_BYTES])
{
    int n = snprintf(out, FS_PATH_BYTES, "%s/%s/%s", agent->places.runtime, folder, name);
    return n < FS_PATH_BYTES ? 0 : ENAMETOOLONG;
}

int files_line_path(const struct agent *agent, const struct slice *slice, const struct slice_record *r,
                    char out[FS_PATH_BYTES])
{
    return -region_line_path(out, FS_PATH_BYTES, agent->places.runtime, r->gpu_uuid, files_tag(slice, r));
}

/* A tenant that may write to a file may make it longer, until nobody has room on that file system: the surplus is cut
 * off. */
static bool trim(int fd, size_t bytes)
{
    struct stat status;
    return fd >= 0 && fstat(fd, &status) == 0 && status.st_size > (off_t)bytes && ftruncate(fd, (off_t)bytes) == 0;
}

bool files_trim(const struct agent *agent, struct slice *slice)
{
    char line[FS_PATH_BYTES];
    bool trimmed = trim(slice->usage_fd, sizeof(struct region_usage));
    for (size_t i = 0; i < slice->stray_count; i++)
        trimmed |= trim(slice->strays[i].usage_fd, sizeof(struct region_usage));
    if (region_line_path(line, sizeof line, agent->places.runtime, slice->r.gpu_uuid, files_tag(slice, &slice->r)) ==
        0) {
        int fd = fs_open_regular(line, O_RDWR | O_NOFOLLOW);
        trimmed |= trim(fd, REGION_LINE_BYTES);
        if (fd >= 0) close(fd);
    }
    slice->was_trimmed |= trimmed;
    return trimmed;
}

bool files_trim_all(struct agent *agent)
{
    bool trimmed = false;
    for (size_t i = 0; i < agent->slices.count; i++) trimmed |= files_trim(agent, agent->slices.items[i]);
    return trimmed;
}
