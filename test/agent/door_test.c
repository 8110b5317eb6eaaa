/* The door's program against the real kernel: attached to a cgroup of this test's own, with numbers of memory devices
 * (1:5 zero, 1:7 full, 1:8 random, and misc devices) in the place of the GPUs'. All of what it decides is asked once with each
 * amount of what kernels let a device program ask (struct door_kernel), whatever this one lets.
 * build: agent/door/door.c agent/door/program.c agent/door/bpf.c agent/door/refusals.c
 * sanitize: address,undefined */
#include "check.h"
#include "door.h"
#include "door_place.h"
#include "refusals.h"

#include "bpf.h"

#include <sched.h>
#include <sys/syscall.h>
#include <time.h>

#define NOBODY 65534
#define SOMEBODY 54321 /* a uid that nobody has */
#define REPLACED_ROUNDS 300
#define FLOOD 2000

static const struct door_kernel levels[] = {{true, true}, {false, true}, {false, false}};
static struct door_kernel level;          /* of the test that runs */
static const char *gpu, *control, *other; /* nodes: guarded whole major or one minor, and one that is not */

static const struct door_device guarded[] = {{1, 7, false}, {1, 5, false}};

/* ---- what is asked ------------------------------------------------------------------------------------------------ */

struct opener {
    const char *group;
    uid_t uid;
    int flags;        /* 0: reading */
    const char *path; /* NULL: the GPU's */
    void (*before)(void);
};

/* 0, or the errno of the open, by a new process as described. */
static int try_open(struct opener o)
{
    pid_t pid = fork();
    if (pid == 0) {
        place_enter(o.group);
        if (o.uid != 0 && (setresgid(o.uid, o.uid, o.uid) != 0 || setresuid(o.uid, o.uid, o.uid) != 0)) _exit(98);
        if (o.before) o.before();
        int fd = open(o.path ? o.path : gpu, o.flags);
        _exit(fd >= 0 ? 0 : errno);
    }
    int status;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int open_as(const char *group, uid_t uid)
{
    return try_open((struct opener){.group = group, .uid = uid});
}

static uint64_t id_of(const char *group)
{
    int fd = open(group, O_PATH | O_DIRECTORY);
    uint64_t id = door_group_id(fd);
    close(fd);
    CHECK(id != 0);
    return id;
}

/* ---- a door ------------------------------------------------------------------------------------------------------- */

/* The cgroup that the door of this test is at: one for each, so that none finds another's. */
static const char *new_place(const char *name)
{
    static char path[2 * PLACE_BYTES];
    static int made;
    char unique[64];
    snprintf(unique, sizeof unique, "%.40s-%d", name, made++);
    snprintf(path, sizeof path, "%s", place_below(place_group, unique));
    return path;
}

static void open_at(struct door *door, const char *group, int expected)
{
    int fd = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_EQ(door_open(door, fd), expected);
    door->kernel = level;
}

/* Shut, with nobody let in. */
static void shut_at(struct door *door, const char *group)
{
    char why[DOOR_WHY_BYTES] = "";
    open_at(door, group, 0);
    CHECK_THAT(door_prepare(door, why, sizeof why) == 0, "%s", why);
    CHECK(door->kernel.tells_ancestors == level.tells_ancestors &&
          door->kernel.tells_processes == level.tells_processes);
    CHECK_EQ(door_guard(door, guarded, 2), 0);
    CHECK_EQ(door_set_mode(door, DOOR_ON), 0);
    CHECK_EQ(door_attach(door), 0);
}

static void end(struct door *door)
{
    door_detach(door);
    door_close(door);
}

static struct door_state state_of(const struct door *door)
{
    struct door_state state = {0};
    CHECK_EQ(door_read_state(door, &state), 0);
    return state;
}

/* ---- what is asked about ---------------------------------------------------------------------------------------------- */

static void a_newcomer_is_refused_whoever_it_is(void)
{
    struct door door;
    char place[2 * PLACE_BYTES];
    snprintf(place, sizeof place, "%s", new_place("newcomer"));
    shut_at(&door, place);
    CHECK_EQ(open_as(place, 0), EPERM);
    CHECK_EQ(open_as(place, NOBODY), EPERM);
    CHECK_EQ(open_as(place_below(place, "deep"), NOBODY), EPERM);
    CHECK_EQ(try_open((struct opener){.group = place, .flags = O_WRONLY}), EPERM);
    CHECK_EQ(try_open((struct opener){.group = place, .flags = O_RDWR, .path = control}), EPERM);
    CHECK_EQ(state_of(&door).refused, 5);
    /* Outside of where it is attached nobody is asked. */
    CHECK_EQ(open_as(place_group, 0), 0);
    end(&door);
}

static void what_is_not_guarded_is_free(void)
{
    struct door door;
    const char *place = new_place("free");
    shut_at(&door, place);
    CHECK_EQ(try_open((struct opener){.group = place, .path = other}), 0); /* the same major */
    CHECK_EQ(try_open((struct opener){.group = place, .path = "/dev/null"}), 0);
    CHECK_EQ(try_open((struct opener){.group = place, .path = "/dev/ptmx"}), 0);
    CHECK_EQ(state_of(&door).refused, 0);
    static const struct door_device major[] = {{1, 0, true}};
    CHECK_EQ(door_guard(&door, major, 1), 0);
    CHECK_EQ(try_open((struct opener){.group = place, .path = other}), EPERM);
    CHECK_EQ(try_open((struct opener){.group = place, .path = "/dev/ptmx"}), 0);
    CHECK_EQ(door_guard(&door, NULL, 0), 0);
    CHECK_EQ(open_as(place, 0), 0);
    static const struct door_device no_such[] = {{DOOR_MAJORS_MAX, 0, true}};
    CHECK_EQ(door_guard(&door, no_such, 1), -E2BIG);
    end(&door);
}

static void look_only(void)
{
    int fd = open(gpu, O_PATH);
    struct stat st;
    char path[64];
    if (fd < 0 || fstat(fd, &st) != 0) _exit(97);
    /* A name gives nothing: it is asked when it is opened by it. */
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY);
    _exit(again >= 0 ? 96 : errno);
}

