/* The table of slices on disk. */
#ifndef TRANCHE_SLICE_STORE_H
#define TRANCHE_SLICE_STORE_H

#include "state/slice.h"

/* Both return 0 or an errno value. */
int slice_store_save(const struct slice_table *table, const char *directory);
int slice_store_load(struct slice_table *table, const char *directory, int64_t now_ms);

#endif
