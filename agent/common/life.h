/* Who is alive, told by the kernel and not by numbers that depend on the reader (region.h, R6): a process that has an
 * entry of a usage file holds a lock on a byte far behind the file's end for as long as its memory map lives.
 *
 * The lock belongs to an open file description of its own, which is mapped once and whose descriptor is closed. So it
 * goes with the process and with exec, is not inherited by fork, is not lost by a program that closes descriptors it
 * does not know, and looks the same from every namespace.
 * Functions return a negative errno value on error; -EOPNOTSUPP: this kernel or sandbox gives no such locks. */
#ifndef TRANCHE_LIFE_H
#define TRANCHE_LIFE_H

#include <stdint.h>
#include <sys/types.h>

struct region_usage;

/* The file that a mapping is of: its path may lead to another by now. inode 0: none. */
struct life_file {
    dev_t device;
    ino_t inode;
};

/* The usage file in which one process meets the others of a slice, and what it needs to tell whether they live. */
struct life_place {
    struct region_usage *usage;
    const char *path;      /* of that file, to take locks on it; NULL: nobody holds locks here */
    struct life_file file; /* what was mapped: the path may lead to another file later */
    uint64_t pid_namespace;
};

/* Inode of the PID namespace in which this process sees itself; 0: not known. */
uint64_t life_pid_namespace(void);

/* A new open file description of that file, to take locks with. -ESTALE: the path leads to another file. */
int life_open(const char *path, const struct life_file *file);

/* 1: taken. 0: another process holds it, and so is alive. */
int life_lock(int fd, unsigned index);
void life_unlock(int fd, unsigned index);
/* 1: a process holds it (this description does not count). 0: none does. */
int life_held(int fd, unsigned index);

/* Keeps what fd has locked until life_end or the end of the memory map. NULL: that failed, and the locks last as long
 * as fd. fd is not closed. */
void *life_keep(int fd);
void life_end(void *kept);

#endif
