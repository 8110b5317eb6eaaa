#include "core/lines.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/shim.h"
#include "region.h"
#include "region_file.h"

bool lines_enter(struct lines *lines, uint64_t now)
{
    uint64_t since = atomic_load(&lines->busy_since_ns);
    if (since != 0 && since <= now && now - since < LINES_BUSY_MAX_NS) return false;
    return atomic_compare_exchange_strong(&lines->busy_since_ns, &since, now == 0 ? 1 : now);
}

void lines_leave(struct lines *lines)
{
    atomic_store(&lines->busy_since_ns, 0);
}

static bool path_of(const struct shim_slice *slice, uint32_t tag, char *path, size_t size)
{
    int length = snprintf(path, size, "%s/%08x", slice->board_path, (unsigned)tag);
    return slice->board_path[0] != 0 && length > 0 && (size_t)length < size;
}

struct region_board_slot *lines_own(struct lines *lines)
{
    struct region_line *own = atomic_load_explicit(&lines->own, memory_order_acquire);
    return !own ? NULL : &own->line;
}

void lines_open_own(struct lines *lines, const struct shim_slice *slice, uint64_t now)
{
    uint32_t tag = (uint32_t)REGION_NEIGHBOUR_TAG(atomic_load_explicit(&slice->policy->tag, memory_order_relaxed));
    bool current = atomic_load(&lines->own) && atomic_load(&lines->own_tag) == tag;
    if (current || (lines->own_tried_at_ns != 0 && now - lines->own_tried_at_ns < LINES_RETRY_NS)) return;
    char path[SHIM_PATH_BYTES];
    struct region_line *line = NULL;
    lines->own_tried_at_ns = now;
    if (!path_of(slice, tag, path, sizeof path) || region_line_map(path, &line) != 0) line = NULL;
    /* The earlier mapping stays: another thread may be writing to it. A slice changes hands seldom. */
    atomic_store(&lines->own_tag, tag);
    atomic_store_explicit(&lines->own, line, memory_order_release);
}

/* What is assumed of a neighbour whose line cannot be read: it has work, and was charged no more than was last
 * read. */
static void assume_claim(struct region_board_slot *slot, const struct lines_neighbour *neighbour, uint64_t until)
{
    memset(slot, 0, sizeof *slot);
    atomic_store(&slot->slice_tag, neighbour->tag);
    atomic_store(&slot->claim_until_ns, until);
    atomic_store(&slot->behind_until_ns, until);
    atomic_store(&slot->charged_ns, neighbour->charged_ns);
}

static void map_neighbour(struct lines_neighbour *neighbour, const struct shim_slice *slice, uint32_t tag)
{
    char path[SHIM_PATH_BYTES];
    if (neighbour->line && neighbour->tag == tag) return;
    if (neighbour->line) region_line_unmap(neighbour->line);
    *neighbour = (struct lines_neighbour){.tag = tag, .charged_ns = neighbour->tag == tag ? neighbour->charged_ns : 0};
    if (tag == 0 || !path_of(slice, tag, path, sizeof path) || region_line_map_ro(path, &neighbour->line) != 0) {
        neighbour->line = NULL;
        return;
    }
    /* A forked child has a table of its own, and would keep this mapping for ever. Where madvise is refused, it
     * does. */
    (void)madvise((void *)(uintptr_t)neighbour->line, REGION_LINE_BYTES, MADV_DONTFORK);
}

/* Reads the line as a file, where process_vm_readv is refused. false: it cannot be read now. */
static bool read_by_path(const struct shim_slice *slice, uint32_t tag, struct region_board_slot *out)
{
    char path[SHIM_PATH_BYTES];
    int fd;
    if (!path_of(slice, tag, path, sizeof path)) return false;
    int error = region_line_open(path, &fd);
    if (error == -EPROTO) {
        memset(out, 0, sizeof *out); /* the file was cut */
        return true;
    }
    if (error != 0) return false;
    ssize_t got = pread(fd, out, sizeof *out, offsetof(struct region_line, line));
    close(fd);
    return got == (ssize_t)sizeof *out;
}

void lines_read(struct lines *lines, const struct shim_slice *slice, uint64_t now, uint64_t claim_ns,
                struct region_board_slot slots[REGION_BOARD_SLOTS])
{
    const struct region_line *mapped[REGION_BOARD_SLOTS];
    struct region_board_slot read[REGION_BOARD_SLOTS];
    uint8_t place[REGION_BOARD_SLOTS];
    unsigned count = 0;
    int saved = errno;
    for (unsigned at = 0; at < REGION_BOARD_SLOTS; at++) {
        uint64_t word = atomic_load_explicit(&slice->policy->neighbours[at], memory_order_relaxed);
        struct lines_neighbour *neighbour = &lines->neighbours[at];
        memset(&slots[at], 0, sizeof slots[at]);
        if (word == 0 && neighbour->tag == 0) continue;
        map_neighbour(neighbour, slice, word == 0 ? 0 : (uint32_t)REGION_NEIGHBOUR_TAG(word));
        if (neighbour->line) {
            mapped[count] = neighbour->line;
            place[count++] = (uint8_t)at;
        } else if (word != 0) {
            assume_claim(&slots[at], neighbour, now + claim_ns);
        }
    }
    bool by_path = count > 0 && region_line_read(mapped, count, read) != 0;
    for (unsigned at = 0; at < count; at++) {
        struct lines_neighbour *neighbour = &lines->neighbours[place[at]];
        if (by_path && !read_by_path(slice, neighbour->tag, &read[at]))
            assume_claim(&read[at], neighbour, now + claim_ns);
        memcpy(&slots[place[at]], &read[at], sizeof read[at]);
        neighbour->charged_ns = atomic_load(&read[at].charged_ns);
    }
    errno = saved;
}