static void ask_access(void)
{
    _exit(access(gpu, R_OK) == 0 ? 0 : errno);
}

static void make_one_elsewhere(void)
{
    char path[2 * PLACE_BYTES];
    snprintf(path, sizeof path, "%.255s/elsewhere-%ld", place_folder, (long)getpid());
    if (mknod(path, S_IFCHR | 0666, makedev(1, 7)) != 0) _exit(95);
    int fd = open(path, O_RDWR);
    _exit(fd >= 0 ? 94 : errno);
}

static void a_way_to_the_device_does_not_matter(void)
{
    struct door door;
    const char *place = new_place("ways");
    shut_at(&door, place);
    CHECK_EQ(try_open((struct opener){.group = place, .before = look_only}), EPERM);
    CHECK_EQ(try_open((struct opener){.group = place, .before = ask_access}), EPERM);
    CHECK_EQ(try_open((struct opener){.group = place, .before = make_one_elsewhere}), EPERM);
    end(&door);
}

static void split_off(void)
{
    prctl(PR_SET_DUMPABLE, 1); /* else its own map is root's, since it was root */
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWCGROUP | CLONE_NEWIPC) != 0) _exit(93);
    place_write("/proc/self", "setgroups", "deny");
    char map[64];
    snprintf(map, sizeof map, "0 %d 1", NOBODY);
    if (place_write("/proc/self", "uid_map", map) != 0) _exit(92);
    if (geteuid() != 0) _exit(91);
    pid_t pid = fork(); /* the first of the new PID namespace */
    if (pid == 0) {
        int fd = open(gpu, O_RDONLY);
        _exit(fd >= 0 ? 0 : errno);
    }
    int status;
    waitpid(pid, &status, 0);
    _exit(WEXITSTATUS(status));
}

static void namespaces_change_nobody(void)
{
    struct door door;
    const char *place = new_place("namespaces");
    shut_at(&door, place);
    static const uid_t root[] = {0}, nobody[] = {NOBODY};
    /* Root in a user namespace of one's own is nobody on the host. */
    CHECK_EQ(door_allow_people(&door, root, 1), 0);
    CHECK_EQ(try_open((struct opener){.group = place, .uid = NOBODY, .before = split_off}), EPERM);
    CHECK_EQ(door_allow_people(&door, nobody, 1), 0);
    CHECK_EQ(try_open((struct opener){.group = place, .uid = NOBODY, .before = split_off}), 0);
    end(&door);
}

