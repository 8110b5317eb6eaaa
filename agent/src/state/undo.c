/* The undo journal: what a slice was before an edit, for ten minutes. Undo is compare-and-swap on the revision, so an
 * entry needs no lock and no order: it either still fits or names who came in between. */

#include "state/undo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "state/slice.h"

struct undo_entry *undo_find(const struct slice_table *table, const char *token, int64_t now_ms)
{
    for (size_t i = 0; i < table->undo_count; i++) {
        struct undo_entry *entry = &table->undo[i];
        if (strcmp(entry->token, token) == 0) return entry->expires_at_ms > now_ms ? entry : NULL;
    }
    return NULL;
}

static void drop_first(struct slice_table *table, size_t n)
{
    memmove(table->undo, table->undo + n, (table->undo_count - n) * sizeof *table->undo);
    table->undo_count -= n;
}

struct undo_entry *undo_push(struct slice_table *table, const struct slice_record *before, uint64_t after_revision,
                             int64_t now_ms)
{
    uint64_t random;
    if (fs_random(&random, sizeof random) != 0) return NULL;
    if (!table->undo) {
        table->undo = malloc((UNDO_ENTRIES_MAX + 1) * sizeof *table->undo);
        if (!table->undo) return NULL;
    }
    /* One place more than the maximum, so that an undo_pop after a failed save has lost nothing but the oldest. */
    if (table->undo_count == UNDO_ENTRIES_MAX + 1) drop_first(table, 1);
    struct undo_entry *entry = &table->undo[table->undo_count++];
    memset(entry, 0, sizeof *entry);
    snprintf(entry->token, sizeof entry->token, "u-%016llx", (unsigned long long)random);
    entry->expires_at_ms = now_ms + UNDO_LIFE_MS;
    entry->after_revision = after_revision;
    entry->before = *before;
    return entry;
}

void undo_pop(struct slice_table *table)
{
    if (table->undo_count > 0) table->undo_count--;
}

bool undo_expire(struct slice_table *table, int64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->undo_count; i++)
        if (table->undo[i].expires_at_ms > now_ms) table->undo[kept++] = table->undo[i];
    bool changed = kept != table->undo_count;
    table->undo_count = kept;
    return changed;
}

bool undo_mentions(const struct slice_table *table, const char *id)
{
    for (size_t i = 0; i < table->undo_count; i++)
        if (strcmp(table->undo[i].before.id, id) == 0) return true;
    return false;
}

void undo_forget(struct slice_table *table, const char *id)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->undo_count; i++)
        if (strcmp(table->undo[i].before.id, id) != 0) table->undo[kept++] = table->undo[i];
    table->undo_count = kept;
}
