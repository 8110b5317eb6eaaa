/* For tests of the door: a cgroup of the test's own below this machine's hierarchy (version 2), never its root, with a
 * folder for stand-ins of devices. A guardian makes both and takes them away however the test ends; what a guardian that
 * was killed has left, the next one takes away. */
#ifndef TRANCHE_TEST_DOOR_PLACE_H
#define TRANCHE_TEST_DOOR_PLACE_H

#include "bpf.h"
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLACE_PREFIX "tranche-door-"
#define PLACE_BYTES 256
#define PLACE_END_MS 10000 /* for killed processes to be gone: milliseconds are usual */
#define PLACE_CGROUP2_MAGIC 0x63677270
#define PLACE_HOST_PROCESSES "pid:[4026531836]" /* PROC_PID_INIT_INO (include/linux/proc_ns.h) */

static char place_group[PLACE_BYTES];  /* the cgroup */
static char place_folder[PLACE_BYTES]; /* for nodes */

static inline const char *place_mount(void)
{
    static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    for (size_t i = 0; i < 2; i++) {
        struct statfs fs;
        if (statfs(mounts[i], &fs) == 0 && (unsigned long)fs.f_type == PLACE_CGROUP2_MAGIC) return mounts[i];
    }
    return NULL;
}

static inline int place_write(const char *group, const char *file, const char *text)
{
    char path[3 * PLACE_BYTES];
    snprintf(path, sizeof path, "%.511s/%.64s", group, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    int error = write(fd, text, strlen(text)) < 0 ? errno : 0;
    close(fd);
    return error;
}

/* From the leaves up. */
static inline int place_remove(const char *group)
{
    DIR *folder = opendir(group);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        char below[2 * PLACE_BYTES];
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
        snprintf(below, sizeof below, "%.255s/%.200s", group, entry->d_name);
        place_remove(below);
    }
    if (folder) closedir(folder);
    return rmdir(group) == 0 || errno == ENOENT ? 0 : errno;
}

static inline void place_end(const char *group)
{
    place_write(group, "cgroup.kill", "1");
    for (int waited = 0; place_remove(group) != 0; waited += 5) {
        if (waited > PLACE_END_MS) {
            fprintf(stderr, "%s could not be removed\n", group);
            return;
        }
        poll(NULL, 0, 5);
    }
}

static inline void place_sweep(const char *mount)
{
    DIR *folder = opendir(mount);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        char left[2 * PLACE_BYTES];
        if (strncmp(entry->d_name, PLACE_PREFIX, strlen(PLACE_PREFIX)) != 0) continue;
        pid_t made_by = (pid_t)atol(entry->d_name + strlen(PLACE_PREFIX));
        if (made_by <= 0 || kill(made_by, 0) == 0 || errno != ESRCH) continue;
        snprintf(left, sizeof left, "%s/%.200s", mount, entry->d_name);
        place_end(left);
    }
    if (folder) closedir(folder);
}

/* Whether root may do here what root may. */
static inline bool place_may_load(void)
{
    struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1}, {.code = BPF_JMP | BPF_EXIT}};
    char log[64];
    int fd = bpf_program_load(code, 2, "probe", log, sizeof log);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static volatile sig_atomic_t place_is_told_to_end;

static inline void place_told(int signal)
{
    (void)signal;
    place_is_told_to_end = 1;
}

/* The test's status; 77 with the reason where there can be no such group. */
static inline int place_run(int (*inside)(void))
{
    const char *mount = place_mount();
    if (geteuid() != 0) check_skip("only root may attach a program to a cgroup");
    if (!mount) check_skip("there is no cgroup hierarchy of version 2 here");
    char link[64] = "";
    if (readlink("/proc/self/ns/pid", link, sizeof link - 1) > 0 && strcmp(link, PLACE_HOST_PROCESSES) != 0)
        check_skip("in a container, where processes have other numbers than the kernel tells");
    if (!place_may_load()) check_skip("no program for the kernel may be loaded here");
    place_sweep(mount);
    snprintf(place_group, sizeof place_group, "%s/" PLACE_PREFIX "%ld", mount, (long)getpid());
    snprintf(place_folder, sizeof place_folder, "/tmp/" PLACE_PREFIX "%ld", (long)getpid());
    if (mkdir(place_group, 0755) != 0) check_skip("no cgroup can be made here");
    struct sigaction told = {.sa_handler = place_told};
    for (size_t i = 0; i < 3; i++) sigaction((int[]){SIGTERM, SIGINT, SIGHUP}[i], &told, NULL);
    if (mkdir(place_folder, 0755) != 0) {
        place_end(place_group);
        check_skip("no folder can be made in /tmp");
    }
    fflush(stdout);
    pid_t test = fork();
    if (test == 0) {
        for (size_t i = 0; i < 3; i++) signal((int[]){SIGTERM, SIGINT, SIGHUP}[i], SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        exit(inside());
    }
    int status = -1;
    while (test > 0 && waitpid(test, &status, 0) < 0 && errno == EINTR)
        if (place_is_told_to_end) kill(test, SIGKILL);
    place_end(place_group);
    char command[2 * PLACE_BYTES];
    snprintf(command, sizeof command, "rm -rf '%s'", place_folder);
    if (system(command) != 0) fprintf(stderr, "%s could not be removed\n", place_folder);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* A group below; its path stays until the next call but three. */
static inline const char *place_below(const char *group, const char *name)
{
    static char paths[4][2 * PLACE_BYTES];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%.255s/%.200s", group, name);
    if (mkdir(path, 0755) != 0 && errno != EEXIST) {
        fprintf(stderr, "%s cannot be made: %s\n", path, strerror(errno));
        exit(1);
    }
    return path;
}

/* A node for this number, of everybody's. */
static inline const char *place_node(const char *name, unsigned major_number, unsigned minor_number)
{
    static char paths[4][2 * PLACE_BYTES];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%.255s/%.200s", place_folder, name);
    unlink(path);
    if (mknod(path, S_IFCHR | 0666, makedev(major_number, minor_number)) != 0 || chmod(path, 0666) != 0) {
        fprintf(stderr, "%s cannot be made: %s\n", path, strerror(errno));
        exit(1);
    }
    return path;
}

/* This process goes there. */
static inline void place_enter(const char *group)
{
    int error = place_write(group, "cgroup.procs", "0");
    if (error == 0) return;
    fprintf(stderr, "%s cannot be entered: %s\n", group, strerror(error));
    _exit(99);
}

#endif