/* ---- who is let in ---------------------------------------------------------------------------------------------------- */

static void a_slice_is_let_in_with_all_below_it(void)
{
    struct door door;
    char place[2 * PLACE_BYTES], slices[2 * PLACE_BYTES], scope[2 * PLACE_BYTES], deep[2 * PLACE_BYTES];
    snprintf(place, sizeof place, "%s", new_place("slices"));
    snprintf(slices, sizeof slices, "%s", place_below(place, "slices"));
    snprintf(scope, sizeof scope, "%s", place_below(slices, "one"));
    shut_at(&door, place);
    uint64_t group = id_of(slices);
    CHECK_EQ(open_as(scope, NOBODY), EPERM);
    CHECK_EQ(door_allow_below(&door, &group, 1), 0);
    CHECK_EQ(open_as(slices, NOBODY), 0);
    CHECK_EQ(open_as(scope, NOBODY), 0);
    CHECK_EQ(open_as(scope, 0), 0);
    /* How deep a program is below it does not matter. */
    snprintf(deep, sizeof deep, "%s", scope);
    for (int i = 0; i < DOOR_GROUP_DEPTH_MAX + 4; i++) snprintf(deep, sizeof deep, "%s", place_below(deep, "d"));
    CHECK_EQ(open_as(deep, NOBODY), 0);
    /* Beside it, and of a similar name: no. */
    CHECK_EQ(open_as(place_below(place, "slices2"), NOBODY), EPERM);
    CHECK_EQ(open_as(place, NOBODY), EPERM);
    /* Two, one in the other: the outer goes, the inner stays. */
    uint64_t both[] = {group, id_of(scope)};
    CHECK_EQ(door_allow_below(&door, both, 2), 0);
    CHECK_EQ(open_as(scope, NOBODY), 0);
    CHECK_EQ(door_allow_below(&door, both + 1, 1), 0);
    CHECK_EQ(open_as(scope, NOBODY), 0);
    CHECK_EQ(open_as(deep, NOBODY), 0);
    CHECK_EQ(open_as(slices, NOBODY), EPERM);
    CHECK_EQ(door_allow_below(&door, both, 1), 0);
    CHECK_EQ(open_as(scope, NOBODY), 0);
    CHECK_EQ(door_allow_below(&door, NULL, 0), 0);
    CHECK_EQ(open_as(scope, NOBODY), EPERM);
    CHECK_EQ(open_as(deep, NOBODY), EPERM);
    /* One that is gone meanwhile spoils nothing. */
    place_remove(deep);
    uint64_t gone[] = {id_of(deep[0] ? scope : slices) + 1000003, group};
    CHECK_EQ(door_allow_below(&door, gone, 2), 0);
    CHECK_EQ(open_as(scope, NOBODY), 0);
    end(&door);
}

static void a_group_that_is_made_again_is_another(void)
{
    struct door door;
    char place[2 * PLACE_BYTES], service[2 * PLACE_BYTES];
    snprintf(place, sizeof place, "%s", new_place("again"));
    snprintf(service, sizeof service, "%s", place_below(place, "x.service"));
    shut_at(&door, place);
    uint64_t group = id_of(service);
    CHECK_EQ(door_allow_below(&door, &group, 1), 0);
    CHECK_EQ(open_as(service, 0), 0);
    CHECK_EQ(place_remove(service), 0);
    place_below(place, "x.service");
    CHECK(id_of(service) != group);
    CHECK_EQ(open_as(service, 0), EPERM);
    end(&door);
}

static void people_are_let_in_by_their_uid(void)
{
    struct door door;
    const char *place = new_place("people");
    static const uid_t people[] = {NOBODY, SOMEBODY};
    shut_at(&door, place);
    CHECK_EQ(door_allow_people(&door, people, 2), 0);
    CHECK_EQ(open_as(place, NOBODY), 0);
    CHECK_EQ(open_as(place, SOMEBODY), 0);
    CHECK_EQ(open_as(place, 0), EPERM);
    CHECK_EQ(open_as(place, SOMEBODY + 1), EPERM);
    CHECK_EQ(door_allow_people(&door, people, 1), 0);
    CHECK_EQ(open_as(place, SOMEBODY), EPERM);
    CHECK_EQ(open_as(place, NOBODY), 0);
    end(&door);
}

