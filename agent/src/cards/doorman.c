#include "cards/doorman.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/now.h"
#include "cards/doorman_holders.h"
#include "env.h"
#include "journal/notices.h"
#include "log.h"
#include "text.h"

#define READ_AT_ONCE 64 /* refusals in one turn, */
#define REST_MS 50      /* and no more until then: whoever asks in a loop does not keep the agent busy */
#define DEVICES_INTERVAL_MS 2000
#define RETRY_MS 10000
#define MADE_BYTES 4096
#define PEOPLE_INTERVAL_MS 10000 /* whether a name is still that person's: a directory may be a server */
/* Of the host's own namespaces (include/linux/proc_ns.h): only there the root of the hierarchy is the root of all, and
 * processes have the numbers that the kernel tells. */
#define HOST_CGROUPS "cgroup:[4026531835]"
#define HOST_PROCESSES "pid:[4026531836]"

static bool is_namespace(const char *path, const char *wanted)
{
    char link[64];
    ssize_t n = readlink(path, link, sizeof link - 1);
    link[n > 0 ? n : 0] = '\0';
    return n <= 0 || strcmp(link, wanted) == 0; /* a kernel without them has one for all */
}

/* Where the door is attached: a descriptor, or -1 with a sentence. */
static int open_place(const struct agent *agent, int *root_fd, char *why, size_t cap)
{
    const char *place = getenv(ENV_DOOR_CGROUP);
    *root_fd = -1;
    if (geteuid() != 0) {
        snprintf(why, cap, "The door needs an agent that is root's; this one is %s's", agent->manager_name);
    } else if (agent->places.scope != SCOPE_SYSTEM && !place) {
        snprintf(why, cap, "Only the agent that manages the whole host keeps its door; this one manages a part");
    } else if (!is_namespace("/proc/self/ns/pid", HOST_PROCESSES) ||
               (!place && !is_namespace("/proc/self/ns/cgroup", HOST_CGROUPS))) {
        snprintf(why, cap,
                 "The agent runs in a container (a namespace of its own), from where the host's door cannot be "
                 "kept");
    } else if ((*root_fd = door_root(why, cap)) >= 0) {
        int fd = place ? open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : fcntl(*root_fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0) snprintf(why, cap, "%s cannot be opened: %s", place ? place : "The root cgroup", strerror(errno));
        return fd;
    }
    return -1;
}

/* Everything that the maps say, except of holders and mode. 0, or -1 with a sentence. */
static int fill(struct agent *agent, const struct door_settings *settings)
{
    struct doorman *d = agent->doorman;
    int error = guarded_find(&d->guarded);
    if (error == 0) error = -door_guard(&d->door, d->guarded.devices, d->guarded.count);
    if (error == 0) error = who_set_groups(agent, &d->who, &d->door, settings);
    if (error == 0) error = who_set_people(&d->door, settings);
    if (error == 0) error = holders_add(&d->door, d->who.root_fd, getpid());
    if (error == 0) return 0;
    snprintf(d->why, sizeof d->why, "Who may open the GPUs' devices could not be told to the kernel: %s",
             strerror(error));
    return -1;
}

/* ---- shutting ---------------------------------------------------------------------------------------------------- */

/* Everybody who has a device open now goes on. A look that did not see all of them does not keep the door open. */
static void find_holders(struct doorman *d)
{
    int found = holders_find(&d->door, d->who.root_fd, &d->guarded);
    if (found >= 0)
        log_line("the door: %d processes hold GPUs and go on", found);
    else
        log_line("the door: not all processes that hold GPUs were found (%s); those that were not keep what they have "
                 "open and open nothing more",
                 strerror(-found));
}

/* Brings the door that is prepared and filled to this mode. Positive errno. */
static int shut(struct doorman *d, enum door_mode mode)
{
    struct door_state state;
    int error = -door_read_state(&d->door, &state);
    if (error != 0) return error;
    bool stands = d->door.found_fd >= 0, knows_them = state.mode == DOOR_ON && mode == DOOR_WATCH;
    if (state.mode != (uint32_t)mode && !knows_them) {
        /* In the place of one that stands, whose maps were not ours, nothing may be learned: it would be a gap. */
        bool learns = !stands || state.mode != DOOR_OFF;
        if (learns) error = -door_set_mode(&d->door, DOOR_LEARN);
        if (error == 0 && learns) error = -door_attach(&d->door);
        if (error != 0) return error;
        find_holders(d);
    }
    error = -door_set_mode(&d->door, mode);
    return error == 0 ? -door_attach(&d->door) : error;
}

