/* Who is alive, told by the kernel and not by numbers that depend on who looks (region.h, R6): whoever has an entry of
 * a usage file holds a lock on a byte far behind the file's end for as long as its memory map lives.
 *
 * The lock belongs to an open file description of its own, which is mapped once and whose descriptor is closed. So it
 * goes with the process and with exec, is not inherited by fork, is not lost by a program that closes descriptors it
 * does not know, and looks alike from every namespace.
 * Functions return a negative errno value on error; -EOPNOTSUPP: this kernel or sandbox gives no such locks. */
#ifndef TRANCHE_LIFE_H
#define TRANCHE_LIFE_H

#include <stdint.h>
#include <sys/types.h>

struct region_usage;

/* Which file a mapping is of: a path may by now lead to another. inode 0: none. */
struct life_file {
    dev_t device;
    ino_t inode;
};

/* Where one process meets the others of a slice, and how it may judge them. */
struct life_place {
    struct region_usage *usage;
    const char *path;      /* of that file, to take locks on it; NULL: nobody holds locks here */
    struct life_file file; /* what was mapped: a path may later lead to another */
    uint64_t pid_namespace;
};

/* Inode of the PID namespace in which this process sees itself; 0: not known. */
uint64_t life_pid_namespace(void);

/* A new open file description of that file, to take locks with. -ESTALE: the path leads to another file. */
int life_open(const char *path, const struct life_file *file);

/* 1: taken. 0: somebody else holds it, and so is alive. */
int life_lock(int fd, unsigned index);
void life_unlock(int fd, unsigned index);
/* 1: somebody holds it (this description does not count). 0: nobody. */
int life_held(int fd, unsigned index);

/* What fd has locked stays locked until life_end or the end of the memory map. NULL: it could not be made to; the
 * locks are then as long as fd. fd is not closed. */
void *life_keep(int fd);
void life_end(void *kept);

#endif
