/* The only way to change a slice: journal, disk, then the pages that tenants map. */
#ifndef TRANCHE_EDIT_COMMIT_H
#define TRANCHE_EDIT_COMMIT_H

#include "base/failure.h"
#include "journal/audit.h"
#include "region.h"
#include "state/agent_state.h"
#include "state/slice.h"

struct edit_reply {
    char slice_id[REGION_ID_BYTES];
    uint64_t revision;
    char undo_token[UNDO_TOKEN_BYTES];
    int64_t undo_expires_at_ms;
};

/* When it fails (-1), nothing has changed. */
int edit_commit(struct agent *agent, struct slice *slice, struct slice_record *next, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure);

#endif