/* ---- holders ------------------------------------------------------------------------------------------------------------ */

/* A process that opens when it is told to: a byte in, the errno out. 'c': by a child of its own. 'u': as NOBODY from then
 * on. 'r': reads what it has had open from the start. */
struct asker {
    pid_t pid;
    int to, from;
};

static void ask_on(int in, int out, int had)
{
    char what;
    while (read(in, &what, 1) == 1) {
        int error = 0, status;
        if (what == 'u' && setresuid(NOBODY, NOBODY, NOBODY) != 0) _exit(90);
        if (what == 'o' || what == 'u') {
            int fd = open(gpu, O_RDONLY);
            error = fd >= 0 ? 0 : errno;
            if (fd >= 0) close(fd);
        } else if (what == 'r') {
            char byte;
            error = read(had, &byte, 1) == 1 ? 0 : errno;
        } else if (what == 'c') {
            pid_t pid = fork();
            if (pid == 0) {
                char byte;
                /* What it inherited is open; anew it is a newcomer. */
                if (read(had, &byte, 1) != 1) _exit(89);
                int fd = open(gpu, O_RDONLY);
                _exit(fd >= 0 ? 0 : errno);
            }
            waitpid(pid, &status, 0);
            error = WEXITSTATUS(status);
        }
        char answer = (char)error;
        if (write(out, &answer, 1) != 1) _exit(88);
    }
    _exit(0);
}

static struct asker start_asker(const char *group)
{
    int in[2], out[2];
    CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        place_enter(group);
        close(in[1]);
        ask_on(in[0], out[1], open(gpu, O_RDONLY));
    }
    close(in[0]);
    close(out[1]);
    return (struct asker){pid, in[1], out[0]};
}

static int ask(const struct asker *asker, char what)
{
    char answer = 0;
    CHECK(write(asker->to, &what, 1) == 1 && read(asker->from, &answer, 1) == 1);
    return answer;
}

static void end_asker(struct asker *asker)
{
    close(asker->to);
    close(asker->from);
    waitpid(asker->pid, NULL, 0);
}

static void a_holder_goes_on_and_its_children_do_not(void)
{
    struct door door;
    char place[2 * PLACE_BYTES];
    snprintf(place, sizeof place, "%s", new_place("holder"));
    struct asker asker = start_asker(place);
    CHECK_EQ(ask(&asker, 'o'), 0);
    shut_at(&door, place);
    struct door_holder holder = {.uid = 0, .group = id_of(place)};
    CHECK_EQ(ask(&asker, 'o'), EPERM); /* nobody has said that it is one */
    CHECK_EQ(ask(&asker, 'r'), 0);
    if (level.tells_processes) {
        CHECK_EQ(door_hold(&door, (uint32_t)asker.pid, &holder), 0);
        CHECK_EQ(ask(&asker, 'o'), 0);
        CHECK_EQ(ask(&asker, 'c'), EPERM);
        /* Its number in another cgroup, or of another person, is another process. */
        struct door_holder elsewhere = {.uid = 0, .group = holder.group + 1};
        CHECK_EQ(door_hold(&door, (uint32_t)asker.pid, &elsewhere), 0);
        CHECK_EQ(ask(&asker, 'o'), EPERM);
        CHECK_EQ(door_hold(&door, (uint32_t)asker.pid, &holder), 0);
        CHECK_EQ(ask(&asker, 'o'), 0);
        CHECK_EQ(ask(&asker, 'u'), EPERM);
        uint32_t pid;
        struct door_holder read_back;
        CHECK(door_next_holder(&door, 0, &pid, &read_back) && pid == (uint32_t)asker.pid);
        CHECK_EQ(read_back.group, holder.group);
        CHECK(!door_next_holder(&door, pid, &pid, &read_back));
        CHECK_EQ(door_release(&door, (uint32_t)asker.pid), 0);
        CHECK(!door_next_holder(&door, 0, &pid, &read_back));
    }
    CHECK_EQ(ask(&asker, 'r'), 0);
    end_asker(&asker);
    end(&door);
}

