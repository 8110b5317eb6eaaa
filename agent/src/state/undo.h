/* The journal that undoes edits: a token for each, for ten minutes. */
#ifndef TRANCHE_UNDO_H
#define TRANCHE_UNDO_H

#include "state/slice.h"

struct undo_entry *undo_find(const struct slice_table *table, const char *token, int64_t now_ms);
struct undo_entry *undo_push(struct slice_table *table, const struct slice_record *before, uint64_t after_revision,
                             int64_t now_ms); /* NULL: no memory or no random numbers */
void undo_pop(struct slice_table *table);     /* takes the last push back */
bool undo_expire(struct slice_table *table, int64_t now_ms);
bool undo_mentions(const struct slice_table *table, const char *id);
void undo_forget(struct slice_table *table, const char *id);

#endif
