#include "base/places.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ours.h"
#include "env.h"
#include "fs.h"
#include "region.h"
#include "text.h"

#define RUNTIME_MOUNT_OPTIONS "size=96m,nr_inodes=8192,mode=0711" /* all slices there can be, and as much again */
#define UID_FIRST_PERSON 1000 /* logind never removes the IPC objects of system users */

static void read_line(const char *path, char *out, size_t cap)
{
    char buf[256];
    ssize_t n = fs_read_small(path, buf, sizeof buf);
    buf[n > 0 ? strcspn(buf, "\n") : 0] = '\0';
    text_sanitize(out, cap, buf, strlen(buf));
}

static int home_of(uid_t uid, char out[FS_PATH_BYTES])
{
    const char *home = getenv(ENV_HOME);
    if (!home || home[0] != '/') {
        struct passwd *pw = getpwuid(uid);
        home = pw ? pw->pw_dir : NULL;
    }
    if (!home || home[0] != '/' || strlen(home) >= FS_PATH_BYTES) return -1;
    text_copy(out, FS_PATH_BYTES, home);
    return 0;
}

static int find_root(struct places *p, const char *root, char *why, size_t cap)
{
    p->scope = SCOPE_ROOT;
    int n = snprintf(p->socket, sizeof p->socket, "%s/agent.sock", root);
    if (root[0] != '/' || n >= (int)sizeof p->socket) {
        snprintf(why, cap, ENV_ROOT " must be an absolute path of at most %zu characters.",
                 sizeof p->socket - sizeof "/agent.sock");
        return -1;
    }
    text_copy(p->root, sizeof p->root, root);
    snprintf(p->state, sizeof p->state, "%s/state", root);
    return 0;
}

int places_find(struct places *p, char *why, size_t cap)
{
    memset(p, 0, sizeof *p);
    p->uid = geteuid();
    read_line("/etc/machine-id", p->machine_id, 33);
    if (p->machine_id[0] == '\0') read_line("/var/lib/dbus/machine-id", p->machine_id, 33);
    /* Without a machine-id the host name keeps the states of several hosts in one shared home apart. */
    if (p->machine_id[0] == '\0') gethostname(p->machine_id, 32);
    read_line("/proc/sys/kernel/random/boot_id", p->boot_id, sizeof p->boot_id);
    const char *root = getenv(ENV_ROOT);
    if (root && root[0]) return find_root(p, root, why, cap);
    const char *scope = getenv(ENV_SCOPE);
    bool system = p->uid == 0;
    if (scope && strcmp(scope, "user") == 0) system = false;
    if (scope && strcmp(scope, "system") == 0) system = true;
    if (system) {
        p->scope = SCOPE_SYSTEM;
        text_copy(p->socket, sizeof p->socket, SYSTEM_SOCKET_PATH);
        snprintf(p->state, sizeof p->state, "/var/lib/tranche/%s", p->machine_id);
        return 0;
    }
    p->scope = SCOPE_USER;
    p->abstract_socket = true;
    text_copy(p->socket, sizeof p->socket, ABSTRACT_SOCKET_NAME);
    const char *xdg = getenv(ENV_STATE_HOME);
    char home[FS_PATH_BYTES];
    int n;
    if (xdg && xdg[0] == '/')
        n = snprintf(p->state, sizeof p->state, "%s/tranche/%s", xdg, p->machine_id);
    else if (home_of(p->uid, home) == 0)
        n = snprintf(p->state, sizeof p->state, "%s/.local/state/tranche/%s", home, p->machine_id);
    else
        n = snprintf(p->state, sizeof p->state, "/var/tmp/tranche-%u/state/%s", (unsigned)p->uid, p->machine_id);
    if (n >= (int)sizeof p->state) {
        snprintf(why, cap, "The path of the state directory is too long.");
        return -1;
    }
    return 0;
}

bool places_system_chosen(void)
{
    struct stat st;
    char why[OURS_WHY_BYTES];
    return lstat(SYSTEM_MARK_PATH, &st) == 0 && S_ISREG(st.st_mode) && ours_check(SYSTEM_MARK_PATH, "", 0, why) == 0;
}

int places_choose_system(void)
{
    static const char text[] =
        "# Root's agent manages the GPUs of this host. While this file is here, no other agent is started or used,\n"
        "# also when root's is not running. To give the host back to its users: end that agent, remove this file.\n";
    char directory[FS_PATH_BYTES];
    if (places_system_chosen()) return 0;
    text_copy(directory, sizeof directory, SYSTEM_MARK_PATH);
    char *name = strrchr(directory, '/');
    *name++ = '\0';
    if (mkdir(directory, 0755) != 0 && errno != EEXIST) return errno;
    return fs_write_atomic(directory, name, text, sizeof text - 1, 0644, false);
}

