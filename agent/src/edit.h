/* The edits of slices: each checks, writes the state to disk, and only then takes effect and is answered. */
#ifndef TRANCHE_EDIT_H
#define TRANCHE_EDIT_H

#include "agent.h"
#include "audit.h"

struct edit_reply {
    char slice_id[REGION_ID_BYTES];
    uint64_t revision;
    char undo_token[UNDO_TOKEN_BYTES];
    int64_t undo_expires_at_ms;
};

/* Fields that a request may set; absent ones stay as they are. */
struct slice_changes {
    bool has_memory, has_limit, has_guarantee, has_priority, has_starts, has_expires;
    int64_t memory_limit_bytes, compute_limit_percent, compute_guarantee_percent;
    uint32_t priority;
    int64_t starts_at_ms, expires_at_ms;
    bool refuse_below_use;
    const char *gpu_uuid; /* creation only */
    const char *owner;    /* NULL: the editor */
    const char *name;     /* NULL: owner-N */
};

/* The slice with this id that is not deleted; revision < 0: any. */
struct slice *edit_target(struct agent *agent, const char *id, int64_t revision, struct failure *failure);

int edit_create(struct agent *agent, const struct slice_changes *changes, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure);
int edit_resize(struct agent *agent, struct slice *slice, const struct slice_changes *changes,
                const struct editor *editor, struct edit_reply *reply, struct failure *failure);
int edit_assign(struct agent *agent, struct slice *slice, const char *owner, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure);
int edit_rename(struct agent *agent, struct slice *slice, const char *name, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure);
/* edit_move.c: to another GPU of the host, while no process is in it. */
int edit_move(struct agent *agent, struct slice *slice, const char *gpu_uuid, const struct editor *editor,
              struct edit_reply *reply, struct failure *failure);
int edit_delete(struct agent *agent, struct slice *slice, bool with_processes, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure);
int edit_undo(struct agent *agent, const char *token, const struct editor *editor, struct edit_reply *reply,
              struct failure *failure);

/* Earlier owners' programs have ended: the slice is its owner's alone again. Once a second. */
void edit_forget_left(struct agent *agent);

/* Lets go of deleted slices that no undo can bring back and of expired undo entries. */
void edit_prune(struct agent *agent, int64_t mono_ms);

#endif
