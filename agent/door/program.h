/* What the kernel runs for each open of a device, as instructions, and the maps that it reads. Pure: opens nothing.
 *
 * Words of the door. A device is *guarded* when its number stands in the maps. An opener is *inside* when it is in a
 * cgroup that stands in the map of groups, or below one. A *holder* is a process that had a guarded device open when the
 * door was shut: it goes on. Everybody else is a *newcomer*. */
#ifndef TRANCHE_DOOR_PROGRAM_H
#define TRANCHE_DOOR_PROGRAM_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is shared by a program and whoever reads its maps; another number, another name of each map, and neither takes
 * the other's over. */
#ifndef DOOR_LAYOUT /* a test has one of before */
#define DOOR_LAYOUT "1"
#endif
#define DOOR_PROGRAM_NAME "tranche_door"
#define DOOR_MARK_NAME "tranche_mark"

#define DOOR_MAJORS_MAX 512 /* the kernel gives no larger ones to character devices */
#define DOOR_MINORS_MAX 256
#define DOOR_GROUPS_MAX 256
#define DOOR_PEOPLE_MAX 256
#define DOOR_HOLDERS_MAX 4096
#define DOOR_LEARNED_MAX 8192
#define DOOR_TOLD_MAX 1024
#define DOOR_RECORDS_BYTES (256u * 1024)
/* A group counts where it lies at most so deep; how deep those below it lie does not matter. */
#define DOOR_GROUP_DEPTH_MAX 16
/* One person's refusals are recorded at most so often; those in between are counted. */
#define DOOR_RECORD_GAP_NS 1000000

enum door_map {
    DOOR_STATE,
    DOOR_MAJORS,  /* major → enum door_guard */
    DOOR_MINORS,  /* major and minor → 1 */
    DOOR_GROUPS,  /* cgroup id → 1 */
    DOOR_PEOPLE,  /* uid → 1 */
    DOOR_HOLDERS, /* process → struct door_holder */
    DOOR_LEARNED, /* cgroup id → the id of the group that it is below: only where the kernel does not tell ancestors */
    DOOR_TOLD,    /* uid → struct door_told */
    DOOR_RECORDS, /* ring buffer of struct door_record */
    DOOR_MAPS
};

enum door_guard { DOOR_FREE, DOOR_GUARD_ALL, DOOR_GUARD_SOME };

enum door_mode {
    DOOR_OFF,
    DOOR_LEARN, /* the moment of shutting: whoever opens a guarded device now is a holder */
    DOOR_WATCH, /* everybody is let in; newcomers are recorded */
    DOOR_ON,
};

struct door_state {
    uint32_t mode, pad;
    uint64_t refused, watched; /* opens that were refused, and those that would have been */
    uint64_t lost;             /* records for which there was no room */
};

struct door_holder {
    uint32_t uid, pad;
    uint64_t group; /* its cgroup: the number of a process that has ended is of no use to another one elsewhere */
    uint64_t start_ticks; /* for whoever looks whether it is still that process; 0: not looked at yet */
};

struct door_told {
    uint64_t at_ns, untold;
};

struct door_record {
    uint64_t at_ns; /* CLOCK_MONOTONIC */
    uint64_t group;
    uint32_t pid; /* 0: this kernel does not tell */
    uint32_t uid;
    uint32_t major_number, minor_number;
    uint32_t access; /* BPF_DEVCG_ACC_… */
    uint32_t refused;
    uint32_t untold; /* refusals of the same person since the record before, of which there is none */
    uint32_t pad;
    char command[16]; /* "": this kernel does not tell */
};

/* What a kernel lets a device program ask. */
struct door_kernel {
    bool tells_ancestors; /* bpf_get_current_ancestor_cgroup_id: 6.4 */
    bool tells_processes; /* bpf_get_current_pid_tgid, _comm: 6.1 */
};

#define PROGRAM_CODE_MAX 512
#define PROGRAM_JUMPS_MAX 64

enum program_label {
    LABEL_ALLOW,
    LABEL_GUARDED,
    LABEL_OUTSIDE,
    LABEL_NEWCOMER,
    LABEL_NOT_LEARNING,
    LABEL_WATCHED,
    LABEL_RECORD,
    LABEL_FIRST,
    LABEL_VERDICT,
    LABELS
};

struct program {
    struct bpf_insn code[PROGRAM_CODE_MAX];
    size_t count;
    struct {
        size_t at;
        enum program_label to;
    } jumps[PROGRAM_JUMPS_MAX];
    size_t jump_count;
    bool is_full; /* it did not fit: a mistake of ours, found by the first test that builds it */
};

/* Writes the instructions of the door over these maps (descriptors by enum door_map). */
void program_of_door(struct program *p, const int maps[DOOR_MAPS], const struct door_kernel *kernel);
/* Those of the mark that stands at a group where the kernel does not tell ancestors: it runs before the door for whoever
 * is below, and writes down that they are. */
void program_of_mark(struct program *p, int learned_map, uint64_t group);

#endif
