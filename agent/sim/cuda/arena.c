#include "memory.h"

#include <stdlib.h>

static bool whole_gap(void *about, uint64_t from, uint64_t to, uint64_t bytes, uint64_t *offset)
{
    (void)about;
    *offset = from;
    return to - from >= bytes;
}

/* Freed spans in the way of a new one give up what it takes: all, one end, or their middle. */
static void clear(struct arena *arena, uint64_t from, uint64_t to, struct span *spare)
{
    struct span **at = &arena->spans;
    while (*at && (*at)->offset < to) {
        struct span *span = *at;
        uint64_t end = span->offset + span->bytes;
        if (end <= from) {
            at = &span->next;
        } else if (span->offset >= from && end <= to) {
            *at = span->next;
            free(span);
        } else if (span->offset < from && end > to) {
            *spare = (struct span){span->next, to, end - to, false, span->free};
            span->bytes = from - span->offset;
            span->next = spare;
            return;
        } else if (span->offset < from) {
            span->bytes = from - span->offset;
            at = &span->next;
        } else {
            span->bytes = end - to;
            span->offset = to;
            return;
        }
    }
    free(spare);
}

static bool place(struct arena *arena, uint64_t offset, uint64_t bytes)
{
    struct span *made = calloc(1, sizeof *made);
    struct span *spare = calloc(1, sizeof *spare);
    if (!made || !spare) {
        free(made);
        free(spare);
        return false;
    }
    clear(arena, offset, offset + bytes, spare);
    struct span **at = &arena->spans;
    while (*at && (*at)->offset < offset) at = &(*at)->next;
    *made = (struct span){.next = *at, .offset = offset, .bytes = bytes, .live = true};
    *at = made;
    return true;
}

/* The lowest offset at which the request fits. usable NULL: no freed span is; fits NULL: anywhere. */
bool arena_take(struct arena *arena, uint64_t bytes, arena_usable usable, arena_fits fits, void *about,
                uint64_t *offset)
{
    uint64_t from = 0;
    fits = !fits ? whole_gap : fits;
    for (struct span *span = arena->spans; span; span = span->next) {
        if (!span->live && usable && usable(about, span)) continue;
        if (span->offset > from && fits(about, from, span->offset, bytes, offset)) return place(arena, *offset, bytes);
        from = span->offset + span->bytes;
    }
    return arena->bytes > from && fits(about, from, arena->bytes, bytes, offset) && place(arena, *offset, bytes);
}

struct span *arena_find(struct arena *arena, uint64_t offset)
{
    for (struct span *span = arena->spans; span && span->offset <= offset; span = span->next)
        if (span->offset == offset && span->live) return span;
    return NULL;
}

void arena_give(struct arena *arena, struct span *span)
{
    for (struct span **at = &arena->spans; *at; at = &(*at)->next) {
        if (*at == span) {
            *at = span->next;
            free(span);
            return;
        }
    }
}
