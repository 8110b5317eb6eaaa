/* The lines of a GPU's board: the own one, which is written, and the neighbours', which are read all at once. Each is a
 * file (region.h), mapped once and kept, so that a look needs no descriptor and one system call.
 *
 * A neighbour whose line cannot be had is taken to claim all the time: what he was promised must not hang on whether we
 * can see him. It is tried for again at the next look. One who has cut his own file claims nothing. */
#ifndef TRANCHE_LINES_H
#define TRANCHE_LINES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "region.h"

/* Whoever is in here longer than this has been cancelled or stopped, and another goes on in his place. */
#define LINES_BUSY_MAX_NS UINT64_C(100000000)
/* An own line that could not be mapped is tried for again so often; others think meanwhile that we claim. */
#define LINES_RETRY_NS UINT64_C(100000000)

struct shim_slice;

struct lines_neighbour {
    uint32_t tag; /* of the line that is mapped, or was last tried for; 0: none */
    const struct region_line *line;
    uint64_t charged_ns; /* when it was last read */
};

/* One process's, for one slice. All zero bytes: nothing mapped yet. */
struct lines {
    _Atomic uint64_t busy_since_ns;
    _Atomic(struct region_line *) own;
    _Atomic uint32_t own_tag;
    uint64_t own_tried_at_ns;
    struct lines_neighbour neighbours[REGION_BOARD_SLOTS];
};

/* false: another thread of this process is at it. */
bool lines_enter(struct lines *lines, uint64_t now);
void lines_leave(struct lines *lines);

/* The own line's content, NULL if there is none now. In between enter and leave it is tried for. */
struct region_board_slot *lines_own(struct lines *lines);
void lines_open_own(struct lines *lines, const struct shim_slice *slice, uint64_t now);

/* What each neighbour of the policy says, by its place there. Between enter and leave. claim_ns: how long one counts
 * whose line cannot be read. */
void lines_read(struct lines *lines, const struct shim_slice *slice, uint64_t now, uint64_t claim_ns,
                struct region_board_slot slots[REGION_BOARD_SLOTS]);

#endif
