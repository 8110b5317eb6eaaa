/* Paths that somebody else could bend: which folders count as ours, where the agent keeps its files, what it starts.
 * build: agent/common/fs.c agent/common/text.c agent/src/base/ours.c agent/src/base/places.c
 * sanitize: address,undefined
 */
#include "check.h"
#include "env.h"
#include "fs.h"
#include "base/ours.h"
#include "base/places.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHER 65534
#define US 1

static char why[512];

static void make(const char *path, uid_t uid, mode_t mode)
{
    CHECK_THAT(mkdir(path, 0700) == 0 && chown(path, uid, uid) == 0 && chmod(path, mode) == 0, "%s: %s", path,
               strerror(errno));
}

static void put(const char *path, uid_t uid, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0 && fchown(fd, uid, uid) == 0 && fchmod(fd, mode) == 0 && close(fd) == 0);
}

static int check(const char *path)
{
    return ours_check(path, "", US, why);
}

static void what_others_could_change_is_not_ours(void)
{
    make("/tmp/mine", US, 0700);
    make("/tmp/mine/deep", US, 0755);
    CHECK_EQ(check("/tmp/mine/deep"), 0);
    make("/tmp/roots", 0, 0755);
    make("/tmp/roots/mine", US, 0700);
    CHECK_EQ(check("/tmp/roots/mine"), 0);
    make("/tmp/theirs", OTHER, 0777);
    make("/tmp/theirs/bin", US, 0700);
    CHECK_EQ(check("/tmp/theirs/bin"), EPERM);
    CHECK_STR(why, "/tmp/theirs belongs to uid 65534");
    make("/tmp/open", US, 0777);
    make("/tmp/open/bin", US, 0700);
    CHECK_EQ(check("/tmp/open/bin"), EPERM);
    CHECK_STR(why, "others may write to /tmp/open");
    /* The private group of a user lets nobody else in (daemon's is one on every Debian); another group does. */
    make("/tmp/umask", US, 0775);
    CHECK_EQ(check("/tmp/umask"), 0);
    CHECK_EQ(chown("/tmp/umask", US, OTHER), 0);
    CHECK_EQ(chmod("/tmp/umask", 0775), 0);
    CHECK_EQ(check("/tmp/umask"), EPERM);
    CHECK_EQ(check("/tmp/mine/../theirs"), ELOOP);
    CHECK_EQ(check("/tmp/nothing"), ENOENT);
    CHECK_EQ(check("mine"), EINVAL);
}

static void links_count_where_only_we_could_have_made_them(void)
{
    /* Above the first folder of everybody's: /bin -> usr/bin, /home -> /data/home. */
    make("/var/lib/home", 0, 0755);
    make("/var/lib/home/us", US, 0700);
    CHECK_EQ(symlink("home", "/var/lib/people"), 0);
    CHECK_EQ(check("/var/lib/people/us"), 0);
    CHECK_EQ(symlink("/tmp/mine", "/tmp/link"), 0);
    CHECK_EQ(lchown("/tmp/link", US, US), 0);
    CHECK_EQ(check("/tmp/link"), ELOOP);
    CHECK_EQ(symlink("people", "/var/lib/round"), 0);
    CHECK_EQ(symlink("self", "/var/lib/self"), 0);
    CHECK_EQ(check("/var/lib/self"), ELOOP);
    /* BIN/current in a folder of ours is how an upgrade is told to running programs. */
    make("/tmp/mine/1.0", US, 0755);
    put("/tmp/mine/1.0/lib.so", US, 0644);
    CHECK_EQ(symlink("1.0", "/tmp/mine/current"), 0);
    CHECK_EQ(lchown("/tmp/mine/current", US, US), 0);
    CHECK_EQ(ours_check_loaded("/tmp/mine/current/lib.so", US, why), 0);
    CHECK_EQ(ours_check_loaded("/tmp/link/1.0/lib.so", US, why), ELOOP);
    put("/tmp/theirs/bin/lib.so", US, 0644);
    CHECK_EQ(ours_check_loaded("/tmp/theirs/bin/lib.so", US, why), EPERM);
    /* Software of a third person where only he writes. */
    make("/var/lib/software", OTHER, 0755);
    put("/var/lib/software/lib.so", OTHER, 0644);
    CHECK_EQ(ours_check_loaded("/var/lib/software/lib.so", US, why), 0);
    CHECK_EQ(check("/var/lib/software/lib.so"), EPERM);
}

static void a_folder_that_was_given_is_taken(void)
{
    make("/tmp/theirs/jobs", OTHER, 01777);
    make("/tmp/theirs/jobs/1", US, 0700);
    make("/tmp/theirs/jobs/2", OTHER, 0700);
    CHECK_EQ(ours_check("/tmp/theirs/jobs/1", "/tmp/theirs/jobs", US, why), 0);
    CHECK_EQ(ours_check("/tmp/theirs/jobs/2", "/tmp/theirs/jobs", US, why), EPERM);
    CHECK_EQ(ours_check("/tmp/theirs/jobs/1", "", US, why), EPERM);
}

static void a_program_is_started_from_safe_folders_only(void)
{
    char found[256];
    make("/var/lib/all", 0, 0777);
    make("/var/lib/all/bin", 0, 0755);
    put("/var/lib/all/bin/tool", 0, 0755);
    put("/tmp/theirs/bin/tool", 0, 0755);
    put("/tmp/mine/tool", OTHER, 0755);
    make("/tmp/roots/bin", 0, 0755);
    setenv("PATH", ".::/var/lib/all/bin:/tmp/theirs/bin:/tmp/mine:/tmp/roots/bin", 1);
    CHECK_EQ(ours_find_program("tool", 0, found, sizeof found), ENOENT);
    put("/tmp/roots/bin/tool", 0, 0755);
    CHECK_EQ(ours_find_program("tool", 0, found, sizeof found), 0);
    CHECK_STR(found, "/tmp/roots/bin/tool");
}

