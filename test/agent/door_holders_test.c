/* Which devices the door guards, from what the kernel says of drivers; and who holds one: looked for among all processes,
 * let go of when they end. Against the real kernel, at a cgroup of this test's own.
 * build: agent/door/door.c agent/door/program.c agent/door/bpf.c agent/src/cards/doorman_devices.c agent/src/cards/doorman_holders.c agent/src/base/now.c agent/common/fs.c agent/common/proc_stat.c agent/common/text.c
 * sanitize: address,undefined */
#include "cards/doorman_devices.h"
#include "cards/doorman_holders.h"
#include "check.h"
#include "door_place.h"
#include "env.h"
#include "gpu/gpu.h"

#define HOLDERS_MANY 600 /* more than are looked at in one call */

static const struct gpu_backend stand_in = {.device_prefix = "nvidia"};
const struct gpu_backend *const gpu_backends[] = {&stand_in, NULL};

static const char devices_text[] = "Character devices:\n"
                                   "  1 mem\n"
                                   "195 nvidia\n"
                                   "195 nvidiactl\n"
                                   "226 drm\n"
                                   "234 nvidia-uvm\n"
                                   "511 nvidia-caps\n"
                                   "300 not-nvidia\n"
                                   "\n"
                                   "Block devices:\n"
                                   "  7 nvidia-block\n";

static void all_majors_of_a_driver_are_guarded(void)
{
    struct guarded guarded = {0};
    char text[64];
    guarded_of_text(&guarded, devices_text, "nvidia");
    CHECK_EQ(guarded.count, 4);
    CHECK(guarded_has(&guarded, 195, 0) && guarded_has(&guarded, 195, 255) && guarded_has(&guarded, 234, 1));
    CHECK(guarded_has(&guarded, 511, 7));
    CHECK(!guarded_has(&guarded, 1, 3) && !guarded_has(&guarded, 226, 0) && !guarded_has(&guarded, 300, 0));
    CHECK(!guarded_has(&guarded, 7, 0)); /* a block device's */
    CHECK_STR(guarded_text(text, sizeof text, &guarded, 234, 1), "nvidia-uvm 234:1");
    CHECK(!guarded.cut);
    struct guarded other = {0};
    guarded_of_text(&other, strstr(devices_text, "234"), "nvidia");
    CHECK(!guarded_same(&guarded, &other) && guarded_same(&other, &other));
    struct guarded none = {0};
    guarded_of_text(&none, "", "nvidia");
    guarded_of_text(&none, "195", "nvidia");
    CHECK_EQ(none.count, 0);
    guarded_of_text(&none, "512 nvidia-far\n",
                    "nvidia"); /* the kernel gives no such number; it would not be guarded */
    CHECK(none.cut && none.count == 0);
}

static void a_list_says_them_for_tests(void)
{
    struct guarded guarded = {0};
    CHECK(guarded_of_list(&guarded, "1:7,10:*"));
    CHECK(guarded_has(&guarded, 1, 7) && guarded_has(&guarded, 10, 200) && !guarded_has(&guarded, 1, 5));
    static const char *const wrong[] = {"", "1", "1:", ":7", "x:1", "1:7,", "512:0", "1:-1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct guarded none = {0};
        CHECK_THAT(!guarded_of_list(&none, wrong[i]), "“%s”", wrong[i]);
    }
    setenv(ENV_DOOR_DEVICES, "1:7", 1);
    CHECK_EQ(guarded_find(&guarded), 0);
    CHECK_EQ(guarded.count, 1);
    setenv(ENV_DOOR_DEVICES, "nonsense", 1);
    CHECK_EQ(guarded_find(&guarded), EINVAL);
    unsetenv(ENV_DOOR_DEVICES);
    CHECK_EQ(guarded_find(&guarded), 0); /* of this host, whatever it has */
}

/* ---- holders ------------------------------------------------------------------------------------------------- */

static struct door door;
static int root_fd;

static void open_door(void)
{
    char why[DOOR_WHY_BYTES] = "";
    root_fd = door_root(why, sizeof why);
    CHECK_THAT(root_fd >= 0, "%s", why);
    CHECK_EQ(door_open(&door, open(place_group, O_RDONLY | O_DIRECTORY)), 0);
    CHECK_THAT(door_prepare(&door, why, sizeof why) == 0, "%s", why);
}

/* A process that has this open, until it is ended. */
static pid_t hold(const char *path, int flags)
{
    int ready[2];
    char byte;
    CHECK(pipe(ready) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        place_enter(place_group);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (open(path, flags) < 0 || write(ready[1], "r", 1) != 1) _exit(1);
        for (;;) pause();
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]), close(ready[1]);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static bool is_holder(pid_t wanted)
{
    struct door_holder holder;
    uint32_t pid = 0;
    while (door_next_holder(&door, pid, &pid, &holder))
        if (pid == (uint32_t)wanted) return true;
    return false;
}

