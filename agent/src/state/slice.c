#include "state/slice.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "region.h"

struct slice *slice_find(const struct slice_table *table, const char *id)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->items[i]->r.id, id) == 0) return table->items[i];
    return NULL;
}

struct slice *slice_find_name(const struct slice_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (!table->items[i]->r.deleted && strcmp(table->items[i]->r.name, name) == 0) return table->items[i];
    return NULL;
}

struct slice *slice_add(struct slice_table *table, const struct slice_record *record)
{
    if (table->count == table->cap) {
        size_t cap = table->cap ? table->cap * 2 : 16;
        struct slice **items = realloc(table->items, cap * sizeof *items);
        if (!items) return NULL;
        table->items = items;
        table->cap = cap;
    }
    struct slice *slice = calloc(1, sizeof *slice);
    if (!slice) return NULL;
    slice->r = *record;
    slice->usage_fd = slice->history_fd = -1;
    slice->m.denied_at_ms = NO_TIME;
    slice->m.limit_held = true;
    table->items[table->count++] = slice;
    return slice;
}

bool slice_holds(const struct slice *slice, uint32_t pid)
{
    for (size_t i = 0; i < slice->track_count; i++)
        if (pid != 0 && slice->tracks[i].believed && slice->tracks[i].pid == pid) return true;
    return false;
}

struct slice *slice_holding(const struct slice_table *table, uint32_t pid)
{
    for (size_t i = 0; i < table->count; i++)
        if (slice_holds(table->items[i], pid)) return table->items[i];
    return NULL;
}

void slice_remove(struct slice_table *table, struct slice *slice)
{
    size_t i = 0;
    while (i < table->count && table->items[i] != slice) i++;
    if (i == table->count) return;
    memmove(&table->items[i], &table->items[i + 1], (table->count - i - 1) * sizeof *table->items);
    table->count--;
    if (slice->usage_fd >= 0) close(slice->usage_fd);
    if (slice->history_fd >= 0) close(slice->history_fd);
    free(slice->tracks);
    free(slice);
}

void slice_table_free(struct slice_table *table)
{
    while (table->count > 0) slice_remove(table, table->items[table->count - 1]);
    free(table->items);
    free(table->undo);
    memset(table, 0, sizeof *table);
}

bool slice_active(const struct slice_record *r, int64_t now_ms)
{
    if (r->deleted || r->suspended) return false;
    if (r->starts_at_ms != NO_TIME && now_ms < r->starts_at_ms) return false;
    return r->expires_at_ms == NO_TIME || now_ms < r->expires_at_ms;
}

const char *slice_base_id(const struct slice_record *r)
{
    return slice_is_left(r) ? r->successor : r->id;
}

uint32_t slice_generations(const struct slice_table *table, const struct slice_record *r)
{
    uint32_t count = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct slice_record *other = &table->items[i]->r;
        count += slice_is_left(other) && strcmp(other->successor, slice_base_id(r)) == 0;
    }
    return count + 1;
}

bool slice_is_open(const struct slice_table *table, const struct slice_record *r, int64_t now_ms)
{
    if (!slice_is_left(r)) return slice_active(r, now_ms);
    const struct slice *successor = slice_find(table, r->successor);
    return successor && slice_active(&successor->r, now_ms);
}

size_t slice_count_on(const struct slice_table *table, const char *gpu_uuid, const struct slice *without,
                      int64_t *guarantees_percent, int64_t *memory_limits_bytes)
{
    size_t count = 0;
    *guarantees_percent = 0;
    *memory_limits_bytes = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct slice *s = table->items[i];
        if (s == without || s->r.deleted || strcmp(s->r.gpu_uuid, gpu_uuid) != 0) continue;
        count++;
        *guarantees_percent += s->r.compute_guarantee_percent;
        *memory_limits_bytes += (int64_t)s->r.memory_limit_bytes;
    }
    return count;
}
