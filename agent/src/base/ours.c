#include "base/ours.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env.h"
#include "fs.h"
#include "text.h"

#define LINKS_MAX 40 /* as the kernel's own */

enum kind { FOLDER, LOADED, PROGRAM };

struct walk {
    uid_t uid;
    enum kind kind;
    bool exposed;   /* somebody else may make names in a folder above, */
    bool in_shared; /* namely in the one right above */
    char rest[PATH_MAX], done[PATH_MAX];
    int links;
    char *why;
};

static bool is_trusted(const struct walk *w, uid_t uid)
{
    return uid == 0 || uid == w->uid;
}

static int refuse(const struct walk *w, const struct stat *st, int error)
{
    if (error == ELOOP)
        snprintf(w->why, OURS_WHY_BYTES, "%.160s is a link", w->done);
    else if (!is_trusted(w, st->st_uid))
        snprintf(w->why, OURS_WHY_BYTES, "%.160s belongs to uid %u", w->done, (unsigned)st->st_uid);
    else
        snprintf(w->why, OURS_WHY_BYTES, "others may write to %.160s", w->done);
    return error;
}

/* A user's private group, as most distributions make them, lets in nobody but the user: with umask 002, as goes with
 * those, all of the user's folders are writable for it. */
static bool is_private_group(gid_t gid, uid_t uid)
{
    const struct passwd *pw = getpwuid(uid);
    char name[256];
    if (!pw || pw->pw_gid != gid || !text_copy(name, sizeof name, pw->pw_name)) return false;
    const struct group *group = getgrgid(gid);
    if (!group || strcmp(group->gr_name, name) != 0) return false;
    for (char **member = group->gr_mem; member && *member; member++)
        if (strcmp(*member, name) != 0) return false;
    return true;
}

/* May somebody else than root and its user write to it? */
static bool is_shared(const struct stat *st, uid_t uid)
{
    if ((st->st_mode & 02) != 0) return true;
    return (st->st_mode & 020) != 0 && st->st_gid != 0 && !is_private_group(st->st_gid, uid);
}

/* The part that was just entered. 0 or errno. */
static int judge(struct walk *w, const struct stat *st)
{
    bool foreign = !is_trusted(w, st->st_uid), shared = is_shared(st, w->uid);
    bool sticky = (st->st_mode & S_ISVTX) != 0;
    /* In a sticky folder people can take away only what is theirs; as a folder of ours it will not do all the same. */
    bool open_to_others = shared && (w->kind == FOLDER || !sticky);
    if (w->exposed && (foreign || open_to_others)) return refuse(w, st, EPERM);
    /* Between a look at a program and its start it must not be possible to change what is above it. */
    if (w->kind == PROGRAM && (foreign || (shared && !sticky))) return refuse(w, st, EPERM);
    w->in_shared = S_ISDIR(st->st_mode) && (w->kind == LOADED ? shared && sticky : foreign || shared);
    w->exposed |= w->in_shared;
    return 0;
}

/* What the link says takes the place of its name, from the root on. 0 or errno. */
static int follow(struct walk *w, int at, const char *name, const struct stat *st)
{
    char target[PATH_MAX], next[PATH_MAX];
    /* A link of ours that another user put there (a hard link to it) leads where that user likes. */
    bool refused = w->kind == FOLDER ? w->exposed : w->in_shared;
    if (refused || !is_trusted(w, st->st_uid)) return refuse(w, st, ELOOP);
    if (++w->links > LINKS_MAX) return refuse(w, st, ELOOP);
    ssize_t n = readlinkat(at, name, target, sizeof target - 1);
    if (n <= 0) return n < 0 ? errno : ENOENT;
    target[n] = '\0';
    char *slash = strrchr(w->done, '/');
    if (slash) *slash = '\0';
    int len = target[0] == '/' ? snprintf(next, sizeof next, "%s/%s", target, w->rest)
                               : snprintf(next, sizeof next, "%s/%s/%s", w->done, target, w->rest);
    if (len >= (int)sizeof next) return ENAMETOOLONG;
    memcpy(w->rest, next, (size_t)len + 1);
    return EAGAIN;
}

/* One step into `name`: the descriptor of it, or -errno; -EAGAIN: a link, begin again. */
static int enter(struct walk *w, int at, const char *name)
{
    struct stat st;
    size_t n = strlen(w->done), len = strlen(name);
    if (n + len + 2 > sizeof w->done) return -ENAMETOOLONG;
    w->done[n] = '/';
    memcpy(w->done + n + 1, name, len + 1);
    int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -errno;
    int error = fstat(fd, &st) != 0 ? errno : S_ISLNK(st.st_mode) ? follow(w, at, name, &st) : judge(w, &st);
    if (error == 0) return fd;
    close(fd);
    return -error;
}