static void who_opens_while_it_is_being_shut_is_a_holder(void)
{
    struct door door;
    char place[2 * PLACE_BYTES];
    snprintf(place, sizeof place, "%s", new_place("learn"));
    shut_at(&door, place);
    CHECK_EQ(door_set_mode(&door, DOOR_LEARN), 0);
    struct asker asker = start_asker(place);
    CHECK_EQ(ask(&asker, 'o'), 0);
    CHECK_EQ(door_set_mode(&door, DOOR_ON), 0);
    CHECK_EQ(ask(&asker, 'o'), level.tells_processes ? 0 : EPERM);
    CHECK_EQ(ask(&asker, 'c'), EPERM);
    CHECK_EQ(open_as(place, 0), EPERM);
    end_asker(&asker);
    end(&door);
}

static void an_open_descriptor_can_be_handed_over(void)
{
    struct door door;
    const char *place = new_place("handed");
    shut_at(&door, place);
    int had = open(gpu, O_RDONLY), status;
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        place_enter(place);
        _exit(read(had, &byte, 1) == 1 && open(gpu, O_RDONLY) < 0 && errno == EPERM ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    CHECK_EQ(WEXITSTATUS(status), 0);
    close(had);
    end(&door);
}

/* ---- modes and records --------------------------------------------------------------------------------------------------- */

static void watching_refuses_nobody_and_counts(void)
{
    struct door door;
    const char *place = new_place("watch");
    struct door_record record;
    struct refusals refusals;
    shut_at(&door, place);
    CHECK_EQ(refusals_open(&refusals, door.maps[DOOR_RECORDS], DOOR_RECORDS_BYTES), 0);
    CHECK_EQ(door_set_mode(&door, DOOR_WATCH), 0);
    CHECK_EQ(open_as(place, NOBODY), 0);
    CHECK_EQ(state_of(&door).watched, 1);
    CHECK_EQ(state_of(&door).refused, 0);
    CHECK(refusals_take(&refusals, &record));
    CHECK(record.refused == 0 && record.uid == NOBODY);
    CHECK(!refusals_take(&refusals, &record));
    CHECK_EQ(door_set_mode(&door, DOOR_OFF), 0);
    CHECK_EQ(open_as(place, NOBODY), 0);
    CHECK_EQ(state_of(&door).watched, 1);
    refusals_close(&refusals);
    end(&door);
}

static void name_this(void)
{
    prctl(PR_SET_NAME, "a-program");
}

static void a_refusal_is_recorded_with_who_and_what(void)
{
    struct door door;
    char place[2 * PLACE_BYTES];
    struct door_record record;
    struct refusals refusals;
    struct timespec now;
    snprintf(place, sizeof place, "%s", new_place("records"));
    shut_at(&door, place);
    CHECK_EQ(refusals_open(&refusals, door.maps[DOOR_RECORDS], DOOR_RECORDS_BYTES), 0);
    CHECK(!refusals_take(&refusals, &record));
    struct opener opener = {.group = place, .uid = NOBODY, .flags = O_WRONLY, .before = name_this};
    CHECK_EQ(try_open(opener), EPERM);
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct pollfd p = {.fd = door.maps[DOOR_RECORDS], .events = POLLIN};
    CHECK_EQ(poll(&p, 1, 1000), 1); /* it wakes who listens */
    CHECK(refusals_take(&refusals, &record));
    CHECK(record.refused == 1 && record.uid == NOBODY && record.untold == 0);
    CHECK(record.major_number == 1 && record.minor_number == 7);
    CHECK_EQ(record.access, BPF_DEVCG_ACC_WRITE);
    CHECK_EQ(record.group, id_of(place));
    uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    CHECK(record.at_ns < now_ns && record.at_ns + 5000000000u > now_ns);
    CHECK(level.tells_processes ? record.pid != 0 && strcmp(record.command, "a-program") == 0
                                : record.pid == 0 && record.command[0] == '\0');
    refusals_close(&refusals);
    end(&door);
}

static void ask_in_a_loop(void)
{
    for (int i = 0; i < FLOOD; i++)
        if (open(gpu, O_RDONLY) >= 0 || errno != EPERM) _exit(1);
    _exit(0);
}

/* A person's loop is counted, and hides nobody else's refusal. */
static void a_flood_is_counted_and_hides_nobody(void)
{
    struct door door;
    char place[2 * PLACE_BYTES];
    struct door_record record;
    struct refusals refusals;
    uint64_t of_one = 0, of_other = 0, records = 0;
    snprintf(place, sizeof place, "%s", new_place("flood"));
    shut_at(&door, place);
    CHECK_EQ(refusals_open(&refusals, door.maps[DOOR_RECORDS], DOOR_RECORDS_BYTES), 0);
    CHECK_EQ(try_open((struct opener){.group = place, .uid = SOMEBODY, .before = ask_in_a_loop}), 0);
    CHECK_EQ(open_as(place, NOBODY), EPERM);
    CHECK_EQ(state_of(&door).refused, FLOOD + 1);
    poll(NULL, 0, 2);
    CHECK_EQ(open_as(place, SOMEBODY), EPERM); /* with how many there were since the last */
    while (refusals_take(&refusals, &record)) {
        records++;
        if (record.uid == SOMEBODY) of_one += 1 + record.untold;
        if (record.uid == NOBODY) of_other++;
    }
    CHECK_EQ(of_one, FLOOD + 1);
    CHECK_EQ(of_other, 1);
    CHECK_THAT(records < FLOOD / 4, "%llu records", (unsigned long long)records);
    CHECK_EQ(state_of(&door).lost, 0);
    refusals_close(&refusals);
    end(&door);
}

/* More than the ring holds, of as many people: none is let in for it, and what is lost is counted. */
static void what_there_is_no_room_for_is_refused_and_counted(void)
{
    struct door door;
    char place[2 * PLACE_BYTES];
    struct door_record record;
    struct refusals refusals;
    uint64_t taken = 0;
    int status, openers = DOOR_RECORDS_BYTES / (sizeof record + 8) + 64;
    snprintf(place, sizeof place, "%s", new_place("room"));
    shut_at(&door, place);
    CHECK_EQ(refusals_open(&refusals, door.maps[DOOR_RECORDS], DOOR_RECORDS_BYTES), 0);
    pid_t pid = fork();
    if (pid == 0) {
        place_enter(place);
        for (int i = 0; i < openers; i++) {
            /* The kernel compares the real uid; root stays root in the effective one. */
            if (setresuid((uid_t)(100000 + i), 0, 0) != 0) _exit(2);
            if (open(gpu, O_RDONLY) >= 0) _exit(1);
        }
        _exit(0);
    }
    waitpid(pid, &status, 0);
    CHECK_EQ(WEXITSTATUS(status), 0);
    struct door_state state = state_of(&door);
    while (refusals_take(&refusals, &record)) taken++;
    CHECK_EQ(state.refused, openers);
    CHECK(state.lost > 0);
    CHECK_EQ(taken + state.lost, openers);
    refusals_close(&refusals);
    end(&door);
}

/* ---- staying, being replaced, going --------------------------------------------------------------------------------------- */

static uint32_t only_id(const char *group)
{
    uint32_t ids[8] = {0};
    int fd = open(group, O_RDONLY | O_DIRECTORY);
    CHECK_EQ(bpf_program_list(fd, ids, 8), 1);
    close(fd);
    return ids[0];
}

static void it_stays_without_us_and_is_found_again(void)
{
    struct door door;
    char place[2 * PLACE_BYTES], scope[2 * PLACE_BYTES], why[DOOR_WHY_BYTES];
    snprintf(place, sizeof place, "%s", new_place("stays"));
    snprintf(scope, sizeof scope, "%s", place_below(place, "scope"));
    shut_at(&door, place);
    uint64_t group = id_of(scope);
    static const uid_t people[] = {SOMEBODY};
    CHECK_EQ(door_allow_below(&door, &group, 1), 0);
    CHECK_EQ(door_allow_people(&door, people, 1), 0);
    uint32_t id = only_id(place);
    door_close(&door); /* as when the agent is killed: nothing of ours is open */
    CHECK_EQ(open_as(place, 0), EPERM);
    CHECK_EQ(open_as(scope, 0), 0);
    CHECK_EQ(open_as(place, SOMEBODY), 0);
    open_at(&door, place, 1);
    CHECK_EQ(state_of(&door).mode, DOOR_ON);
    CHECK_EQ(state_of(&door).refused, 1);
    CHECK_EQ(door_prepare(&door, why, sizeof why), 0);
    CHECK_EQ(door_attach(&door), 0);
    CHECK_EQ(only_id(place), id); /* the same program over the same maps stays where it is */
    CHECK_EQ(door_is_attached(&door), 1);
    CHECK_EQ(open_as(place, 0), EPERM);
    CHECK_EQ(open_as(place, SOMEBODY), 0);
    CHECK_EQ(door_detach(&door), 1);
    CHECK_EQ(door_is_attached(&door), 0);
    CHECK_EQ(open_as(place, 0), 0);
    door_close(&door);
}

/* Who opens in a loop never gets in while one version takes the place of another. */
static void it_is_replaced_without_a_gap(void)
{
    struct door door;
    char place[2 * PLACE_BYTES], why[DOOR_WHY_BYTES], byte;
    int out[2], ready[2], status;
    unsigned long tries = 0;
    snprintf(place, sizeof place, "%s", new_place("replaced"));
    shut_at(&door, place);
    door_close(&door);
    CHECK(pipe2(out, O_CLOEXEC | O_NONBLOCK) == 0 && pipe2(ready, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        place_enter(place);
        close(out[0]);
        for (unsigned long i = 1;; i++) {
            if (open(gpu, O_RDONLY) >= 0) _exit(1);
            if (i == 1 && write(ready[1], "r", 1) != 1) _exit(3);
            if (i % 100 == 0 && write(out[1], "x", 1) < 0 && errno != EAGAIN) _exit(2);
        }
    }
    close(ready[1]); /* so that one who got in, and ended, is seen */
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    for (int i = 0; i < REPLACED_ROUNDS; i++) {
        /* Another one each time: with less, and over maps of its own every other time. */
        open_at(&door, place, 1);
        uint32_t id = only_id(place);
        if (i % 2 == 0 && level.tells_processes)
            door.kernel = (struct door_kernel){false, false};
        else if (!level.tells_processes)
            for (int m = 0; m < DOOR_MAPS; m++)
                if (m != DOOR_STATE && m != DOOR_MAJORS && m != DOOR_MINORS) {
                    close(door.maps[m]);
                    door.maps[m] = -1;
                }
        CHECK_EQ(door_prepare(&door, why, sizeof why), 0);
        CHECK_EQ(door_attach(&door), 0);
        CHECK(only_id(place) != id);
        door_close(&door);
        while (read(out[0], &byte, 1) == 1) tries += 100;
    }
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0); /* it still tries */
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    CHECK_THAT(tries >= REPLACED_ROUNDS, "%lu tries in %d rounds", tries, REPLACED_ROUNDS);
    close(out[0]), close(out[1]), close(ready[0]);
    open_at(&door, place, 1);
    end(&door);
}

static int load_verdict(int verdict, const char *name)
{
    struct bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = verdict},
        {.code = BPF_JMP | BPF_EXIT},
    };
    char log[512];
    return bpf_program_load(code, 2, name, log, sizeof log);
}

