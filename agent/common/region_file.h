/* The three files of region.h on disk: create them whole, map or read them only when they are what they claim.
 * Functions return 0 or a negative errno value; -EPROTO means "not a file of this kind and ABI". */
#ifndef TRANCHE_REGION_FILE_H
#define TRANCHE_REGION_FILE_H

#include "region.h"

#include <sys/types.h>

/* Creation writes a temporary file beside path with all blocks allocated, then renames it over path (rule R3).
 * magic, abi and bytes are set here; everything else of a policy comes from initial. */
int region_policy_create(const char *path, const struct region_policy *initial, mode_t mode);
int region_usage_create(const char *path, mode_t mode);
int region_board_create(const char *path, mode_t mode);

/* Mappings; unmap with region_*_unmap. The read-only one is what tenants use. */
int region_policy_map_ro(const char *path, const struct region_policy **out);
int region_policy_map_rw(const char *path, struct region_policy **out);
int region_usage_map(const char *path, struct region_usage **out);
void region_policy_unmap(const struct region_policy *policy);
void region_usage_unmap(struct region_usage *usage);

/* Reading without a mapping: a tenant who truncates the file then costs an error code, not SIGBUS.
 * region_usage_open checks size and header; region_usage_read fills *out from such a descriptor. */
int region_usage_open(const char *path, int *fd_out);
int region_usage_read(int fd, struct region_usage *out);

/* The board is only ever read and written in whole lines. */
int region_board_open(const char *path, int *fd_out);
int region_board_read(int fd, struct region_board *out);
int region_board_read_slot(int fd, unsigned slot, struct region_board_slot *out);
int region_board_write_slot(int fd, unsigned slot, const struct region_board_slot *line);

/* Stores the new epoch and wakes every sleeper; call it after the policy's fields were stored. */
void region_policy_announce(struct region_policy *policy);

/* FNV-1a of a slice id, never 0: the board's slice_tag. */
uint64_t region_slice_tag(const char *slice_id);

#endif
