/* The files of region.h on disk: create them whole, map or read them only when they are what they claim.
 * Functions return 0 or a negative errno value; -EPROTO means "not a file of this kind and ABI". */
#ifndef TRANCHE_REGION_FILE_H
#define TRANCHE_REGION_FILE_H

#include "life.h"
#include "region.h"

#include <sys/types.h>

/* Creation writes a temporary file beside path with all blocks allocated, then renames it over path (rule R3).
 * magic, abi and bytes are set here; everything else of a policy comes from initial. */
int region_policy_create(const char *path, const struct region_policy *initial, mode_t mode);
int region_usage_create(const char *path, mode_t mode);
int region_line_create(const char *path, uint64_t tag, mode_t mode);

/* Mappings; unmap with region_*_unmap. The read-only one is what tenants use. */
int region_policy_map_ro(const char *path, const struct region_policy **out);
int region_policy_map_rw(const char *path, struct region_policy **out);
int region_usage_map(const char *path, struct region_usage **out, struct life_file *file_out); /* may be NULL */
void region_policy_unmap(const struct region_policy *policy);
void region_usage_unmap(struct region_usage *usage);

/* Reading without a mapping: a tenant who truncates the file then costs an error code, not SIGBUS.
 * region_usage_open checks size and header; region_usage_read fills *out from such a descriptor. It is open for
 * writing as well: only so can locks be taken with it (life.h). */
int region_usage_open(const char *path, int *fd_out);
int region_usage_read(int fd, struct region_usage *out);

/* A slice's line on the board of its GPU. Our own line is written through its mapping, in plain atomic stores. A
 * neighbour's mapping must not be touched, because the neighbour may cut its file at any time: region_line_read copies
 * out of up to REGION_BOARD_SLOTS of them at once, zeros for a line that was cut. It fails only where process_vm_readv
 * is refused (sandboxes); then region_line_open and pread do. */
int region_line_map(const char *path, struct region_line **out);
int region_line_map_ro(const char *path, const struct region_line **out);
void region_line_unmap(const struct region_line *line);
int region_line_read(const struct region_line *const *lines, unsigned count, struct region_board_slot *out);
int region_line_open(const char *path, int *fd_out);

/* board/GPU/TAG below the runtime directory. 0 or -ENAMETOOLONG. */
int region_line_path(char *out, size_t size, const char *runtime, const char *gpu_uuid, uint64_t tag);

/* Stores the new epoch and wakes every sleeper; call it after the policy's fields were stored. */
void region_policy_announce(struct region_policy *policy);

/* Of a slice id and how often the slice has changed hands. Neither it nor its lower half is ever 0. */
uint64_t region_slice_tag(const char *slice_id, uint64_t generation);

#endif
