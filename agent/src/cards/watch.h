/* Hears at once when somebody opens a device node of a GPU, as well as the kernel lets us: as root by fanotify, which says
 * who; else by inotify, which says that somebody did; where neither can be had nothing is heard, and the timer looks.
 * Marks lie on the node's file. One that is removed and made again is marked anew; a node of the same device that somebody
 * makes elsewhere (a container's /dev) is not heard, and found by looking. */
#ifndef TRANCHE_WATCH_H
#define TRANCHE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/openers.h"
#include "gpu/gpu.h"

struct agent;

#define WATCH_NODES_MAX OPENERS_NODES_MAX
#define WATCH_FOLDERS_MAX 4
#define WATCH_PIDS_MAX 64 /* taken at one look; whoever else opened something is looked for */
#define WATCH_WHY_BYTES 200

enum watch_how { WATCH_TIMER, WATCH_INOTIFY, WATCH_FANOTIFY };

struct watch_node {
    struct gpu_node said; /* its GPU by the agent's index */
    struct timespec changed;
    enum watch_how how;
    int refused; /* the errno of the mark that could not be set */
};

struct watch_folder {
    char path[sizeof((struct gpu_node *)0)->path];
    int mark;
};

struct watch {
    int fanotify_fd, inotify_fd; /* -1: not to be had */
    int refused;                 /* why neither is */
    struct watch_node nodes[WATCH_NODES_MAX];
    struct openers_node files[WATCH_NODES_MAX]; /* the same, as they are looked for */
    size_t count;
    struct watch_folder folders[WATCH_FOLDERS_MAX];
    size_t folder_count;
};

struct watch_heard {
    pid_t pids[WATCH_PIDS_MAX];
    size_t count;
    bool is_unnamed;   /* somebody opened a node, and it is not known who */
    bool nodes_change; /* a node may have been made */
};

void watch_begin(struct watch *watch);
/* Asks the backends for their nodes and marks those that are new. true: one is, and may be open already. */
bool watch_refresh(struct watch *watch, struct agent *agent);
/* What was heard, a bounded part of it at a time. */
void watch_take(struct watch *watch, struct watch_heard *heard);
/* The least that holds for all nodes that are there; in `why` a sentence where it is not fanotify, else "". */
enum watch_how watch_how(const struct watch *watch, char why[WATCH_WHY_BYTES]);
/* On the wire. */
const char *watch_how_name(enum watch_how how);

#endif
