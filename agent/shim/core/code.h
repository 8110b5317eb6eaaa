/* Which code a handle stands for, told so that another process would say the same: from the image that was loaded and the
 * function's name in it. Handles themselves mean nothing elsewhere, and come back for other code after an unload. */
#ifndef TRANCHE_CODE_H
#define TRANCHE_CODE_H

#include <stdbool.h>
#include <stdint.h>

struct process;

/* Of a larger image only this much is read, with its size. */
#define CODE_IMAGE_READ_BYTES ((size_t)64 << 10)
/* Longest image of text; the driver's compiler would take minutes over it. */
#define CODE_TEXT_MAX_BYTES ((size_t)16 << 20)

/* An image in memory: ELF, fat binary (or the runtime's wrapper around one), or text. 0: none of these. */
uint64_t code_of_image(const void *image);
uint64_t code_of_file(const char *path);

/* A module or library was loaded from code; a function of it was asked for; it goes away. NULL process: nothing. */
void code_loaded(struct process *process, const void *owner, uint64_t code);
void code_named(struct process *process, const void *owner, const char *name, const void *function);
/* Another handle for the same thing. */
void code_same(struct process *process, const void *known, const void *handle);
void code_unloaded(struct process *process, const void *owner);

/* A kernel that waits for its like on other GPUs. Only by its name: NCCL's. */
bool code_is_collective(struct process *process, uintptr_t handle);
/* 0: not known, and then no price of it is shared. */
uint64_t code_identity(struct process *process, uintptr_t handle);

#endif