static struct places find(void)
{
    struct places p;
    CHECK_EQ(places_find(&p, why, sizeof why), 0);
    return p;
}

static void a_taken_name_locks_nobody_out(void)
{
    static const char *const usual[] = {"/dev/shm/tranche-0", "/tmp/tranche-0", "/var/tmp/tranche-0"};
    struct stat st;
    for (size_t i = 0; i < 3; i++) make(usual[i], OTHER, 0755);
    struct places p = find();
    CHECK_EQ(places_open_state(&p, why, sizeof why), 0);
    CHECK_THAT(places_open_runtime(&p, why, sizeof why) == 0, "%s", why);
    CHECK(lstat(p.runtime, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == 0 && (st.st_mode & 022) == 0);
    for (size_t i = 0; i < 3; i++) CHECK(strcmp(p.runtime, usual[i]) != 0);
    struct places again = find();
    CHECK_EQ(places_open_runtime(&again, why, sizeof why), 0);
    CHECK_STR(again.runtime, p.runtime);
    /* One that is somebody else's by now is not used again. */
    CHECK_EQ(lchown(p.runtime, OTHER, OTHER), 0);
    again = find();
    CHECK_EQ(places_recorded_runtime(&again), -1);
    CHECK_EQ(places_open_runtime(&again, why, sizeof why), 0);
    CHECK(strcmp(again.runtime, p.runtime) != 0);
}

static void a_state_folder_of_others_is_refused(void)
{
    struct places p = find();
    CHECK_EQ(places_open_state(&p, why, sizeof why), 0);
    CHECK_EQ(chmod(p.state, 0777), 0);
    CHECK_EQ(places_open_state(&p, why, sizeof why), -1);
    CHECK_THAT(strstr(why, "others may write to ") != NULL, "%s", why);
    CHECK_EQ(chmod(p.state, 0700), 0);
    CHECK_EQ(lchown(p.state, OTHER, OTHER), 0);
    CHECK_EQ(places_open_state(&p, why, sizeof why), -1);
    CHECK_THAT(strstr(why, "belongs to uid 65534") != NULL, "%s", why);
}

static void a_device_is_not_opened_to_be_looked_at(void)
{
    char *data;
    size_t len;
    int fd;
    CHECK_EQ(mkfifo("/tmp/fifo", 0600), 0);
    CHECK_EQ(fs_open_regular("/tmp/fifo", O_RDONLY), -EINVAL);
    CHECK_EQ(fs_read_file("/tmp/fifo", 10, &data, &len), EINVAL);
    /* A pty is a new one at each open. */
    CHECK_EQ(fs_open_regular("/dev/ptmx", O_RDONLY), -EINVAL);
    put("/tmp/file", 0, 0600);
    fd = fs_open_regular("/tmp/file", O_RDONLY | O_NOFOLLOW);
    CHECK(fd >= 0 && close(fd) == 0);
    CHECK_EQ(symlink("file", "/tmp/to-file"), 0);
    CHECK(fs_open_regular("/tmp/to-file", O_RDONLY | O_NOFOLLOW) < 0);
    fd = fs_open_regular("/tmp/to-file", O_RDONLY);
    CHECK(fd >= 0 && close(fd) == 0);
}

static void a_foreign_temporary_file_is_not_written_into(void)
{
    char *data;
    size_t len;
    put("/tmp/report.tmp", OTHER, 0666);
    int seen = open("/tmp/report.tmp", O_RDONLY);
    CHECK_EQ(seteuid(US), 0);
    int error = fs_write_atomic("/tmp", "report", "ours", 4, 0600, false);
    CHECK_EQ(seteuid(0), 0);
    CHECK_EQ(error, 0);
    CHECK(fs_read_file("/tmp/report", 10, &data, &len) == 0 && len == 4);
    free(data);
    CHECK_EQ(lseek(seen, 0, SEEK_END), 0);
    close(seen);
}

int main(void)
{
    /* Folders of everybody's, of our own: nothing of the machine is touched. */
    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        check_skip("needs root and a mount namespace");
    static const char *const shared[] = {"/tmp", "/dev/shm", "/var/tmp", "/var/lib"};
    for (size_t i = 0; i < 4; i++)
        if (mount("tmpfs", shared[i], "tmpfs", 0, i < 3 ? "mode=1777" : "mode=755") != 0) check_skip("cannot mount");
    setenv(ENV_SCOPE, "user", 1);
    unsetenv(ENV_ROOT);
    unsetenv("XDG_RUNTIME_DIR");
    setenv("XDG_STATE_HOME", "/var/lib/state", 1);
    RUN(what_others_could_change_is_not_ours);
    RUN(links_count_where_only_we_could_have_made_them);
    RUN(a_folder_that_was_given_is_taken);
    RUN(a_program_is_started_from_safe_folders_only);
    RUN(a_taken_name_locks_nobody_out);
    RUN(a_state_folder_of_others_is_refused);
    RUN(a_device_is_not_opened_to_be_looked_at);
    RUN(a_foreign_temporary_file_is_not_written_into);
    return check_done();
}
