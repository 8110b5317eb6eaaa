/* The past of each GPU and slice: a ring file per tier, fixed-size records, each with its own time and checksum. */
#ifndef TRANCHE_HISTORY_H
#define TRANCHE_HISTORY_H

#include "base/line.h"
#include "region.h"
#include "state/agent_state.h"

#define HISTORY_POINTS_MAX 2000
#define HISTORY_CHUNK_POINTS 500 /* a chunk stays far below the longest line */

struct history_point {
    int64_t at_ms;
    bool memory_known, compute_known, throttled_known, limits_known;
    uint64_t memory_used_bytes, memory_limit_bytes;
    uint32_t compute_tenths, throttled_tenths, compute_limit_percent;
};

/* Makes the directory. 0 or errno. */
int history_open(struct agent *agent);
/* Records the second that begins at at_ms; coarser tiers get a record when their time has come. */
void history_record(struct agent *agent, int64_t at_ms);
void history_remove(struct agent *agent, const char *subject);
/* Files of slices that are long gone are removed. */
void history_sweep(struct agent *agent);

struct history_job {
    int64_t request_id;
    bool is_gpu;
    char subject[REGION_UUID_BYTES];
    int64_t tier_ms;
    size_t count, sent;
    struct history_point points[];
};

/* Reads a range, at most max_points long; NULL: no memory. */
struct history_job *history_query(struct agent *agent, const char *subject, bool is_gpu, int64_t from_ms,
                                  int64_t to_ms, size_t max_points);
/* The next chunk as a line; *last is set with the final one. NULL: no memory. */
struct shared_line *history_chunk(struct agent *agent, struct history_job *job, bool *last);

#endif