int places_open_state(struct places *p, char *why, size_t cap)
{
    char part[OURS_WHY_BYTES];
    int error = ours_make(p->state, p->root, p->scope == SCOPE_ROOT ? 0755 : 0700, p->uid, part);
    if (error != 0 && part[0]) {
        /* A user who can write here, or put another folder in its place, can become an operator. */
        snprintf(why, cap,
                 "The state directory %s is not safe to use: %s. Nothing was changed. Make it, and every folder above "
                 "it that others may write to, yours alone, or set XDG_STATE_HOME to another place.",
                 p->state, part);
        return -1;
    }
    if (error == 0 && access(p->state, W_OK | X_OK) != 0) error = errno;
    /* In a private root everybody's jobs lie in it, too, in a folder for each person. */
    char jobs[FS_PATH_BYTES];
    if (error == 0 && p->scope == SCOPE_ROOT && fs_join(jobs, p->root, "jobs") == 0 &&
        (mkdir(jobs, 01777) == 0 || errno == EEXIST))
        chmod(jobs, 01777); /* the umask; where it is not ours it is as its owner made it */
    if (error != 0) snprintf(why, cap, "The state directory %s cannot be used: %s.", p->state, strerror(error));
    return error == 0 ? 0 : -1;
}

static bool has_setting(const char *path, const char *setting)
{
    char *data;
    size_t len;
    if (fs_read_file(path, 1 << 20, &data, &len) != 0) return false;
    bool found = false;
    for (char *line = strtok(data, "\n"); line && !found; line = strtok(NULL, "\n"))
        found = strncmp(line + strspn(line, " \t"), setting, strlen(setting)) == 0;
    free(data);
    return found;
}

bool places_shm_is_kept(uid_t uid, const char *user)
{
    char linger[FS_PATH_BYTES];
    if (uid < UID_FIRST_PERSON || access("/run/systemd/system", F_OK) != 0) return true;
    if (fs_join(linger, "/var/lib/systemd/linger", user) == 0 && access(linger, F_OK) == 0) return true;
    return has_setting("/etc/systemd/logind.conf", "RemoveIPC=no");
}

static int make_runtime(const struct places *p, const char *directory)
{
    char part[FS_PATH_BYTES], why[OURS_WHY_BYTES];
    /* Tenants pass through (x) to files whose names they know, and cannot list, add or remove any. */
    int error = ours_make(directory, p->root, 0711, p->uid, why);
    static const char *const parts[] = {"policy", "usage", "board"};
    for (size_t i = 0; i < 3 && error == 0; i++)
        error = fs_join(part, directory, parts[i]) == 0 ? fs_own_directory(part, 0711, p->uid) : ENAMETOOLONG;
    return error;
}

int places_make_runtime(const struct places *p)
{
    return make_runtime(p, p->runtime);
}

int places_recorded_runtime(struct places *p)
{
    char path[FS_PATH_BYTES];
    if (fs_join(path, p->state, "runtime") != 0) return -1;
    char buf[FS_PATH_BYTES];
    if (fs_read_small(path, buf, sizeof buf) <= 0) return -1;
    buf[strcspn(buf, "\n")] = '\0';
    struct stat st;
    char why[OURS_WHY_BYTES];
    if (buf[0] != '/' || lstat(buf, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != p->uid) return -1;
    if (ours_check(buf, p->root, p->uid, why) != 0) return -1;
    text_copy(p->runtime, sizeof p->runtime, buf);
    return 0;
}

static int use_runtime(struct places *p, const char *directory)
{
    int error = make_runtime(p, directory);
    if (error != 0) return error;
    text_copy(p->runtime, sizeof p->runtime, directory);
    char line[FS_PATH_BYTES + 1];
    int n = snprintf(line, sizeof line, "%s\n", directory);
    return fs_write_atomic(p->state, "runtime", line, (size_t)n, 0644, false);
}

/* In that folder, by the usual name; if somebody else has taken it, by one that nobody could know. 0 or errno. */
static int use_runtime_in(struct places *p, const char *parent)
{
    char directory[FS_PATH_BYTES];
    unsigned long long number;
    int n = snprintf(directory, sizeof directory, "%s/tranche-%u", parent, (unsigned)p->uid);
    if (n >= (int)sizeof directory) return ENAMETOOLONG;
    int error = use_runtime(p, directory);
    if (error != EPERM && error != EACCES && error != ENOTDIR && error != ELOOP) return error;
    error = fs_random(&number, sizeof number);
    n = snprintf(directory, sizeof directory, "%s/tranche-%u-%016llx", parent, (unsigned)p->uid, number);
    if (n >= (int)sizeof directory) return ENAMETOOLONG;
    return error == 0 ? use_runtime(p, directory) : error;
}

/* XDG_RUNTIME_DIR, where it is of use: usually nobody else may pass through it, so that no other tenant would reach
 * their slice, and it goes with the last logout. "" otherwise. */
static const char *open_xdg_runtime(bool kept)
{
    struct stat st;
    const char *xdg = getenv(ENV_RUNTIME_HOME);
    bool passable = xdg && xdg[0] == '/' && stat(xdg, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 011) == 011;
    return kept && passable && strlen(xdg) < FS_PATH_BYTES / 2 ? xdg : "";
}

static int open_user_runtime(struct places *p, char *why, size_t cap)
{
    struct passwd *pw = getpwuid(p->uid);
    bool kept = places_shm_is_kept(p->uid, pw ? pw->pw_name : "");
    const char *const parents[] = {open_xdg_runtime(kept), kept ? "/dev/shm" : "", "/tmp", "/var/tmp"};
    const char *last = "";
    int error = ENOENT;
    for (size_t i = 0; i < sizeof parents / sizeof parents[0]; i++) {
        if (parents[i][0] == '\0' || (strcmp(parents[i], "/tmp") == 0 && fs_kind(parents[i]) == FS_REMOTE)) continue;
        last = parents[i];
        error = use_runtime_in(p, last);
        if (error == 0) return 0;
    }
    snprintf(why, cap, "No runtime directory could be made in /dev/shm, /tmp or /var/tmp (last: %s: %s).", last,
             strerror(error));
    return -1;
}

bool places_runtime_is_alone(const struct places *p)
{
    char parent[FS_PATH_BYTES];
    struct stat own, above;
    text_copy(parent, sizeof parent, p->runtime);
    char *slash = strrchr(parent, '/');
    if (slash && slash != parent) *slash = '\0';
    return stat(p->runtime, &own) == 0 && stat(parent, &above) == 0 && own.st_dev != above.st_dev;
}

/* Files that tenants write lie there, and /run is where the whole host's services have their room. Not over files that
 * programs may have open. */
static void mount_runtime(const struct places *p)
{
    char policies[FS_PATH_BYTES];
    if (places_runtime_is_alone(p) || fs_join(policies, p->runtime, "policy") != 0) return;
    DIR *dir = opendir(policies);
    bool empty = true;
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) empty &= e->d_name[0] == '.';
    if (dir) closedir(dir);
    if (!empty) return;
    /* Refused in containers: doctor says so. */
    (void)mount("tranche", p->runtime, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, RUNTIME_MOUNT_OPTIONS);
}

