#include "cards/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gpu/gpu.h"
#include "state/agent_state.h"
#include "text.h"

/* Events of files by their handle, for which nothing is opened: with the older kind the kernel would open the device itself
 * for us, with each event. Of file systems in memory, such as /dev, kernels before 5.13 know no handles: then inotify. */
#ifndef FAN_REPORT_FID
#define FAN_REPORT_FID 0x00000200
#endif

#define READ_BYTES (16 * 1024)
#define READS_AT_ONCE 4

void watch_begin(struct watch *watch)
{
    memset(watch, 0, sizeof *watch);
    /* Without CAP_SYS_ADMIN, as a user's or in a container, fanotify does not say who: inotify can do as much. Marks
     * without limit are given to those with that right alone, and so the kernel says whether we have it. */
    watch->fanotify_fd =
        fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_UNLIMITED_MARKS | FAN_CLOEXEC | FAN_NONBLOCK,
                      O_RDONLY | O_CLOEXEC | O_LARGEFILE);
    watch->refused = watch->fanotify_fd < 0 ? errno : 0;
    watch->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->inotify_fd < 0) watch->refused = errno;
}

/* ---- marks ---------------------------------------------------------------------------------------------- */

static void mark(struct watch *watch, struct watch_node *node)
{
    const char *path = node->said.path;
    node->how = WATCH_TIMER;
    node->refused = watch->refused;
    if (watch->fanotify_fd >= 0) {
        if (fanotify_mark(watch->fanotify_fd, FAN_MARK_ADD | FAN_MARK_DONT_FOLLOW, FAN_OPEN, AT_FDCWD, path) == 0) {
            node->how = WATCH_FANOTIFY;
            return;
        }
        node->refused = errno;
    }
    if (watch->inotify_fd < 0) return;
    if (inotify_add_watch(watch->inotify_fd, path, IN_OPEN | IN_DONT_FOLLOW) >= 0)
        node->how = WATCH_INOTIFY;
    else
        node->refused = errno;
}

