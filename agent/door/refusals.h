/* Reads what the kernel recorded, without a system call: a ring buffer that is mapped. The kernel writes it and nobody
 * else can, so its records are taken as they are. */
#ifndef TRANCHE_DOOR_REFUSALS_H
#define TRANCHE_DOOR_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

struct door_record;

struct refusals {
    int fd; /* readable when there is something; not ours */
    unsigned char *consumer, *producer;
    uint64_t ring_bytes, page_bytes;
};

/* 0, or -errno. `fd` stays the caller's, and open as long as this. */
int refusals_open(struct refusals *refusals, int fd, uint64_t ring_bytes);
void refusals_close(struct refusals *refusals);
/* False: there is none now. */
bool refusals_take(struct refusals *refusals, struct door_record *out);

#endif
