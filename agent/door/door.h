/* The door: who may open a GPU's devices, asked by the kernel itself (docs/door.md). The program is held by the cgroup
 * that it is attached to, and by nothing of ours: it stays when the agent ends, is killed or is replaced.
 *
 * In order: door_open, which finds one that stands there; door_prepare; who is let in; door_attach; a mode. */
#ifndef TRANCHE_DOOR_H
#define TRANCHE_DOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "program.h"

#define DOOR_WHY_BYTES 320

struct door {
    int cgroup_fd; /* where it is attached */
    int maps[DOOR_MAPS];
    int program_fd;            /* prepared; -1: not */
    int found_fd;              /* that stands there; -1: none */
    struct door_kernel kernel; /* what is asked of it at most, and once prepared what it knows */
};

/* For each device: of all minors, or of one. */
struct door_device {
    uint32_t major_number, minor_number;
    bool all_minors;
};

/* The root of the cgroup hierarchy (version 2), wherever it is mounted or not. A descriptor, or -1 with a sentence. */
int door_root(char *why, size_t cap);

/* Takes cgroup_fd over and looks for a door there. 1: there is one, with its maps where they are of our layout; 0: there
 * is none; -errno. */
int door_open(struct door *door, int cgroup_fd);
/* Closes our descriptors; the door stays as it is. */
void door_close(struct door *door);

/* Makes what is missing and loads the program, which does nothing yet. 0, or -1 with a sentence. */
int door_prepare(struct door *door, char *why, size_t cap);
/* Attaches what was prepared, in the place of another version that stands there, without a moment between; leaves one
 * that is the same. 0, or -errno. */
int door_attach(struct door *door);
/* Is it there? 1, 0 or -errno. */
int door_is_attached(const struct door *door);
/* Takes every door at this cgroup away, whoever put it there, and the marks at its groups. How many doors, or -errno. */
int door_detach(struct door *door);

/* Each makes the map say exactly this: what is new first, then what is not wanted goes. 0 or -errno. */
int door_guard(struct door *door, const struct door_device *devices, size_t count);
int door_allow_below(struct door *door, const uint64_t *groups, size_t count);
int door_allow_people(struct door *door, const uid_t *people, size_t count);

int door_hold(struct door *door, uint32_t pid, const struct door_holder *holder);
int door_release(struct door *door, uint32_t pid);
/* The holder after this pid, in no order; 0: the first. False: there is none. */
bool door_next_holder(const struct door *door, uint32_t pid, uint32_t *pid_out, struct door_holder *out);

int door_set_mode(struct door *door, enum door_mode mode);
int door_read_state(const struct door *door, struct door_state *out);

/* The cgroup of this id, below the one where the door is: a descriptor, or -errno. */
int door_open_group(const struct door *door, uint64_t id);
/* The id by which the kernel knows the cgroup behind this descriptor; 0: none. */
uint64_t door_group_id(int fd);

#endif