/* A node that is made again is told by its folder. Where that cannot be heard, the refresh of each second finds it. */
static void mark_folder(struct watch *watch, const char *node_path)
{
    char path[sizeof watch->folders[0].path];
    text_copy(path, sizeof path, node_path);
    char *slash = strrchr(path, '/');
    if (!slash || slash == path || watch->inotify_fd < 0) return;
    *slash = '\0';
    for (size_t i = 0; i < watch->folder_count; i++)
        if (strcmp(watch->folders[i].path, path) == 0) return;
    if (watch->folder_count == WATCH_FOLDERS_MAX) return;
    int made = inotify_add_watch(watch->inotify_fd, path, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
    if (made < 0) return;
    struct watch_folder *folder = &watch->folders[watch->folder_count++];
    text_copy(folder->path, sizeof folder->path, path);
    folder->mark = made;
}

/* true: another file than at the last look is there. A file system may give the same inode number again at once, so that
 * the time of the last change counts as well; a mark that is there already is set again without harm. */
static bool look_at(struct watch *watch, size_t at)
{
    struct openers_node *file = &watch->files[at];
    struct watch_node *node = &watch->nodes[at];
    struct stat st;
    bool is_there = lstat(node->said.path, &st) == 0 && S_ISCHR(st.st_mode);
    bool same = is_there && file->is_there && file->device == st.st_dev && file->inode == st.st_ino &&
                node->changed.tv_sec == st.st_ctim.tv_sec && node->changed.tv_nsec == st.st_ctim.tv_nsec;
    file->is_there = is_there;
    if (!is_there || same) return false;
    file->by_number = node->said.is_numbered;
    file->device = st.st_dev;
    file->number = st.st_rdev;
    file->inode = st.st_ino;
    node->changed = st.st_ctim;
    mark(watch, node);
    return true;
}

static bool is_known(const struct watch *watch, size_t at, const struct gpu_node *node)
{
    return at < watch->count && strcmp(watch->nodes[at].said.path, node->path) == 0 &&
           watch->nodes[at].said.gpu == node->gpu;
}

bool watch_refresh(struct watch *watch, struct agent *agent)
{
    struct gpu_node said[GPU_NODES_MAX];
    size_t count = 0;
    bool is_new = false;
    for (size_t i = 0; i < agent->backend_count; i++) {
        const struct backend_state *kind = &agent->backends[i];
        size_t n = kind->open && kind->backend->nodes ? kind->backend->nodes(said, GPU_NODES_MAX) : 0;
        for (size_t k = 0; k < n && count < WATCH_NODES_MAX; k++, count++) {
            struct gpu_state *gpu = said[k].gpu != GPU_NODE_OF_ALL ? agent_gpu_at(agent, kind, said[k].gpu) : NULL;
            said[k].gpu = gpu ? (uint32_t)(gpu - agent->gpus) : GPU_NODE_OF_ALL;
            if (!is_known(watch, count, &said[k])) {
                memset(&watch->files[count], 0, sizeof watch->files[count]);
                watch->nodes[count] = (struct watch_node){.said = said[k]};
                mark_folder(watch, said[k].path);
            }
        }
    }
    watch->count = count;
    for (size_t i = 0; i < count; i++) is_new |= look_at(watch, i);
    return is_new;
}

/* ---- what was heard ------------------------------------------------------------------------------------- */

static void note(struct watch_heard *heard, pid_t pid)
{
    for (size_t i = 0; i < heard->count; i++)
        if (heard->pids[i] == pid) return;
    if (pid <= 0 || heard->count == WATCH_PIDS_MAX)
        heard->is_unnamed = true;
    else
        heard->pids[heard->count++] = pid;
}

/* Opens of one process of one node wait as one event, so that an opener in a loop does not fill the queue. */
static void take_fanotify(int fd, struct watch_heard *heard)
{
    static char data[READ_BYTES] __attribute__((aligned(__alignof__(struct fanotify_event_metadata))));
    for (int reads = 0; reads < READS_AT_ONCE; reads++) {
        ssize_t n = read(fd, data, sizeof data);
        if (n <= 0) return;
        const struct fanotify_event_metadata *event = (const void *)data;
        for (; FAN_EVENT_OK(event, n); event = FAN_EVENT_NEXT(event, n)) {
            if (event->vers != FANOTIFY_METADATA_VERSION || (event->mask & FAN_Q_OVERFLOW) != 0)
                heard->is_unnamed = true;
            else
                note(heard, event->pid);
            if (event->fd >= 0) close(event->fd);
        }
    }
}

static bool is_node(const struct watch *watch, const struct inotify_event *event)
{
    for (size_t i = 0; i < watch->folder_count; i++) {
        if (watch->folders[i].mark != event->wd) continue;
        size_t n = strlen(watch->folders[i].path);
        for (size_t k = 0; k < watch->count; k++) {
            const char *path = watch->nodes[k].said.path;
            if (strncmp(path, watch->folders[i].path, n) == 0 && path[n] == '/' &&
                strcmp(path + n + 1, event->name) == 0)
                return true;
        }
    }
    return false;
}

static void take_inotify(const struct watch *watch, struct watch_heard *heard)
{
    static char data[READ_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
    for (int reads = 0; reads < READS_AT_ONCE; reads++) {
        ssize_t n = read(watch->inotify_fd, data, sizeof data);
        if (n <= 0) return;
        const struct inotify_event *event = (const void *)data;
        for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof *event + event->len)) {
            event = (const void *)(data + at);
            if ((event->mask & (IN_OPEN | IN_Q_OVERFLOW)) != 0) heard->is_unnamed = true;
            if ((event->mask & IN_Q_OVERFLOW) != 0) heard->nodes_change = true;
            if ((event->mask & (IN_CREATE | IN_MOVED_TO)) != 0 && event->len > 0)
                heard->nodes_change |= is_node(watch, event);
        }
    }
}

void watch_take(struct watch *watch, struct watch_heard *heard)
{
    memset(heard, 0, sizeof *heard);
    if (watch->fanotify_fd >= 0) take_fanotify(watch->fanotify_fd, heard);
    if (watch->inotify_fd >= 0) take_inotify(watch, heard);
}

/* ---- how ------------------------------------------------------------------------------------------------- */

const char *watch_how_name(enum watch_how how)
{
    static const char *const names[] = {
        [WATCH_TIMER] = "timer", [WATCH_INOTIFY] = "inotify", [WATCH_FANOTIFY] = "fanotify"};
    return names[how];
}

enum watch_how watch_how(const struct watch *watch, char why[WATCH_WHY_BYTES])
{
    const struct watch_node *least = NULL;
    why[0] = '\0';
    for (size_t i = 0; i < watch->count; i++)
        if (watch->files[i].is_there && (!least || watch->nodes[i].how < least->how)) least = &watch->nodes[i];
    if (!least) {
        snprintf(why, WATCH_WHY_BYTES, "no device node of the driver is there");
        return WATCH_TIMER;
    }
    if (least->how == WATCH_FANOTIFY) return least->how;
    char reason[80] = "the agent is not root";
    if (geteuid() == 0) snprintf(reason, sizeof reason, "fanotify cannot be had (%.50s)", strerror(least->refused));
    if (least->how == WATCH_INOTIFY)
        snprintf(why, WATCH_WHY_BYTES, "%s: the kernel says that a GPU was opened, and not by whom", reason);
    else
        snprintf(why, WATCH_WHY_BYTES, "opens of %.100s cannot be heard (%s)", least->said.path,
                 strerror(least->refused));
    return least->how;
}
