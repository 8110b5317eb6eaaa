/* Who has certain device nodes open, as the kernel shows it in /proc/PID/fd. Nothing is opened for that, and no file system
 * is asked that could be slow to answer. Without root's rights only one's own processes are seen. */
#ifndef TRANCHE_OPENERS_H
#define TRANCHE_OPENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OPENERS_NODES_MAX 64 /* a bit each */
/* Descriptors of one process that are looked through. Whoever has more open may have a node among those. */
#define OPENERS_DESCRIPTORS_MAX 2048
#define OPENERS_AT_ONCE 4096 /* in one step of a scan, of all processes: some 5 ms */

struct openers_node {
    bool is_there;
    bool by_number; /* any character device of this number is it; else this very file alone */
    dev_t device, number;
    ino_t inode;
};

/* Bits of those that the process has open, in *bits_out. 0; EFBIG: it has more descriptors than were looked through; or
 * the errno: it is gone, or not ours to see. *looked counts descriptors. */
int openers_of(pid_t pid, const struct openers_node *nodes, size_t count, size_t *looked, uint64_t *bits_out);

/* A round over all processes, in steps. */
struct openers_scan {
    bool runs;
    uint32_t after; /* the pid at which the next step goes on */
};

/* Calls `take` for each process that has one open. The round goes on while scan->runs. */
void openers_step(struct openers_scan *scan, const struct openers_node *nodes, size_t count,
                  void (*take)(void *context, pid_t pid, uint64_t bits), void *context);

#endif