static void listen_on(struct agent *agent, int fd, void *tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = tag};
    if (epoll_ctl(agent->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0 && errno != EEXIST)
        log_line("the door is not listened at: %s", strerror(errno));
}

void doorman_listen(struct agent *agent)
{
    struct doorman *d = agent->doorman;
    d->listens = true;
    if (d->is_shut) listen_on(agent, d->refusals.fd, &d->refusals);
    if (d->who.made_fd >= 0) listen_on(agent, d->who.made_fd, &d->who.made_fd);
}

/* What the kernel does now, whatever was set. */
static void read_mode(struct doorman *d)
{
    struct door_state state;
    bool known = d->door.found_fd >= 0 && door_read_state(&d->door, &state) == 0;
    d->mode = known && (state.mode == DOOR_ON || state.mode == DOOR_WATCH) ? (enum door_mode)state.mode : DOOR_OFF;
}

/* From now on, until the next boot, a door that is not there was taken away by somebody. */
static void keep_boot(struct agent *agent, const struct door_settings *settings)
{
    struct door_settings next = *settings;
    struct failure failure = {0};
    if (strcmp(settings->boot_id, agent->places.boot_id) == 0) return;
    text_copy(next.boot_id, sizeof next.boot_id, agent->places.boot_id);
    if (door_settings_save(agent, &next, &failure) != 0)
        log_line("the door is shut; when it is taken away while no agent runs, the next one will shut it again: %s",
                 failure.message);
}

/* 0, or -1 with a sentence in `why`. */
static int apply(struct agent *agent, const struct door_settings *settings)
{
    struct doorman *d = agent->doorman;
    char why[DOOR_WHY_BYTES];
    int error = 0;
    who_begin(&d->who);
    bool prepared = door_prepare(&d->door, why, sizeof why) == 0;
    if (!prepared) snprintf(d->why, sizeof d->why, "There can be no door on this host: %s", why);
    bool filled = prepared && fill(agent, settings) == 0;
    if (filled) error = shut(d, settings->mode);
    if (filled && error == 0 && !d->refusals.consumer)
        error = -refusals_open(&d->refusals, d->door.maps[DOOR_RECORDS], DOOR_RECORDS_BYTES);
    if (error != 0)
        snprintf(d->why, sizeof d->why, "The door could not be shut: %s%s", strerror(error),
                 error == EPERM ? " (another program is attached at the root cgroup, alone)" : "");
    d->is_shut = filled && error == 0;
    read_mode(d);
    if (!d->is_shut) return -1;
    d->why[0] = '\0';
    if (d->listens) doorman_listen(agent);
    keep_boot(agent, settings);
    return 0;
}

/* Positive errno. */
static int take_away(struct agent *agent)
{
    struct doorman *d = agent->doorman;
    int gone = door_detach(&d->door);
    if (gone < 0) return -gone;
    if (d->listens && d->refusals.consumer) epoll_ctl(agent->epoll_fd, EPOLL_CTL_DEL, d->refusals.fd, NULL);
    refusals_close(&d->refusals);
    d->rest_until_ms = 0;
    /* The maps go with it: what stood in them is not known of the next one. */
    int place = fcntl(d->door.cgroup_fd, F_DUPFD_CLOEXEC, 3);
    if (place < 0) return errno;
    door_close(&d->door);
    int again = door_open(&d->door, place);
    if (again < 0) return -again;
    d->is_shut = false;
    d->mode = DOOR_OFF;
    d->why[0] = '\0';
    return 0;
}

/* Somebody else took it away: that is an order. */
static void take_as_order(struct agent *agent)
{
    struct door_settings next = *agent->door_settings;
    struct editor editor = {.uid = 0, .name = "root", .action = "door-set", .claimed_from = ""};
    struct failure failure = {0};
    static const char message[] = "The door was taken away by root, past the agent: everybody may open the GPUs. "
                                  "tranche door on shuts it again.";
    next.mode = DOOR_OFF;
    next.boot_id[0] = '\0';
    int error = take_away(agent);
    if (error != 0) log_line("the door's maps cannot be let go of: %s", strerror(error));
    if (door_settings_save(agent, &next, &failure) != 0) log_line("%s", failure.message);
    log_line("%s", message);
    audit_setting(agent, &editor, "door off (taken away past the agent)");
    notices_tell(agent, "door-open", NULL, 0, message);
    agent->state_dirty = true;
}