static void rules_of_others_go_on(void)
{
    struct door door;
    char place[2 * PLACE_BYTES], inside[2 * PLACE_BYTES];
    snprintf(place, sizeof place, "%s", new_place("others"));
    snprintf(inside, sizeof inside, "%s", place_below(place, "engine"));
    int beside = load_verdict(1, "yes"), below = load_verdict(0, "no");
    int place_fd = open(place, O_RDONLY | O_DIRECTORY), inside_fd = open(inside, O_RDONLY | O_DIRECTORY);
    CHECK_EQ(bpf_program_attach(place_fd, beside, -1), 0);
    shut_at(&door, place);
    uint64_t group = id_of(inside);
    CHECK_EQ(door_allow_below(&door, &group, 1), 0);
    CHECK_EQ(open_as(inside, 0), 0);
    CHECK_EQ(bpf_program_attach(inside_fd, below, -1), 0);
    CHECK_EQ(open_as(inside, 0), EPERM);
    CHECK_EQ(door_detach(&door), 1);
    CHECK_EQ(open_as(place, 0), 0);
    uint32_t ids[8];
    CHECK_EQ(bpf_program_list(place_fd, ids, 8), 1);  /* theirs */
    CHECK_EQ(bpf_program_list(inside_fd, ids, 8), 1); /* and no mark of ours */
    door_close(&door);
    close(beside), close(below), close(place_fd), close(inside_fd);
}

