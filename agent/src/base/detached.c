#include "base/detached.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ours.h"
#include "base/places.h"
#include "env.h"
#include "fs.h"

#define INHERITED_FDS_MAX 1024

static void detach(const char *const words[], int keep_fd, bool preloads)
{
    char exe[FS_PATH_BYTES];
    if (setsid() < 0) _exit(125);
    pid_t child = fork();
    if (child != 0) _exit(child < 0 ? 125 : 0);
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || chdir("/") != 0) _exit(125);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    for (int fd = 3; fd < INHERITED_FDS_MAX; fd++)
        if (fd != keep_fd) close(fd);
    signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (places_own_exe(exe) != 0) _exit(125);
    if (!preloads) unsetenv(ENV_PRELOAD);
    execv(exe, (char *const *)words);
    _exit(125);
}

int detached_start(const char *const words[], int keep_fd, bool preloads)
{
    pid_t child = fork();
    if (child == 0) detach(words, keep_fd, preloads);
    if (child < 0) return errno;
    int status = 0; /* as it stays where the caller ignores SIGCHLD: nothing is left to wait for then */
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : EAGAIN; /* no second process could be made */
}

int detached_signals(int *fd)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP); /* whoever started it, or its terminal, is gone: no reason to end */
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0) return errno;
    *fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return *fd >= 0 ? 0 : errno;
}

int detached_folders_find(const char *kind, char directory[FS_PATH_BYTES], char *why, size_t cap)
{
    struct places places;
    if (places_find(&places, why, cap) != 0) return -1;
    int n = places.scope == SCOPE_ROOT
                ? snprintf(directory, FS_PATH_BYTES, "%s/%s/%u", places.root, kind, (unsigned)getuid())
                : snprintf(directory, FS_PATH_BYTES, "%s/%s", places.state, kind);
    if (n < FS_PATH_BYTES - 64) return 0;
    snprintf(why, cap, "The path of the folder for %s is too long.", kind);
    return -1;
}

/* Everybody's folders of a private root lie side by side in one that all may write to: from there on they must be ours. */
static int check_ours(const char *kind, const char *directory, bool make, char why[OURS_WHY_BYTES])
{
    struct places places;
    char given[FS_PATH_BYTES] = "";
    if (places_find(&places, why, OURS_WHY_BYTES) != 0) return EINVAL;
    if (places.scope == SCOPE_ROOT && fs_join(given, places.root, kind) != 0) return ENAMETOOLONG;
    if (given[0] && make) fs_make_directories(given, 0700);
    return make ? ours_make(directory, given, 0700, getuid(), why) : ours_check(directory, given, getuid(), why);
}

int detached_folders_make(const char *kind, char directory[FS_PATH_BYTES], char *why, size_t cap)
{
    if (detached_folders_find(kind, directory, why, cap) != 0) return -1;
    char part[OURS_WHY_BYTES];
    int error = check_ours(kind, directory, true, part);
    if (error == 0) return 0;
    snprintf(why, cap, "The folder %s cannot be used: %s. Nothing was started.", directory,
             part[0] ? part : strerror(error));
    return -1;
}

int detached_folder_of(const char *kind, const char *id, char directory[FS_PATH_BYTES])
{
    char all[FS_PATH_BYTES], why[OURS_WHY_BYTES];
    struct stat st;
    if (detached_folders_find(kind, all, why, sizeof why) != 0 || fs_join(directory, all, id) != 0) return -1;
    if (check_ours(kind, directory, false, why) != 0) return -1;
    return lstat(directory, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == getuid() ? 0 : -1;
}

void detached_folder_remove(const char *directory)
{
    char path[FS_PATH_BYTES];
    DIR *dir = opendir(directory);
    if (!dir) return;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (fs_join(path, directory, e->d_name) == 0) unlink(path);
    }
    closedir(dir);
    rmdir(directory);
}
