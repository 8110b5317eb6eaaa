#include "cards/doorman_who.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/people.h"
#include "cards/doorman_holders.h"
#include "fs.h"
#include "log.h"
#include "slices/scopes.h"
#include "text.h"

void who_begin(struct door_who *who)
{
    if (who->made_fd < 0) who->made_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
}

/* The id of the cgroup of this path; 0: there is none now. Watches the folder that it is, or will be, made in. */
static uint64_t find_service(struct door_who *who, const char *path)
{
    char copy[DOOR_SERVICE_BYTES], place[64];
    int fd = openat(who->root_fd, path + 1, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    uint64_t id = fd >= 0 ? door_group_id(fd) : 0;
    if (fd >= 0) close(fd);
    text_copy(copy, sizeof copy, path);
    for (char *slash; who->made_fd >= 0 && (slash = strrchr(copy, '/'));) {
        *slash = '\0';
        fd = openat(who->root_fd, copy[0] ? copy + 1 : ".", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) continue; /* nor is that one there: the one above it */
        snprintf(place, sizeof place, "/proc/self/fd/%d", fd);
        int error = inotify_add_watch(who->made_fd, place, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0 ? errno : 0;
        if (error != 0 && error != who->watch_error)
            log_line("cgroups in %s cannot be watched: %s; a service that starts is let in within a second",
                     copy[0] ? copy : "/", strerror(error));
        if (error != 0) who->watch_error = error;
        close(fd);
        break;
    }
    return id;
}

/* The cgroup that the scopes of slices are made in; 0: there is none now. */
static uint64_t slices_group(const struct agent *agent)
{
    int fd = scopes_base_fd(agent);
    return fd >= 0 ? door_group_id(fd) : 0;
}

int who_set_groups(const struct agent *agent, struct door_who *who, struct door *door,
                   const struct door_settings *settings)
{
    uint64_t groups[DOOR_SERVICES_MAX + 2];
    size_t count = 0;
    uint64_t slices = slices_group(agent);
    if (slices != 0) groups[count++] = slices;
    for (size_t i = 0; i < settings->service_count; i++) {
        uint64_t id = find_service(who, settings->services[i]);
        if (id != 0) groups[count++] = id;
    }
    /* What the agent starts for a GPU's own service is in the agent's unit. Where processes cannot be told apart the agent
     * itself is its cgroup, whatever that is, unless it is everybody's. */
    bool is_unit;
    uint64_t own = holders_group_of(who->root_fd, getpid(), &is_unit);
    bool is_own = own != 0 && own != door_group_id(who->root_fd);
    who->lets_own = is_own && is_unit;
    if (is_own && (is_unit || !door->kernel.tells_processes)) groups[count++] = own;
    return -door_allow_below(door, groups, count);
}

int who_set_people(struct door *door, const struct door_settings *settings)
{
    uid_t people[DOOR_EXEMPT_MAX];
    size_t count = 0;
    for (size_t i = 0; i < settings->exempt_count; i++) {
        const struct door_person *one = &settings->exempt[i];
        if (people_agree(one->uid, one->name)) people[count++] = one->uid;
    }
    return -door_allow_people(door, people, count);
}
