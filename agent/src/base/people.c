#include "base/people.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs.h"
#include "text.h"

#define CACHE_MAX 256
#define LOGINS_MAX 200
#define PASSWD_MAX_BYTES (4u << 20)
#define UID_FIRST_PERSON 1000
#define UID_NOBODY 65534

struct cached {
    uid_t uid;
    bool known;
    char name[OWNER_BYTES];
};

static char passwd_path[FS_PATH_BYTES] = "/etc/passwd";

void people_use_root(const char *root)
{
    char path[FS_PATH_BYTES];
    if (fs_join(path, root, "passwd") == 0 && access(path, R_OK) == 0)
        text_copy(passwd_path, sizeof passwd_path, path);
}

/* People of a private root come before the machine's own: they exist there only. */
static const struct person *root_person(uid_t uid, const char *name)
{
    const struct person *logins;
    if (strcmp(passwd_path, "/etc/passwd") == 0) return NULL;
    size_t count = people_logins(&logins);
    for (size_t i = 0; i < count; i++)
        if (name ? strcmp(logins[i].name, name) == 0 : logins[i].uid == uid) return &logins[i];
    return NULL;
}

static struct cached *cache[CACHE_MAX];
static size_t cached_count;

void people_forget(void)
{
    for (size_t i = 0; i < cached_count; i++) cache[i]->uid = (uid_t)-1;
}

bool people_agree(uid_t uid, const char *name)
{
    uid_t other;
    if (people_uid_of(name, &other) == 0) return other == uid;
    const char *known = people_name_of(uid);
    return !known || strcmp(known, name) == 0;
}

const char *people_name_of(uid_t uid)
{
    static size_t next;
    for (size_t i = 0; i < cached_count; i++)
        if (cache[i]->uid == uid) return cache[i]->known ? cache[i]->name : NULL;
    size_t at = cached_count < CACHE_MAX ? cached_count : next++ % CACHE_MAX;
    if (at == cached_count) {
        cache[at] = malloc(sizeof *cache[at]);
        if (!cache[at]) return NULL;
        cached_count++;
    }
    const struct person *person = root_person(uid, NULL);
    if (person) {
        *cache[at] = (struct cached){.uid = uid, .known = true};
        text_copy(cache[at]->name, sizeof cache[at]->name, person->name);
        return cache[at]->name;
    }
    struct passwd *pw = getpwuid(uid);
    *cache[at] = (struct cached){.uid = uid, .known = pw};
    if (pw) text_sanitize(cache[at]->name, sizeof cache[at]->name, pw->pw_name, strlen(pw->pw_name));
    return pw ? cache[at]->name : NULL;
}

int people_uid_of(const char *name, uid_t *uid)
{
    const struct person *person = name[0] ? root_person(0, name) : NULL;
    if (person) {
        *uid = person->uid;
        return 0;
    }
    struct passwd *pw = name[0] ? getpwnam(name) : NULL;
    if (!pw) return -1;
    *uid = pw->pw_uid;
    return 0;
}

static bool is_real_shell(const char *shell)
{
    const char *base = strrchr(shell, '/');
    base = base ? base + 1 : shell;
    static const char *const none[] = {"nologin", "false", "true", "sync", "halt", "shutdown"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        if (strcmp(base, none[i]) == 0) return false;
    return true; /* an empty field means /bin/sh */
}

/* name:password:uid:gid:comment:home:shell. Read as a file, not through getpwent: a directory service may take
 * minutes to list everybody, and the agent has one thread. */
static bool parse_login(char *line, struct person *out)
{
    char *field[7];
    for (size_t i = 0; i < 7; i++) {
        field[i] = line;
        char *colon = strchr(line, ':');
        if (!colon && i < 6) return false;
        if (colon) *colon = '\0';
        line = colon ? colon + 1 : line;
    }
    int64_t uid;
    if (text_parse_integer(field[2], UID_FIRST_PERSON, UINT32_MAX, &uid) != 0 || uid == UID_NOBODY) return false;
    if (!is_real_shell(field[6])) return false;
    out->uid = (uid_t)uid;
    text_sanitize(out->name, sizeof out->name, field[0], strlen(field[0]));
    return true;
}

size_t people_logins(const struct person **out)
{
    static struct person *logins;
    static size_t count;
    static struct timespec changed;
    struct stat st;
    char *data;
    size_t len;
    *out = logins;
    if (stat(passwd_path, &st) != 0) return count;
    bool same = st.st_mtim.tv_sec == changed.tv_sec && st.st_mtim.tv_nsec == changed.tv_nsec;
    if (logins && same) return count;
    if (!logins) logins = malloc(LOGINS_MAX * sizeof *logins);
    if (!logins || fs_read_file(passwd_path, PASSWD_MAX_BYTES, &data, &len) != 0) return 0;
    changed = st.st_mtim;
    count = 0;
    char *rest = data, *line;
    while (count < LOGINS_MAX && (line = strsep(&rest, "\n"))) count += parse_login(line, &logins[count]);
    free(data);
    *out = logins;
    return count;
}
