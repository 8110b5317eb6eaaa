/* The edits of slices: each is checked, written to disk, and only then put into force and answered. */
#ifndef TRANCHE_EDIT_H
#define TRANCHE_EDIT_H

#include "base/failure.h"
#include "journal/audit.h"
#include "slices/edit_commit.h"
#include "state/agent_state.h"
#include "state/slice.h"
#include "state/slice_settings.h"

/* Fields that a request may set; absent ones stay as they are. */
struct slice_changes {
    bool has[SETTING_COUNT];
    int64_t value[SETTING_COUNT]; /* not checked yet, but for words, which are ones */
    bool refuse_below_use;
    const char *gpu_uuid; /* creation only */
    const char *owner;    /* NULL: the editor */
    const char *name;     /* NULL: owner-N */
};

/* The slice with this id, if it is not deleted; revision < 0: any revision. */
struct slice *edit_target(struct agent *agent, const char *id, int64_t revision, struct failure *failure);

int edit_create(struct agent *agent, const struct slice_changes *changes, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure);
int edit_resize(struct agent *agent, struct slice *slice, const struct slice_changes *changes,
                const struct editor *editor, struct edit_reply *reply, struct failure *failure);
int edit_assign(struct agent *agent, struct slice *slice, const char *owner, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure);
int edit_rename(struct agent *agent, struct slice *slice, const char *name, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure);
int edit_delete(struct agent *agent, struct slice *slice, bool with_processes, const struct editor *editor,
                struct edit_reply *reply, struct failure *failure);
int edit_undo(struct agent *agent, const char *token, const struct editor *editor, struct edit_reply *reply,
              struct failure *failure);

#endif