int doorman_set(struct agent *agent, const struct door_settings *next, struct failure *failure)
{
    struct doorman *d = agent->doorman;
    struct door_settings before = *agent->door_settings, kept = *next;
    /* What was killed before it stood was not taken away by anybody. */
    if (next->mode == DOOR_OFF || before.mode == DOOR_OFF) kept.boot_id[0] = '\0';
    if (!d->is_open && next->mode != DOOR_OFF)
        return fail(failure, "door-not-kept", "%.380s. Nothing was changed.", d->why);
    if (door_settings_save(agent, &kept, failure) != 0) return -1;
    int error = 0;
    bool failed = false;
    if (next->mode != DOOR_OFF)
        failed = apply(agent, &kept) != 0;
    else if (d->is_open)
        error = take_away(agent);
    agent->state_dirty = true;
    if (!failed && error == 0) return 0;
    char why[sizeof d->why];
    if (failed)
        text_copy(why, sizeof why, d->why);
    else
        snprintf(why, sizeof why, "The door could not be taken away: %s", strerror(error));
    struct failure lost = {0};
    if (door_settings_save(agent, &before, &lost) != 0) log_line("%s", lost.message);
    if (failed && before.mode == DOOR_OFF && (error = take_away(agent)) != 0)
        log_line("the door is not shut and cannot be taken away: %s", strerror(error));
    if (failed && before.mode != DOOR_OFF && apply(agent, &before) != 0) log_line("%s", d->why);
    return fail(failure, "door-not-kept", "%.380s. It is as it was set before.", why);
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static void begin_open(struct agent *agent, int found)
{
    struct doorman *d = agent->doorman;
    const struct door_settings *settings = agent->door_settings;
    bool stands = found == 1, same_boot = strcmp(settings->boot_id, agent->places.boot_id) == 0;
    if (stands && settings->is_missing) door_settings_lost(agent);
    if (settings->is_damaged) {
        /* Nobody knows who was to come in but the door itself. */
        read_mode(d);
        int error = stands ? holders_add(&d->door, d->who.root_fd, getpid()) : 0;
        if (error != 0) log_line("the door that stands may be shut to the agent, too: %s", strerror(error));
        snprintf(d->why, sizeof d->why, "What was set for the door is lost; %s. Set it again, whole",
                 stands ? "the one that stands is left as it is" : "none stands");
    } else if (settings->mode == DOOR_OFF) {
        int error = stands ? take_away(agent) : 0;
        if (error != 0) snprintf(d->why, sizeof d->why, "The door could not be taken away: %s", strerror(error));
    } else if (!stands && same_boot) {
        take_as_order(agent);
    } else if (apply(agent, settings) != 0) {
        log_line("%s", d->why);
    }
}

void doorman_begin(struct agent *agent)
{
    static struct doorman doorman; /* the agent's only one */
    struct doorman *d = agent->doorman = &doorman;
    d->who.made_fd = d->who.root_fd = -1;
    int place = open_place(agent, &d->who.root_fd, d->why, sizeof d->why);
    if (place < 0) return;
    int found = door_open(&d->door, place);
    if (found < 0) {
        snprintf(d->why, sizeof d->why, "The kernel does not tell which device programs there are: %s",
                 strerror(-found));
        door_close(&d->door);
        return;
    }
    d->is_open = true;
    begin_open(agent, found);
}

void doorman_close(struct agent *agent)
{
    struct doorman *d = agent->doorman;
    refusals_close(&d->refusals);
    if (d->is_open) door_close(&d->door);
    d->is_open = false;
}

/* ---- loop -------------------------------------------------------------------------------------------------------- */

static void check_devices(struct agent *agent, int64_t mono_ms)
{
    struct doorman *d = agent->doorman;
    static struct guarded now;
    if (mono_ms - d->devices_at_ms < DEVICES_INTERVAL_MS) return;
    d->devices_at_ms = mono_ms;
    int error = guarded_find(&now), before = d->devices_error;
    if (error == 0 && !guarded_same(&now, &d->guarded)) error = -door_guard(&d->door, now.devices, now.count);
    if (error == 0) d->guarded = now;
    if (error != 0 && error != before)
        log_line("the door: the GPUs' devices cannot be read: %s; those of before stay guarded", strerror(error));
    d->devices_error = error;
}

/* Root can write into its maps. */
static bool is_in_mode(struct doorman *d, enum door_mode mode)
{
    struct door_state state;
    int error = -door_read_state(&d->door, &state);
    if (error != 0) log_line("the door: its mode cannot be read: %s", strerror(error));
    return error != 0 || state.mode == (uint32_t)mode;
}

/* Who comes in, as it is now: services start and end, and names change hands. */
static void check_who(struct agent *agent, int64_t mono_ms)
{
    struct doorman *d = agent->doorman;
    int error = who_set_groups(agent, &d->who, &d->door, agent->door_settings), before = d->who_error;
    if (error == 0 && mono_ms - d->people_at_ms >= PEOPLE_INTERVAL_MS) {
        d->people_at_ms = mono_ms;
        error = who_set_people(&d->door, agent->door_settings);
    }
    if (error != 0 && error != before)
        log_line("the door: who comes in could not be told to the kernel: %s", strerror(error));
    d->who_error = error;
}

void doorman_second(struct agent *agent, int64_t mono_ms)
{
    struct doorman *d = agent->doorman;
    const struct door_settings *settings = agent->door_settings;
    if (!d->is_open || settings->is_damaged || settings->mode == DOOR_OFF) return;
    if (!d->is_shut) {
        if (mono_ms < d->retry_at_ms) return;
        d->retry_at_ms = mono_ms + RETRY_MS;
        if (apply(agent, settings) == 0) agent->state_dirty = true;
        return;
    }
    int there = door_is_attached(&d->door);
    if (there == 0) {
        take_as_order(agent);
        return;
    }
    if (there < 0) log_line("the door: whether it stands cannot be asked: %s", strerror(-there));
    if (!is_in_mode(d, settings->mode)) {
        log_line("the door's mode was changed past the agent; it is made %s again", door_mode_word(settings->mode));
        if (apply(agent, settings) != 0) log_line("%s", d->why);
        agent->state_dirty = true;
        return;
    }
    check_devices(agent, mono_ms);
    check_who(agent, mono_ms);
    holders_prune(&d->door, &d->pruned_to);
}

/* What was refused, as much of it as belongs into one turn. */
static void hear(struct agent *agent, int64_t mono_ms)
{
    struct doorman *d = agent->doorman;
    for (int i = 0; i < READ_AT_ONCE; i++) {
        struct door_record record;
        if (!refusals_take(&d->refusals, &record)) return;
        refused_tell(agent, &d->refused, &d->guarded, &record, mono_ms);
        agent->people_dirty = true; /* the count that everybody is shown */
    }
    /* There is more: it waits, and nobody else does. */
    if (d->rest_until_ms == 0) epoll_ctl(agent->epoll_fd, EPOLL_CTL_DEL, d->refusals.fd, NULL);
    d->rest_until_ms = mono_ms + REST_MS;
}

bool doorman_event(struct agent *agent, const void *tag, int64_t mono_ms)
{
    struct doorman *d = agent->doorman;
    if (tag == &d->who.made_fd) {
        char made[MADE_BYTES];
        while (read(d->who.made_fd, made, sizeof made) > 0) {
        }
        int error = d->is_shut ? who_set_groups(agent, &d->who, &d->door, agent->door_settings) : 0;
        if (error != 0) log_line("the door: a service could not be let through: %s", strerror(error));
        return true;
    }
    if (tag != &d->refusals) return false;
    hear(agent, mono_ms);
    return true;
}

int64_t doorman_wait_ms(const struct agent *agent, int64_t mono_ms)
{
    const struct doorman *d = agent->doorman;
    if (d->rest_until_ms == 0) return -1;
    return d->rest_until_ms > mono_ms ? d->rest_until_ms - mono_ms : 0;
}

void doorman_serve(struct agent *agent, int64_t mono_ms)
{
    struct doorman *d = agent->doorman;
    if (d->rest_until_ms == 0 || mono_ms < d->rest_until_ms) return;
    d->rest_until_ms = 0;
    if (d->refusals.consumer) listen_on(agent, d->refusals.fd, &d->refusals);
}

void doorman_put(const struct agent *agent, struct json_writer *w)
{
    const struct doorman *d = agent->doorman;
    struct door_state state;
    bool known = d->is_shut && door_read_state(&d->door, &state) == 0;
    json_put_text(w, "mode", door_mode_word(d->mode));
    json_put_text(w, "why", d->why[0] ? d->why : NULL);
    json_put_known(w, "refusedCount", known, known ? (int64_t)state.refused : 0);
    json_put_known(w, "watchedCount", known, known ? (int64_t)state.watched : 0);
}

void doorman_put_object(const struct agent *agent, struct json_writer *w)
{
    json_key(w, "door");
    json_open(w, '{');
    doorman_put(agent, w);
    json_close(w, '}');
}
