#include "door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bpf.h"

#define AT_ONE_CGROUP_MAX 64 /* the kernel attaches no more */
#define LOG_BYTES 4096
#define KERNFS_HANDLE 0xfe /* FILEID_KERNFS (include/linux/exportfs.h): eight bytes, the id */
#define CGROUP2_MAGIC 0x63677270
#ifndef __NR_fsopen
#define __NR_fsopen 430
#define __NR_fsconfig 431
#define __NR_fsmount 432
#endif
#define FSCONFIG_CREATE 6 /* FSCONFIG_CMD_CREATE (include/uapi/linux/mount.h) */

static const struct bpf_map_shape shapes[DOOR_MAPS] = {
#define SHAPE(which, name, type, key, value, entries)                                                                 \
    [which] = {"trdoor" DOOR_LAYOUT "_" name, BPF_MAP_TYPE_##type, key, value, entries}
    SHAPE(DOOR_STATE, "state", ARRAY, sizeof(uint32_t), sizeof(struct door_state), 1),
    SHAPE(DOOR_MAJORS, "majors", ARRAY, sizeof(uint32_t), sizeof(uint32_t), DOOR_MAJORS_MAX),
    SHAPE(DOOR_MINORS, "minors", HASH, sizeof(uint64_t), sizeof(uint32_t), DOOR_MINORS_MAX),
    SHAPE(DOOR_GROUPS, "groups", HASH, sizeof(uint64_t), sizeof(uint32_t), DOOR_GROUPS_MAX),
    SHAPE(DOOR_PEOPLE, "people", HASH, sizeof(uint32_t), sizeof(uint32_t), DOOR_PEOPLE_MAX),
    SHAPE(DOOR_HOLDERS, "holder", HASH, sizeof(uint32_t), sizeof(struct door_holder), DOOR_HOLDERS_MAX),
    SHAPE(DOOR_LEARNED, "learnt", LRU_HASH, sizeof(uint64_t), sizeof(uint64_t), DOOR_LEARNED_MAX),
    SHAPE(DOOR_TOLD, "told", LRU_HASH, sizeof(uint32_t), sizeof(struct door_told), DOOR_TOLD_MAX),
    SHAPE(DOOR_RECORDS, "record", RINGBUF, 0, 0, DOOR_RECORDS_BYTES),
#undef SHAPE
};

static void drop(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

int door_root(char *why, size_t cap)
{
    /* A mount that is nowhere: it does not matter where this host has its cgroups, nor whether it mounted these. Its own
     * descriptor names it (as O_PATH does), and handles are opened from one that is open. */
    int context = (int)syscall(__NR_fsopen, "cgroup2", 1 /* FSOPEN_CLOEXEC */);
    int mount = -1, fd = -1;
    if (context >= 0 && syscall(__NR_fsconfig, context, FSCONFIG_CREATE, NULL, NULL, 0) == 0)
        mount = (int)syscall(__NR_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, 0);
    if (mount >= 0) fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = errno;
    if (context >= 0) close(context);
    if (mount >= 0) close(mount);
    if (fd >= 0) return fd;
    snprintf(why, cap, "the cgroup hierarchy (version 2) cannot be opened: %s", strerror(error));
    return -1;
}

/* ---- finding ------------------------------------------------------------------------------------------------ */

/* The next program of this name at the cgroup, from ids[*at] on; -1: there is none. */
static int next_named(const char *name, const uint32_t *ids, int count, int *at, struct bpf_program_facts *facts)
{
    while (*at < count) {
        int fd = bpf_program_open(ids[(*at)++]);
        if (fd < 0) continue; /* it went meanwhile */
        if (bpf_program_look(fd, facts) == 0 && facts->type == BPF_PROG_TYPE_CGROUP_DEVICE &&
            strcmp(facts->name, name) == 0)
            return fd;
        close(fd);
    }
    return -1;
}

static void take_maps(struct door *door, const struct bpf_program_facts *facts)
{
    for (uint32_t i = 0; i < facts->map_count; i++) {
        int fd = bpf_map_open(facts->map_ids[i]);
        for (int m = 0; fd >= 0 && m < DOOR_MAPS; m++) {
            if (door->maps[m] >= 0 || bpf_map_is(fd, &shapes[m]) != 0) continue;
            door->maps[m] = fd;
            fd = -1;
        }
        drop(&fd);
    }
}

int door_open(struct door *door, int cgroup_fd)
{
    uint32_t ids[AT_ONE_CGROUP_MAX];
    struct bpf_program_facts facts;
    *door = (struct door){.cgroup_fd = cgroup_fd, .program_fd = -1, .found_fd = -1, .kernel = {true, true}};
    for (int m = 0; m < DOOR_MAPS; m++) door->maps[m] = -1;
    int count = bpf_program_list(cgroup_fd, ids, AT_ONE_CGROUP_MAX), at = 0;
    if (count < 0) return count;
    door->found_fd = next_named(DOOR_PROGRAM_NAME, ids, count, &at, &facts);
    if (door->found_fd < 0) return 0;
    take_maps(door, &facts);
    return 1;
}

void door_close(struct door *door)
{
    drop(&door->cgroup_fd);
    drop(&door->program_fd);
    drop(&door->found_fd);
    for (int m = 0; m < DOOR_MAPS; m++) drop(&door->maps[m]);
}

/* ---- loading ------------------------------------------------------------------------------------------------- */

/* Kernels before 5.11 count maps against this limit. */
static void lift_memlock(struct rlimit *before)
{
    struct rlimit most = {RLIM_INFINITY, RLIM_INFINITY};
    if (getrlimit(RLIMIT_MEMLOCK, before) != 0 || setrlimit(RLIMIT_MEMLOCK, &most) != 0)
        *before = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
}

static int make_maps(struct door *door)
{
    for (int m = 0; m < DOOR_MAPS; m++) {
        if (door->maps[m] >= 0) continue;
        int fd = bpf_map_new(&shapes[m]);
        if (fd < 0) return fd;
        door->maps[m] = fd;
    }
    return 0;
}

/* Loads with what this kernel knows: a helper that it does not is refused, and then done without. */
static int load_best(struct door *door, char *log, size_t cap)
{
    static struct program program;
    static const struct door_kernel kernels[] = {{true, true}, {false, true}, {false, false}};
    int fd = -EINVAL;
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        if (door->kernel.tells_ancestors < kernels[i].tells_ancestors) continue;
        if (door->kernel.tells_processes < kernels[i].tells_processes) continue;
        program_of_door(&program, door->maps, &kernels[i]);
        if (program.is_full) return -E2BIG;
        fd = bpf_program_load(program.code, program.count, DOOR_PROGRAM_NAME, log, cap);
        if (fd < 0) continue;
        door->kernel = kernels[i];
        return fd;
    }
    return fd;
}

int door_prepare(struct door *door, char *why, size_t cap)
{
    char log[LOG_BYTES] = "";
    struct rlimit before;
    if (door->program_fd >= 0) return 0;
    lift_memlock(&before);
    int error = -make_maps(door);
    int fd = error == 0 ? load_best(door, log, sizeof log) : -error;
    if (before.rlim_cur != RLIM_INFINITY) setrlimit(RLIMIT_MEMLOCK, &before);
    door->program_fd = fd >= 0 ? fd : -1;
    if (fd >= 0) return 0;
    log[strcspn(log, "\n")] = '\0';
    snprintf(why, cap,
             "the kernel does not take the program (%s%s%.160s); Linux 5.8 or newer is needed, with "
             "CONFIG_CGROUP_BPF",
             strerror(-fd), log[0] ? ": " : "", log);
    return -1;
}

int door_attach(struct door *door)
{
    struct bpf_program_facts ours, theirs;
    if (door->program_fd < 0) return -EBADF;
    if (door->found_fd >= 0) {
        int error = bpf_program_look(door->program_fd, &ours);
        if (error == 0) error = bpf_program_look(door->found_fd, &theirs);
        if (error != 0) return error;
        bool same = memcmp(ours.tag, theirs.tag, sizeof ours.tag) == 0;
        /* The same instructions over other maps are another door. */
        for (uint32_t i = 0; same && i < ours.map_count; i++)
            same = ours.map_count == theirs.map_count && ours.map_ids[i] == theirs.map_ids[i];
        if (same) return 0;
    }
    int error = bpf_program_attach(door->cgroup_fd, door->program_fd, door->found_fd);
    if (error < 0) return error;
    drop(&door->found_fd);
    door->found_fd = fcntl(door->program_fd, F_DUPFD_CLOEXEC, 0);
    return 0;
}

int door_is_attached(const struct door *door)
{
    uint32_t ids[AT_ONE_CGROUP_MAX];
    struct bpf_program_facts facts;
    int count = bpf_program_list(door->cgroup_fd, ids, AT_ONE_CGROUP_MAX), at = 0;
    if (count < 0) return count;
    int fd = next_named(DOOR_PROGRAM_NAME, ids, count, &at, &facts);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

/* How many of this name were there, or -errno. */
static int detach_named(int cgroup_fd, const char *name)
{
    uint32_t ids[AT_ONE_CGROUP_MAX];
    struct bpf_program_facts facts;
    int count = bpf_program_list(cgroup_fd, ids, AT_ONE_CGROUP_MAX), at = 0, gone = 0, fd;
    if (count < 0) return count;
    while ((fd = next_named(name, ids, count, &at, &facts)) >= 0) {
        int error = bpf_program_detach(cgroup_fd, fd);
        close(fd);
        if (error < 0 && error != -ENOENT) return error;
        gone++;
    }
    return gone;
}

/* ---- marks ---------------------------------------------------------------------------------------------------- */

uint64_t door_group_id(int fd)
{
    struct stat st;
    struct statfs fs;
    /* Since 5.5, on machines of 64 bits, the inode's number is the id. */
    if (fstatfs(fd, &fs) != 0 || (unsigned long)fs.f_type != CGROUP2_MAGIC || fstat(fd, &st) != 0) return 0;
    return st.st_ino;
}

int door_open_group(const struct door *door, uint64_t id)
{
    union {
        struct file_handle handle;
        unsigned char bytes[sizeof(struct file_handle) + sizeof id];
    } at = {.handle = {.handle_bytes = sizeof id, .handle_type = KERNFS_HANDLE}};
    memcpy(at.bytes + sizeof(struct file_handle), &id, sizeof id);
    int fd = open_by_handle_at(door->cgroup_fd, &at.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

static int mark(struct door *door, uint64_t group)
{
    static struct program program;
    char log[LOG_BYTES];
    uint32_t ids[AT_ONE_CGROUP_MAX];
    struct bpf_program_facts facts;
    int at = 0, cgroup_fd = door_open_group(door, group);
    if (cgroup_fd < 0) return cgroup_fd;
    int count = bpf_program_list(cgroup_fd, ids, AT_ONE_CGROUP_MAX);
    int there = count < 0 ? -1 : next_named(DOOR_MARK_NAME, ids, count, &at, &facts), error = 0;
    program_of_mark(&program, door->maps[DOOR_LEARNED], group);
    int fd = bpf_program_load(program.code, program.count, DOOR_MARK_NAME, log, sizeof log);
    error = fd < 0 ? fd : bpf_program_attach(cgroup_fd, fd, there);
    drop(&fd);
    drop(&there);
    close(cgroup_fd);
    return error;
}

/* One that is gone has no mark any more. */
static void unmark(const struct door *door, uint64_t group)
{
    int cgroup_fd = door_open_group(door, group);
    if (cgroup_fd < 0) return;
    detach_named(cgroup_fd, DOOR_MARK_NAME);
    close(cgroup_fd);
    uint64_t id, next, above;
    bool more = door->maps[DOOR_LEARNED] >= 0 && bpf_map_next(door->maps[DOOR_LEARNED], NULL, &next) == 0;
    while (more) {
        id = next;
        more = bpf_map_next(door->maps[DOOR_LEARNED], &id, &next) == 0;
        if (bpf_map_get(door->maps[DOOR_LEARNED], &id, &above) == 0 && above == group)
            bpf_map_remove(door->maps[DOOR_LEARNED], &id);
    }
}

int door_detach(struct door *door)
{
    uint64_t groups[DOOR_GROUPS_MAX], next;
    size_t count = 0;
    int map = door->maps[DOOR_GROUPS];
    while (map >= 0 && count < DOOR_GROUPS_MAX && bpf_map_next(map, count ? &groups[count - 1] : NULL, &next) == 0)
        groups[count++] = next;
    int gone = detach_named(door->cgroup_fd, DOOR_PROGRAM_NAME);
    if (gone >= 0) drop(&door->found_fd);
    /* The marks of one that is gone let nobody in, and keep nobody out. */
    for (size_t i = 0; gone >= 0 && i < count; i++) unmark(door, groups[i]);
    return gone;
}

/* ---- who is let in -------------------------------------------------------------------------------------------- */

/* Makes the keys of a map exactly those given (each 4 or 8 bytes), and tells `gone` of each that was not wanted. */
static int set_keys(struct door *door, enum door_map which, const void *keys, size_t count, size_t key_bytes,
                    void (*gone)(const struct door *, uint64_t))
{
    static const uint32_t one = 1;
    unsigned char key[8], next[8];
    for (size_t i = 0; i < count; i++) {
        int error = bpf_map_put(door->maps[which], (const unsigned char *)keys + i * key_bytes, &one);
        if (error != 0) return error;
    }
    bool more = bpf_map_next(door->maps[which], NULL, next) == 0;
    while (more) {
        bool wanted = false;
        memcpy(key, next, key_bytes);
        more = bpf_map_next(door->maps[which], key, next) == 0;
        for (size_t i = 0; i < count && !wanted; i++)
            wanted = memcmp((const unsigned char *)keys + i * key_bytes, key, key_bytes) == 0;
        if (wanted) continue;
        int error = bpf_map_remove(door->maps[which], key);
        if (error != 0 && error != -ENOENT) return error;
        uint64_t id;
        memcpy(&id, key, sizeof id);
        if (gone) gone(door, id);
    }
    return 0;
}

int door_guard(struct door *door, const struct door_device *devices, size_t count)
{
    uint32_t minors[DOOR_MINORS_MAX][2];
    uint32_t guards[DOOR_MAJORS_MAX] = {0};
    size_t some = 0;
    for (size_t i = 0; i < count; i++) {
        const struct door_device *d = &devices[i];
        if (d->major_number >= DOOR_MAJORS_MAX || (!d->all_minors && some == DOOR_MINORS_MAX)) return -E2BIG;
        if (d->all_minors) {
            guards[d->major_number] = DOOR_GUARD_ALL;
        } else {
            if (guards[d->major_number] == DOOR_FREE) guards[d->major_number] = DOOR_GUARD_SOME;
            minors[some][0] = d->major_number;
            minors[some++][1] = d->minor_number;
        }
    }
    int error = set_keys(door, DOOR_MINORS, minors, some, sizeof minors[0], NULL);
    for (uint32_t m = 0; m < DOOR_MAJORS_MAX && error == 0; m++) {
        uint32_t now;
        error = bpf_map_get(door->maps[DOOR_MAJORS], &m, &now);
        if (error == 0 && now != guards[m]) error = bpf_map_put(door->maps[DOOR_MAJORS], &m, &guards[m]);
    }
    return error;
}

int door_allow_below(struct door *door, const uint64_t *groups, size_t count)
{
    if (count > DOOR_GROUPS_MAX) return -E2BIG;
    for (size_t i = 0; i < count && !door->kernel.tells_ancestors; i++) {
        int error = mark(door, groups[i]);
        if (error < 0 && error != -ENOENT && error != -ESTALE) return error;
    }
    return set_keys(door, DOOR_GROUPS, groups, count, sizeof groups[0], unmark);
}

int door_allow_people(struct door *door, const uid_t *people, size_t count)
{
    return count > DOOR_PEOPLE_MAX ? -E2BIG : set_keys(door, DOOR_PEOPLE, people, count, sizeof people[0], NULL);
}

int door_hold(struct door *door, uint32_t pid, const struct door_holder *holder)
{
    return bpf_map_put(door->maps[DOOR_HOLDERS], &pid, holder);
}

int door_release(struct door *door, uint32_t pid)
{
    return bpf_map_remove(door->maps[DOOR_HOLDERS], &pid);
}

bool door_next_holder(const struct door *door, uint32_t pid, uint32_t *pid_out, struct door_holder *out)
{
    int map = door->maps[DOOR_HOLDERS];
    /* One that went between the two calls is passed over. */
    for (int i = 0; map >= 0 && i < DOOR_HOLDERS_MAX; i++) {
        if (bpf_map_next(map, pid != 0 ? &pid : NULL, pid_out) != 0) return false;
        if (bpf_map_get(map, pid_out, out) == 0) return true;
        pid = *pid_out;
    }
    return false;
}

/* ---- mode ------------------------------------------------------------------------------------------------------ */

/* Only the word that changes: the kernel counts in the others meanwhile. An array's value is written whole by a system
 * call, so what was counted between the two calls is lost to the figure, and nothing else is. */
int door_set_mode(struct door *door, enum door_mode mode)
{
    struct door_state state;
    uint32_t key = 0;
    int error = bpf_map_get(door->maps[DOOR_STATE], &key, &state);
    if (error != 0) return error;
    if (state.mode == (uint32_t)mode) return 0;
    state.mode = (uint32_t)mode;
    return bpf_map_put(door->maps[DOOR_STATE], &key, &state);
}

int door_read_state(const struct door *door, struct door_state *out)
{
    uint32_t key = 0;
    return bpf_map_get(door->maps[DOOR_STATE], &key, out);
}