int places_open_runtime(struct places *p, char *why, size_t cap)
{
    char directory[FS_PATH_BYTES];
    if (p->scope == SCOPE_USER) {
        /* Tenants that run have the recorded one mapped: stay there as long as it is usable. */
        if (places_recorded_runtime(p) == 0 && use_runtime(p, p->runtime) == 0) return 0;
        return open_user_runtime(p, why, cap);
    }
    if (p->scope == SCOPE_SYSTEM)
        text_copy(directory, sizeof directory, "/run/tranche");
    else if (fs_join(directory, p->root, "run") != 0)
        return -1;
    int error = use_runtime(p, directory);
    if (error == 0 && p->scope == SCOPE_SYSTEM && p->uid == 0) {
        mount_runtime(p);
        error = use_runtime(p, directory);
    }
    /* /run/tranche also holds the socket, which everybody must reach. */
    if (error == 0 && p->scope == SCOPE_SYSTEM && chmod(directory, 0755) != 0) error = errno;
    if (error != 0) snprintf(why, cap, "The runtime directory %s cannot be used: %s.", directory, strerror(error));
    return error == 0 ? 0 : -1;
}

socklen_t places_address(const char *name, bool abstract, struct sockaddr_un *address)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    size_t skip = abstract ? 1 : 0;
    text_copy(address->sun_path + skip, sizeof address->sun_path - skip, name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + skip + strlen(name) + (abstract ? 0 : 1));
}

int places_own_exe(char out[FS_PATH_BYTES])
{
    ssize_t n = readlink("/proc/self/exe", out, FS_PATH_BYTES - 1);
    out[n > 0 ? n : 0] = '\0';
    /* Said of a program that was installed again while it runs. */
    static const char gone[] = " (deleted)";
    size_t len = n > 0 ? (size_t)n : 0;
    if (len > sizeof gone - 1 && strcmp(out + len - (sizeof gone - 1), gone) == 0) out[len - (sizeof gone - 1)] = '\0';
    return n > 0 ? 0 : -1;
}

int places_shim_for(const char *exe, char out[FS_PATH_BYTES])
{
    char directory[FS_PATH_BYTES], current[FS_PATH_BYTES], real[FS_PATH_BYTES * 4];
    text_copy(directory, sizeof directory, exe);
    char *slash = strrchr(directory, '/');
    out[0] = '\0';
    if (!slash || slash == directory) return -1;
    *slash = '\0';
    char *parent = strrchr(directory, '/');
    if (parent && parent != directory) {
        int n = snprintf(current, sizeof current, "%.*s/current", (int)(parent - directory), directory);
        /* The link survives upgrades; use it as long as it leads to this very version, or ours was taken away: it was
         * installed again while we run. */
        bool gone = access(directory, F_OK) != 0;
        if (n < (int)sizeof current && realpath(current, real) && (gone || strcmp(real, directory) == 0) &&
            fs_join(out, current, "libtranche.so") == 0 && access(out, R_OK) == 0)
            return 0;
    }
    if (fs_join(out, directory, "libtranche.so") == 0 && access(out, R_OK) == 0) return 0;
    out[0] = '\0';
    return -1;
}
