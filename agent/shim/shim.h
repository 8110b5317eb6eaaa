/* The shim's own state: what the environment and the shared files say (struct shim), and what belongs to this process
 * alone and must not survive a fork (struct process). */
#ifndef TRANCHE_SHIM_H
#define TRANCHE_SHIM_H

#include "hooks.h"
#include "ledger.h"
#include "meter.h"
#include "region.h"

#include <stdbool.h>
#include <stdint.h>

#define SHIM_SLICES 16u  /* GPUs, and so slices, in one process */
#define SHIM_DEVICES 64u /* CUDA ordinals that are told apart */
#define SHIM_HANDLES 64u /* NVML handles that are told apart */

struct shim_slice {
    const struct region_policy *policy;
    struct region_usage *usage;
    /* Opened anew for each use: programs close descriptors that they do not know, and reuse the numbers. */
    char board_path[256]; /* empty: no board, then nothing is known of other slices */
};

struct shim {
    unsigned slice_count;
    struct shim_slice slices[SHIM_SLICES];
};

struct process {
    uint64_t token;
    uint32_t pid;
    struct ledger blocks;                       /* device address -> bytes */
    struct ledger handles;                      /* cuMemCreate handle -> bytes, references */
    struct ledger mappings;                     /* mapped address -> handle */
    struct region_entry *entries[SHIM_SLICES];  /* NULL: no place was left, and this slice is not limited */
    _Atomic uint8_t device_slice[SHIM_DEVICES]; /* 0 unknown, 1 none of ours, 2 + slice */
    _Atomic(CUcontext) primary[SHIM_DEVICES];
    _Atomic int captures; /* under way in this process */
    struct meter meters[SHIM_SLICES];
    struct meter_shared metering;
};

/* init.c. NULL: this process is in no slice (or Tranche is switched off), forward everything. */
const struct shim *shim_get(void);
/* This process's state, made on first use and after a fork. NULL: as above. */
struct process *shim_process(const struct shim *shim);

/* Index into slices for a CUDA ordinal, or for the calling thread's current device; -1: not ours. */
int shim_slice_of_device(const struct shim *shim, struct process *process, CUdevice device);
int shim_slice_of_current(const struct shim *shim, struct process *process);
int shim_slice_of_uuid(const struct shim *shim, const char *uuid);

/* clock.c: the simulated driver's time if it has one, else CLOCK_MONOTONIC and futex. */
uint64_t shim_now(void);
/* Until *word != expected or deadline; may return early; never sleeps longer than SHIM_WAIT_SLICE_NS at once. */
#define SHIM_WAIT_SLICE_NS UINT64_C(10000000)
void shim_wait_word(const _Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns);

#endif
