#include "base/groups.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/people.h"
#include "fs.h"
#include "text.h"

#define CACHE_MAX 256
#define GROUPS_MAX 128 /* of one person; what is beyond is not seen */
#define REMEMBERED_MS (10 * 60 * 1000)
#define GROUP_FILE_MAX_BYTES (4u << 20)

static char root_path[FS_PATH_BYTES]; /* "": the machine's own groups alone */

void groups_use_root(const char *root)
{
    char path[FS_PATH_BYTES];
    if (fs_join(path, root, "group") == 0 && access(path, R_OK) == 0) text_copy(root_path, sizeof root_path, path);
}

/* name:password:gid:member,member. 1 listed, 0 not, -1: the root has no such group. */
static int root_member(const char *group, const char *user)
{
    char *data, *rest, *line;
    size_t len;
    int found = -1;
    if (root_path[0] == '\0' || fs_read_file(root_path, GROUP_FILE_MAX_BYTES, &data, &len) != 0) return -1;
    for (rest = data; found < 0 && (line = strsep(&rest, "\n"));) {
        char *name = strsep(&line, ":");
        if (!name || strcmp(name, group) != 0) continue;
        found = 0;
        for (int skip = 0; skip < 2 && line; skip++) strsep(&line, ":");
        for (char *member; line && (member = strsep(&line, ","));) found |= strcmp(member, user) == 0;
    }
    free(data);
    return found;
}

bool groups_exists(const char *group)
{
    return root_member(group, "") >= 0 || getgrnam(group);
}

struct remembered {
    char user[OWNER_BYTES];
    gid_t gids[GROUPS_MAX];
    int count; /* -1: the directory did not say */
    int64_t asked_at_ms;
};

static void ask(struct remembered *entry, int64_t mono_ms)
{
    struct passwd *pw = getpwnam(entry->user);
    entry->asked_at_ms = mono_ms;
    entry->count = -1;
    if (!pw) return;
    int count = GROUPS_MAX;
    int got = getgrouplist(entry->user, pw->pw_gid, entry->gids, &count);
    entry->count = got >= 0 ? got : GROUPS_MAX; /* -1: there were more, and as many as fit were stored */
}

static struct remembered *cache[CACHE_MAX];
static size_t cache_count;

static struct remembered *recall(const char *user)
{
    for (size_t i = 0; i < cache_count; i++)
        if (strcmp(cache[i]->user, user) == 0) return cache[i];
    return NULL;
}

bool groups_remembers(const char *user, int64_t mono_ms)
{
    const struct remembered *entry = recall(user);
    return entry && mono_ms - entry->asked_at_ms < REMEMBERED_MS;
}

static struct remembered *groups_of(const char *user, bool may_ask, int64_t mono_ms)
{
    static size_t next;
    struct remembered *known = recall(user);
    if (known && may_ask && mono_ms - known->asked_at_ms >= REMEMBERED_MS) ask(known, mono_ms);
    if (known || !may_ask || strlen(user) >= OWNER_BYTES) return known;
    size_t at = cache_count < CACHE_MAX ? cache_count : next++ % CACHE_MAX;
    if (at == cache_count) {
        cache[at] = malloc(sizeof *cache[at]);
        if (!cache[at]) return NULL;
        cache_count++;
    }
    text_copy(cache[at]->user, sizeof cache[at]->user, user);
    ask(cache[at], mono_ms);
    return cache[at];
}

int groups_member(const char *group, const char *user, bool may_ask, int64_t mono_ms)
{
    int in_root = root_member(group, user);
    if (in_root >= 0) return in_root;
    const struct remembered *of = groups_of(user, may_ask, mono_ms);
    struct group *gr = of && of->count >= 0 ? getgrnam(group) : NULL;
    if (!gr) return -1;
    for (int i = 0; i < of->count; i++)
        if (of->gids[i] == gr->gr_gid) return 1;
    return 0;
}