/* One that was attached to be the only one stays the only one. */
static void where_another_is_alone_there_is_no_door(void)
{
    struct door door;
    char why[DOOR_WHY_BYTES];
    const char *place = new_place("alone");
    int place_fd = open(place, O_RDONLY | O_DIRECTORY), alone = load_verdict(1, "alone");
    union bpf_attr attr = {0};
    attr.target_fd = (uint32_t)place_fd;
    attr.attach_bpf_fd = (uint32_t)alone;
    attr.attach_type = BPF_CGROUP_DEVICE;
    CHECK_EQ(syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof attr), 0);
    open_at(&door, place, 0);
    CHECK_EQ(door_prepare(&door, why, sizeof why), 0);
    CHECK_EQ(door_attach(&door), -EPERM);
    CHECK_EQ(door_is_attached(&door), 0);
    uint32_t ids[8];
    CHECK_EQ(bpf_program_list(place_fd, ids, 8), 1);
    end(&door);
    close(alone), close(place_fd);
}

static void who_takes_it_away_is_seen(void)
{
    struct door door, switch_off;
    const char *place = new_place("switch");
    shut_at(&door, place);
    CHECK_EQ(door_is_attached(&door), 1);
    open_at(&switch_off, place, 1);
    CHECK_EQ(door_detach(&switch_off), 1);
    CHECK_EQ(door_detach(&switch_off), 0);
    door_close(&switch_off);
    CHECK_EQ(door_is_attached(&door), 0);
    CHECK_EQ(open_as(place, 0), 0);
    end(&door);
}

