/* Control groups of the real kernel: made, given a controller, found populated, removed; and which folders are none.
 * build: agent/src/base/cgroup.c agent/common/fs.c agent/common/text.c
 * sanitize: address,undefined
 */
#include "base/cgroup.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED 77
#define WORD_BYTES 32

static char name[64], controller[WORD_BYTES];
static int top = -1;
static bool was_enabled;

static void read_text(int group, const char *file, char *text, size_t cap)
{
    int fd = openat(group, file, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, cap - 1);
    if (fd >= 0) close(fd);
    text[n < 0 ? 0 : n] = '\0';
}

static bool is_enabled(int group)
{
    char text[512];
    read_text(group, "cgroup.subtree_control", text, sizeof text);
    return strstr(text, controller);
}

/* As it was before, whatever has failed. */
static void tidy(void)
{
    cgroup_remove(top, name);
    int fd = was_enabled ? -1 : openat(top, "cgroup.subtree_control", O_WRONLY);
    if (fd < 0) return;
    dprintf(fd, "-%s\n", controller);
    close(fd);
}

static void is_made_filled_and_removed(void)
{
    bool made, populated;
    int group = cgroup_make(top, name, &made);
    CHECK(group >= 0 && made);
    int again = cgroup_make(top, name, &made);
    CHECK(again >= 0 && !made);
    close(again);
    CHECK_EQ(cgroup_is_populated(group, &populated), 0);
    CHECK(!populated);
    pid_t child = fork();
    if (child == 0)
        for (;;) pause();
    CHECK_EQ(cgroup_put(group, child), 0);
    CHECK_EQ(cgroup_is_populated(group, &populated), 0);
    CHECK(populated);
    CHECK_EQ(cgroup_remove(top, name), EBUSY);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    CHECK_EQ(cgroup_put(group, child), ESRCH);
    close(group);
    CHECK_EQ(cgroup_remove(top, name), 0);
    CHECK_EQ(cgroup_remove(top, name), ENOENT);
}

/* From the group above, and again where it is there already. */
static void hands_down_a_controller(void)
{
    bool made;
    char text[512];
    int group = cgroup_make(top, name, &made);
    CHECK(group >= 0);
    CHECK_EQ(cgroup_enable(group, "nonesuch"), ENOENT);
    if (controller[0]) {
        CHECK_EQ(cgroup_enable(top, controller), 0);
        CHECK(is_enabled(top));
        read_text(group, "cgroup.controllers", text, sizeof text);
        CHECK(strstr(text, controller));
        CHECK(!is_enabled(group));
        CHECK_EQ(cgroup_enable(group, controller), 0);
        CHECK(is_enabled(group));
        CHECK_EQ(cgroup_enable(group, controller), 0);
        /* Half of a name is none. */
        snprintf(text, sizeof text, "%.*s", (int)strlen(controller) - 1, controller);
        CHECK_EQ(cgroup_enable(group, text), ENOENT);
    } else {
        puts("skipped in part: this kernel has no controller that v2 may have");
    }
    close(group);
    CHECK_EQ(cgroup_remove(top, name), 0);
}

static void other_folders_are_none(void)
{
    bool made;
    char folder[] = "/tmp/tranche-cgroup-XXXXXX", link[96];
    CHECK(mkdtemp(folder));
    CHECK_EQ(cgroup_open(AT_FDCWD, folder), -ENOTSUP);
    int group = cgroup_make(top, name, &made);
    CHECK(group >= 0);
    CHECK_EQ(fchown(group, 65534, 65534), 0);
    CHECK_EQ(cgroup_open(top, name), -EPERM);
    CHECK_EQ(fchown(group, 0, 0), 0);
    CHECK_EQ(fchmod(group, 0777), 0);
    CHECK_EQ(cgroup_open(top, name), -EPERM);
    close(group);
    snprintf(link, sizeof link, "%s/link", folder);
    CHECK_EQ(symlink(cgroup_mount(), link), 0);
    CHECK(cgroup_open(AT_FDCWD, link) < 0);
    unlink(link);
    rmdir(folder);
    CHECK_EQ(cgroup_remove(top, name), 0);
}

int main(void)
{
    char text[512] = "", all[512];
    if (geteuid() != 0 || !cgroup_mount()) {
        puts("skipped: not root, or no cgroup v2 hierarchy");
        return SKIPPED;
    }
    top = open(cgroup_mount(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(name, sizeof name, "tranche-test-cgroup-%d", (int)getpid());
    if (top < 0 || mkdirat(top, name, 0755) != 0) {
        puts("skipped: the cgroup v2 hierarchy may not be written to");
        return SKIPPED;
    }
    unlinkat(top, name, AT_REMOVEDIR);
    read_text(top, "cgroup.controllers", text, sizeof text);
    read_text(top, "cgroup.subtree_control", all, sizeof all);
    snprintf(controller, sizeof controller, "%.*s", (int)strcspn(text, " \n"), text);
    was_enabled = controller[0] == '\0' || strstr(all, controller);
    atexit(tidy);
    RUN(is_made_filled_and_removed);
    RUN(hands_down_a_controller);
    RUN(other_folders_are_none);
    return check_done();
}