static void prune_all(void)
{
    uint32_t at = 0;
    for (int i = 0; i < DOOR_HOLDERS_MAX / 100; i++) holders_prune(&door, &at);
}

static void who_has_one_open_is_found_until_it_ends(void)
{
    static const struct guarded guarded = {.devices = {{1, 7, false}}, .count = 1};
    pid_t holder = hold(place_node("nvidia0", 1, 7), O_RDONLY), other = hold(place_node("nvidia9", 1, 8), O_RDONLY);
    CHECK(holders_find(&door, root_fd, &guarded) >= 1); /* and whoever else on this machine */
    CHECK(is_holder(holder) && !is_holder(other));
    uint32_t pid;
    struct door_holder found;
    bool more = door_next_holder(&door, 0, &pid, &found);
    while (more && pid != (uint32_t)holder) more = door_next_holder(&door, pid, &pid, &found);
    CHECK(more);
    CHECK_EQ(found.group, holders_group_of(root_fd, holder, NULL));
    CHECK(found.uid == 0 && found.start_ticks > 0);
    prune_all();
    CHECK(is_holder(holder));
    end(holder);
    prune_all();
    CHECK(!is_holder(holder));
    end(other);
}

/* One that the kernel wrote down while the door was being shut is known by its number alone until it is looked at. */
static void a_number_that_is_given_out_again_is_not_let_in(void)
{
    uint32_t pid = (uint32_t)hold("/dev/null", O_RDONLY), found;
    struct door_holder holder = {.group = 1}, read_back;
    CHECK_EQ(door_hold(&door, pid, &holder), 0);
    prune_all();
    bool more = door_next_holder(&door, 0, &found, &read_back);
    while (more && found != pid) more = door_next_holder(&door, found, &found, &read_back);
    CHECK(more && read_back.start_ticks > 0);
    read_back.start_ticks--; /* an earlier process of this number */
    CHECK_EQ(door_hold(&door, pid, &read_back), 0);
    prune_all();
    CHECK(!is_holder((pid_t)pid));
    end((pid_t)pid);
}

static void many_that_have_ended_go_in_a_few_calls(void)
{
    struct door_holder holder = {.group = 1, .start_ticks = 1};
    uint32_t at = 0;
    pid_t lives = hold("/dev/null", O_RDONLY);
    CHECK_EQ(holders_add(&door, root_fd, lives), 0);
    /* Above the largest number that a process can have. */
    for (uint32_t i = 0; i < HOLDERS_MANY; i++) CHECK_EQ(door_hold(&door, (1u << 22) + 1 + i, &holder), 0);
    holders_prune(&door, &at);
    CHECK(at != 0); /* not all at once */
    for (int i = 0; i < 4; i++) holders_prune(&door, &at);
    CHECK(is_holder(lives));
    for (uint32_t i = 0; i < HOLDERS_MANY; i++) CHECK(!is_holder((pid_t)((1u << 22) + 1 + i)));
    end(lives);
    CHECK_EQ(holders_add(&door, root_fd, lives), 0); /* one that has ended is none, and no mistake */
    CHECK(is_holder(lives));                         /* as it was before */
    prune_all();
    CHECK(!is_holder(lives));
}

static void the_group_and_the_unit_of_a_process(void)
{
    bool is_unit = true;
    char unit[2 * PLACE_BYTES], path[2 * PLACE_BYTES];
    int status;
    struct stat st;
    snprintf(unit, sizeof unit, "%s", place_below(place_group, "a.service"));
    snprintf(path, sizeof path, "%s", place_below(unit, "leaf"));
    CHECK_EQ(stat(path, &st), 0);
    CHECK(holders_group_of(root_fd, getpid(), &is_unit) != 0);
    CHECK_EQ(holders_group_of(root_fd, 0x7ffffffe, &is_unit), 0);
    pid_t pid = fork();
    if (pid == 0) {
        place_enter(path);
        uint64_t id = holders_group_of(root_fd, getpid(), &is_unit);
        _exit(id == st.st_ino && is_unit ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    CHECK_EQ(WEXITSTATUS(status), 0);
}

static int all(void)
{
    RUN(all_majors_of_a_driver_are_guarded);
    RUN(a_list_says_them_for_tests);
    check_begin("door");
    open_door();
    RUN(who_has_one_open_is_found_until_it_ends);
    RUN(a_number_that_is_given_out_again_is_not_let_in);
    RUN(many_that_have_ended_go_in_a_few_calls);
    RUN(the_group_and_the_unit_of_a_process);
    door_close(&door);
    close(root_fd);
    return check_done();
}

int main(void)
{
    return place_run(all);
}
