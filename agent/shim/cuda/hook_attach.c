/* Where the program first meets the driver. Files of the slice are mapped and the entry is claimed now, while there are
 * descriptors and memory for it; whatever fails is tried for again when it is needed.
 *
 * And scripts set CUDA_VISIBLE_DEVICES to a number, meaning "the first one of mine". In a slice that is counted among the
 * program's slices, as a container counts its GPUs: otherwise it would be somebody else's GPU. */

#include <ctype.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/shim.h"
#include "cuda/resolve.h"
#include "cuda_min.h"
#include "env.h"
#include "late_gate.h"
#include "region.h"

#define VISIBLE "CUDA_VISIBLE_DEVICES"
#define VISIBLE_BYTES (SHIM_SLICES * REGION_UUID_BYTES)

/* The UUIDs of the slices that a list of numbers names; false: it is no such list, or goes beyond them. */
static bool renumber(const struct shim *shim, const char *text, char out[VISIBLE_BYTES])
{
    size_t length = 0;
    do {
        char *end;
        unsigned long index = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : SHIM_SLICES;
        if (index >= shim->slice_count || (*end != 0 && *end != ',')) return false;
        length += (size_t)snprintf(out + length, VISIBLE_BYTES - length, "%s%.*s", length == 0 ? "" : ",",
                                   (int)REGION_UUID_BYTES - 1, shim->slices[index].policy->gpu_uuid);
        if (length >= VISIBLE_BYTES) return false;
        text = *end == ',' ? end + 1 : end;
    } while (*text != 0);
    return true;
}

/* In a terminal: behind the gate, before the driver is opened. Once in a process; what it forks is behind it as well, and
 * finds a filter there already. Where it cannot be, the library alone keeps the limit, as everywhere. */
static void come_behind_gate(const struct shim *shim)
{
    static _Atomic uint32_t tried_by; /* a pid: a child tries for itself */
    const char *door = getenv(ENV_GATE_SOCKET);
    uint32_t self = (uint32_t)getpid();
    if (!door || atomic_exchange(&tried_by, self) == self) return;
    if (late_gate_enter(door)) shim_come_behind_gate(shim);
}

CUresult hook_cuInit(unsigned int flags)
{
    cuInit_fn real = REAL(cuInit);
    if (!real) return ABSENT_CU;
    char before[VISIBLE_BYTES];
    char uuids[VISIBLE_BYTES];
    const struct shim *shim = shim_get();
    if (shim) come_behind_gate(shim);
    const char *visible = !shim ? NULL : getenv(VISIBLE);
    const char *kind = getenv(ENV_VISIBLE);
    bool ours = kind && strcmp(kind, "index") == 0; /* numbers that `tranche run` has set itself */
    bool changed = visible && !ours && strlen(visible) < sizeof before && renumber(shim, visible, uuids);
    if (changed) {
        strcpy(before, visible);
        changed = setenv(VISIBLE, uuids, 1) == 0;
    }
    CUresult result = real(flags);
    if (changed) (void)setenv(VISIBLE, before, 1); /* the program may read it again */
    if (result == CUDA_SUCCESS) {
        resolve_driver_settled();
        (void)shim_process();
    }
    return result;
}

#define EXPORT_attach EXPORTED
#include "cuda/hooks_export.h"