/* The hierarchy's own root is opened wherever it is mounted, and nothing is attached there by looking. */
static void the_root_is_found(void)
{
    char why[DOOR_WHY_BYTES] = "";
    int fd = door_root(why, sizeof why);
    CHECK_THAT(fd >= 0, "%s", why);
    CHECK_EQ(door_group_id(fd), id_of(place_mount()));
    struct door door;
    CHECK(door_open(&door, fd) >= 0);
    int group = door_open_group(&door, id_of(place_group));
    CHECK_THAT(group >= 0, "%s", strerror(-group));
    CHECK_EQ(door_group_id(group), id_of(place_group));
    close(group);
    door_close(&door);
    int file = open("/tmp", O_RDONLY | O_DIRECTORY);
    CHECK_EQ(door_group_id(file), 0);
    close(file);
}

static int all(void)
{
    gpu = place_node("nvidia0", 1, 7);
    control = place_node("nvidiactl", 1, 5);
    other = place_node("other", 1, 8);
    if (open(gpu, O_RDONLY) < 0) check_skip("nodes of /tmp cannot be opened (nodev)");
    RUN(the_root_is_found);
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        level = levels[i];
        printf("with ancestors: %s, with processes: %s\n", level.tells_ancestors ? "yes" : "no",
               level.tells_processes ? "yes" : "no");
        RUN(a_newcomer_is_refused_whoever_it_is);
        RUN(what_is_not_guarded_is_free);
        RUN(a_way_to_the_device_does_not_matter);
        RUN(namespaces_change_nobody);
        RUN(a_slice_is_let_in_with_all_below_it);
        RUN(a_group_that_is_made_again_is_another);
        RUN(people_are_let_in_by_their_uid);
        RUN(a_holder_goes_on_and_its_children_do_not);
        RUN(who_opens_while_it_is_being_shut_is_a_holder);
        RUN(an_open_descriptor_can_be_handed_over);
        RUN(watching_refuses_nobody_and_counts);
        RUN(a_refusal_is_recorded_with_who_and_what);
        RUN(a_flood_is_counted_and_hides_nobody);
        RUN(what_there_is_no_room_for_is_refused_and_counted);
        RUN(it_stays_without_us_and_is_found_again);
        RUN(it_is_replaced_without_a_gap);
        RUN(rules_of_others_go_on);
        RUN(where_another_is_alone_there_is_no_door);
        RUN(who_takes_it_away_is_seen);
    }
    return check_done();
}

int main(void)
{
    return place_run(all);
}
