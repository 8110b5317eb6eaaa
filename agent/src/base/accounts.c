#include "base/accounts.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/people.h"
#include "fs.h"
#include "text.h"

#define SUBUID_MAX_BYTES (1u << 20)
#define RANGES_MAX 4096
#define LOOK_AGAIN_NS 10000000000ll

struct range {
    uint32_t first, count;
    uid_t owner;
    const char
        *name; /* in `text`; NULL: the owner is known. A directory is asked for it when somebody comes from here */
};

static char subuid_path[FS_PATH_BYTES] = "/etc/subuid";
static struct range *ranges;
static char *text; /* of the file, for the names */
static size_t range_count;
static struct timespec ranges_changed;
static int64_t looked_at_ns;

void accounts_use_root(const char *root)
{
    char path[FS_PATH_BYTES];
    if (fs_join(path, root, "subuid") == 0 && access(path, R_OK) == 0)
        text_copy(subuid_path, sizeof subuid_path, path);
}

/* owner:first:count, the owner by name or number. */
static bool take_range(char *line, struct range *out)
{
    char *first = strchr(line, ':'), *count = first ? strchr(first + 1, ':') : NULL;
    int64_t number, owner;
    if (!count) return false;
    *first++ = *count++ = '\0';
    if (text_parse_integer(first, 0, UINT32_MAX, &number) != 0) return false;
    out->first = (uint32_t)number;
    if (text_parse_integer(count, 1, UINT32_MAX, &number) != 0) return false;
    out->count = (uint32_t)number;
    bool known = text_parse_integer(line, 0, UINT32_MAX - 1, &owner) == 0;
    out->owner = known ? (uid_t)owner : 0;
    out->name = known ? NULL : line;
    return true;
}

static void look(int64_t mono_ns)
{
    struct stat st;
    char *data, *line;
    size_t len;
    if (looked_at_ns != 0 && mono_ns - looked_at_ns < LOOK_AGAIN_NS) return;
    looked_at_ns = mono_ns;
    if (stat(subuid_path, &st) != 0) {
        range_count = 0;
        return;
    }
    bool same = st.st_mtim.tv_sec == ranges_changed.tv_sec && st.st_mtim.tv_nsec == ranges_changed.tv_nsec;
    if (same || fs_read_file(subuid_path, SUBUID_MAX_BYTES, &data, &len) != 0) return;
    ranges_changed = st.st_mtim;
    range_count = 0;
    if (!ranges) ranges = malloc(RANGES_MAX * sizeof *ranges);
    for (char *rest = data; ranges && range_count < RANGES_MAX && (line = strsep(&rest, "\n"));)
        range_count += take_range(line, &ranges[range_count]);
    free(text);
    text = data;
}

uid_t accounts_owner(uid_t uid, int64_t mono_ns)
{
    look(mono_ns);
    for (size_t i = 0; i < range_count; i++) {
        struct range *range = &ranges[i];
        if (uid < range->first || uid - range->first >= range->count) continue;
        if (range->name && people_uid_of(range->name, &range->owner) != 0) return uid; /* nobody's by now */
        range->name = NULL;
        return range->owner;
    }
    return uid;
}

/* ---- time ------------------------------------------------------------------------------------------------ */

static struct account *find(struct accounts *accounts, uid_t uid)
{
    for (size_t i = 0; i < ACCOUNTS_MAX; i++)
        if (accounts->items[i].used && accounts->items[i].uid == uid) return &accounts->items[i];
    return NULL;
}

static void refill(struct account *a, int64_t mono_ns)
{
    int64_t passed_ns = mono_ns > a->at_ns ? mono_ns - a->at_ns : 0;
    a->left_ns += passed_ns / 100 * ACCOUNT_REFILL_PERCENT;
    if (a->left_ns > ACCOUNT_BURST_NS) a->left_ns = ACCOUNT_BURST_NS;
    a->at_ns = mono_ns;
}

static struct account *find_or_add(struct accounts *accounts, uid_t uid, int64_t mono_ns)
{
    struct account *a = find(accounts, uid);
    if (a) return a;
    a = &accounts->items[0];
    for (size_t i = 0; i < ACCOUNTS_MAX && a->used; i++) {
        struct account *other = &accounts->items[i];
        refill(other, mono_ns);
        if (!other->used || other->left_ns > a->left_ns) a = other;
    }
    *a = (struct account){.uid = uid, .left_ns = ACCOUNT_BURST_NS, .at_ns = mono_ns, .used = true};
    return a;
}

void accounts_spend(struct accounts *accounts, uid_t account, int64_t mono_ns, int64_t spent_ns)
{
    struct account *a = find_or_add(accounts, account, mono_ns);
    refill(a, mono_ns);
    a->left_ns -= spent_ns;
    if (a->turn != accounts->turn) a->turn_ns = 0;
    a->turn = accounts->turn;
    a->turn_ns += spent_ns;
}

int64_t accounts_wait_ns(struct accounts *accounts, uid_t account, int64_t mono_ns, bool is_trusted)
{
    struct account *a = is_trusted ? NULL : find(accounts, account);
    if (!a) return 0;
    refill(a, mono_ns);
    return a->left_ns >= 0 ? 0 : -a->left_ns / ACCOUNT_REFILL_PERCENT * 100;
}

bool accounts_had_turn(const struct accounts *accounts, uid_t account)
{
    const struct account *a = find((struct accounts *)accounts, account);
    return a && a->turn == accounts->turn && a->turn_ns >= ACCOUNT_TURN_NS;
}