/* From the root to the end of w->rest. 0, EAGAIN (a link was followed) or errno. */
static int descend(struct walk *w)
{
    struct stat st;
    char *save = NULL, path[PATH_MAX];
    memcpy(path, w->rest, sizeof path);
    w->done[0] = '\0';
    w->exposed = w->in_shared = false;
    int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int error = at < 0 || fstat(at, &st) != 0 ? errno : judge(w, &st);
    for (char *name = strtok_r(path, "/", &save); name && error == 0; name = strtok_r(NULL, "/", &save)) {
        if (strcmp(name, ".") == 0) continue;
        snprintf(w->rest, sizeof w->rest, "%s", save ? save : "");
        /* Of what lies above a link nothing is known any more: such a path is none of ours. */
        int next = strcmp(name, "..") == 0 ? -ELOOP : enter(w, at, name);
        if (next == -ELOOP && w->why[0] == '\0') snprintf(w->why, OURS_WHY_BYTES, "“..” is in it");
        if (next < 0) {
            error = -next;
            break;
        }
        close(at);
        at = next;
    }
    if (at >= 0) close(at);
    return error;
}

/* From `given` on: the parts below it, as below a folder that everybody may write to. */
static int descend_from(struct walk *w, const char *given, const char *path)
{
    char *save = NULL, rest[PATH_MAX];
    int error = 0;
    snprintf(w->done, sizeof w->done, "%s", given);
    snprintf(rest, sizeof rest, "%s", path + strlen(given));
    w->exposed = w->in_shared = true;
    int at = open(given, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0) return errno;
    for (char *name = strtok_r(rest, "/", &save); name && error == 0; name = strtok_r(NULL, "/", &save)) {
        int next = enter(w, at, name);
        if (next < 0) {
            error = -next;
            break;
        }
        close(at);
        at = next;
    }
    close(at);
    return error;
}

static int check(const char *path, const char *given, uid_t uid, enum kind kind, char why[OURS_WHY_BYTES])
{
    struct walk w = {.uid = uid, .kind = kind, .why = why};
    size_t n = strlen(given);
    why[0] = '\0';
    if (path[0] != '/') return EINVAL;
    if (strlen(path) >= sizeof w.rest) return ENAMETOOLONG;
    if (n > 0 && strncmp(path, given, n) == 0 && (path[n] == '/' || path[n] == '\0'))
        return descend_from(&w, given, path);
    memcpy(w.rest, path, strlen(path) + 1);
    int error = descend(&w);
    while (error == EAGAIN) error = descend(&w);
    return error;
}

int ours_check(const char *path, const char *given, uid_t uid, char why[OURS_WHY_BYTES])
{
    return check(path, given, uid, FOLDER, why);
}

int ours_check_loaded(const char *path, uid_t uid, char why[OURS_WHY_BYTES])
{
    return check(path, "", uid, LOADED, why);
}

int ours_make(const char *path, const char *given, mode_t mode, uid_t uid, char why[OURS_WHY_BYTES])
{
    struct stat st;
    why[0] = '\0';
    int error = fs_make_directories(path, mode);
    if (error == 0) error = ours_check(path, given, uid, why);
    if (error == 0 && stat(path, &st) != 0) error = errno;
    if (error != 0) return error;
    if (!S_ISDIR(st.st_mode)) return ENOTDIR;
    if (st.st_uid != uid || is_shared(&st, uid)) {
        snprintf(why, OURS_WHY_BYTES, st.st_uid != uid ? "%.160s belongs to uid %u" : "others may write to %.160s",
                 path, (unsigned)st.st_uid);
        return EPERM;
    }
    return (st.st_mode & 07777) == mode || chmod(path, mode) == 0 ? 0 : errno;
}

int ours_find_program(const char *name, uid_t uid, char *out, size_t cap)
{
    char copy[PATH_MAX], why[OURS_WHY_BYTES], *save = NULL;
    struct stat st;
    const char *path = getenv(ENV_PATH);
    text_copy(copy, sizeof copy, path && path[0] ? path : "/usr/bin:/bin");
    for (char *folder = strtok_r(copy, ":", &save); folder; folder = strtok_r(NULL, ":", &save)) {
        int n = snprintf(out, cap, "%s/%s", folder, name);
        if (folder[0] != '/' || n < 0 || (size_t)n >= cap) continue;
        if (stat(out, &st) != 0 || !S_ISREG(st.st_mode) || access(out, X_OK) != 0) continue;
        if (check(out, "", uid, PROGRAM, why) == 0) return 0;
    }
    out[0] = '\0';
    return ENOENT;
}
