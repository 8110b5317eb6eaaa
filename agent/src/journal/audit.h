/* Who changed which slice, when, from where, before and after. Kept in the state directory, appended and synced before
 * the reply. Accepted edits, refused ones, and what was done with programs are three files, each of a bounded size:
 * what people may do as often as they like (ask for what they may not have, end a job of their own) pushes no edit
 * out. */
#ifndef TRANCHE_AUDIT_H
#define TRANCHE_AUDIT_H

#include "json.h"
#include "state/agent_state.h"
#include "state/slice.h"

#define AUDIT_RECORDS_MAX 100 /* in one answer */

struct editor {
    uid_t uid;
    const char *name;
    const char *action;
    bool over_quota;          /* asked for, although it goes beyond what a person may hold */
    const char *claimed_from; /* what the client says it comes from; "" = it said nothing */
};

/* Repairs a torn tail and finds the last number. 0 or errno. */
int audit_open(struct agent *agent);

/* An edit that took effect: NULL before = it was made, NULL after = it was deleted. */
void audit_edit(struct agent *agent, const struct editor *editor, const struct slice_record *before,
                const struct slice_record *after);
/* One without a slice: the operators, the settings. */
void audit_setting(struct agent *agent, const struct editor *editor, const char *detail);
/* What was done with a program: a signal, an act on a job, the end of one. NULL slice = it was in none. Not synced. */
void audit_act(struct agent *agent, const struct editor *editor, const struct slice *slice, const char *detail);
/* One that was refused for lack of rights; slice may be NULL. */
void audit_refused(struct agent *agent, const struct editor *editor, const char *code, const struct slice *slice);

struct audit_query {
    const char *slice_id; /* NULL: all */
    int64_t from_ms, to_ms;
    int64_t before_seq; /* only older ones */
    size_t max;
};
/* Puts "records":[…newest first…] and "nextBeforeSeq" (null: there are no older ones in range). 0 or errno. */
int audit_read(struct agent *agent, const struct audit_query *query, struct json_writer *out);

#endif
