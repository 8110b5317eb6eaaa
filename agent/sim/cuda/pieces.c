/* Physical memory: counted by the simulated machine, and asked of the kernel where there are stand-ins for its driver.
 * The kernel is asked first, as the real driver's kernel half is, which then looks whether the card has that much. */
#include "memory.h"
#include "rm.h"

#include <stdlib.h>

/* Where the card has not enough, the kernel was asked and has nothing to take back: the real driver makes no object
 * then either, and whoever listens to requests alone does not see that it did not. */
static bool take_once(struct sim_state *state, uint32_t gpu, enum arrival arrival, struct piece *piece)
{
    bool granted =
        arrival == BY_REQUEST ? rm_take(gpu, piece->bytes, &piece->object) : rm_map(piece->bytes, &piece->mapping);
    if (!granted) return false;
    sim_lock(state);
    struct sim_process *process = sim_process_self(state);
    bool fits = process && (arrival == BY_FAULT || piece->bytes <= sim_group_room(state, process, gpu));
    bool taken = fits && sim_memory_take(state, process, gpu, piece->bytes);
    piece->faulted = arrival == BY_FAULT;
    if (taken && piece->faulted) process->faulted_bytes[gpu] += piece->bytes;
    sim_unlock(state);
    if (!taken) rm_unmap(piece->mapping, piece->bytes);
    return taken;
}

/* Out of memory is the same whoever says so, the card or the kernel: what pools keep is given back for it. */
bool memory_take(struct sim_state *state, uint32_t gpu, uint64_t bytes, enum arrival arrival, struct piece *out)
{
    struct piece piece = {.bytes = bytes};
    bool taken = bytes == 0 || take_once(state, gpu, arrival, &piece);
    if (!taken) {
        pools_give_way(state, gpu);
        taken = take_once(state, gpu, arrival, &piece);
    }
    *out = taken ? piece : (struct piece){0};
    return taken;
}

static void give_bytes(struct sim_state *state, uint32_t gpu, uint64_t bytes, bool faulted)
{
    sim_lock(state);
    struct sim_process *process = sim_process_self(state);
    if (process) sim_memory_give(state, process, gpu, bytes);
    if (process && faulted) process->faulted_bytes[gpu] -= bytes;
    sim_unlock(state);
}

/* What the kernel does not take back stays with the process until its end. */
void memory_give(struct sim_state *state, uint32_t gpu, struct piece *piece)
{
    rm_unmap(piece->mapping, piece->bytes);
    if (rm_give(gpu, piece->object)) give_bytes(state, gpu, piece->bytes, piece->faulted);
    *piece = (struct piece){0};
}

bool pieces_take(struct sim_state *state, uint32_t gpu, struct pieces *pieces, uint64_t bytes, enum arrival arrival)
{
    struct piece *longer = realloc(pieces->at, (pieces->count + 1) * sizeof *longer);
    if (!longer) return false;
    pieces->at = longer;
    if (!memory_take(state, gpu, bytes, arrival, &longer[pieces->count])) return false;
    pieces->count++;
    pieces->bytes += bytes;
    return true;
}

/* Makes a piece smaller: another one is asked for in its place. It stays as it is if there is none. */
static void cut(struct sim_state *state, uint32_t gpu, struct pieces *pieces, uint64_t less_bytes)
{
    struct piece *piece = &pieces->at[pieces->count - 1];
    struct piece smaller = {.bytes = piece->bytes - less_bytes, .mapping = piece->mapping, .faulted = piece->faulted};
    if (piece->mapping) rm_unmap((char *)piece->mapping + smaller.bytes, less_bytes);
    if (piece->object != 0 && !rm_take(gpu, smaller.bytes, &smaller.object)) return;
    if (rm_give(gpu, piece->object)) give_bytes(state, gpu, less_bytes, piece->faulted);
    *piece = smaller;
    pieces->bytes -= less_bytes;
}

void pieces_keep(struct sim_state *state, uint32_t gpu, struct pieces *pieces, uint64_t keep_bytes)
{
    while (pieces->bytes > keep_bytes && pieces->bytes - pieces->at[pieces->count - 1].bytes >= keep_bytes) {
        struct piece *last = &pieces->at[--pieces->count];
        pieces->bytes -= last->bytes;
        memory_give(state, gpu, last);
    }
    if (pieces->bytes > keep_bytes) cut(state, gpu, pieces, pieces->bytes - keep_bytes);
    if (pieces->count > 0) return;
    free(pieces->at);
    pieces->at = NULL;
}
