/* What a request gets. Part of a supervisor. */
#ifndef TRANCHE_GATE_JUDGE_H
#define TRANCHE_GATE_JUDGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "asker.h"
#include "rm_abi.h"
#include "rm_book.h"

struct supervisor;

/* How a report is answered. */
enum verdict {
    LET_GO_ON,
    NO_MEMORY,   /* by the status in the program's structure */
    WITH_ERRNO,  /* by the errno in `error` */
    NOBODY_ASKS, /* the asker is gone */
};

/* One report while it is decided. */
struct ask {
    pid_t tid;
    uint32_t fd, number, size;
    uint64_t address; /* of the structure, in the program */
    enum asker_file file;
    struct rm_request request;
    uint32_t owner;
    int error;
    bool is_noted;
    struct rm_book_note note; /* to take back, if nobody is there to hear the answer */
    uint64_t mapped_bytes;    /* as is this */
};

/* A request of the driver that was read; its asker is known. */
enum verdict judge_request(struct supervisor *s, struct ask *ask);
/* That many bytes of managed memory, to be mapped. */
enum verdict judge_mapping(struct supervisor *s, struct ask *ask, uint64_t bytes);

#endif
