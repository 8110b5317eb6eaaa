/* The lines of a GPU's board: our own, which is written, and the neighbours', which are all read at once. Each is a
 * file (region.h), mapped once and kept, so that a look needs no descriptor and one system call.
 *
 * A neighbour whose line cannot be read is taken to claim all the time: its guarantee must not depend on whether we
 * can see it. The line is tried again at the next look. A neighbour that has cut its own file claims nothing. */
#ifndef TRANCHE_LINES_H
#define TRANCHE_LINES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "region.h"

/* A thread that is in here longer than this was cancelled or stopped, and another takes its place. */
#define LINES_BUSY_MAX_NS UINT64_C(100000000)
/* How often mapping our own line is tried again after a failure; meanwhile the neighbours take us to claim. */
#define LINES_RETRY_NS UINT64_C(100000000)

struct shim_slice;

struct lines_neighbour {
    uint32_t tag; /* of the line that is mapped, or that was last tried; 0: none */
    const struct region_line *line;
    uint64_t charged_ns; /* when it was last read */
};

/* The lines that one process has mapped for one slice. All zero bytes: nothing mapped yet. */
struct lines {
    _Atomic uint64_t busy_since_ns;
    _Atomic(struct region_line *) own;
    _Atomic uint32_t own_tag;
    uint64_t own_tried_at_ns;
    struct lines_neighbour neighbours[REGION_BOARD_SLOTS];
};

/* false: another thread of this process is in here. */
bool lines_enter(struct lines *lines, uint64_t now);
void lines_leave(struct lines *lines);

/* The content of our own line, NULL if there is none now. Between enter and leave, lines_open_own tries to map it. */
struct region_board_slot *lines_own(struct lines *lines);
void lines_open_own(struct lines *lines, const struct shim_slice *slice, uint64_t now);

/* What each neighbour in the policy says, indexed by its place there. Between enter and leave. claim_ns: how long a
 * neighbour whose line cannot be read is taken to claim. */
void lines_read(struct lines *lines, const struct shim_slice *slice, uint64_t now, uint64_t claim_ns,
                struct region_board_slot slots[REGION_BOARD_SLOTS]);

#endif
