/* Processes of ours that outlive whoever started them: the agent, and what stands beside a job or a terminal, which has
 * a folder of its own that nobody else may look into. Everything here runs as the user who started it. */
#ifndef TRANCHE_DETACHED_H
#define TRANCHE_DETACHED_H

#include <stdbool.h>

#include "fs.h"

/* Runs this executable with these words (NULL-terminated, the first is its name) in a session of its own, without a
 * terminal, in a directory that nobody wants to unmount, and without inherited files but keep_fd. Its environment is
 * the caller's; preloads: with what the caller has preloaded. 0 or errno. */
int detached_start(const char *const words[], int keep_fd, bool preloads);

/* Its signals, from now on, by descriptor. 0 or errno. */
int detached_signals(int *fd);

/* Fills directory with the folder of that kind ("jobs", "terminals"), in which each has its own. 0, or -1 with a
 * sentence. */
int detached_folders_find(const char *kind, char directory[FS_PATH_BYTES], char *why, size_t cap);
int detached_folders_make(const char *kind, char directory[FS_PATH_BYTES], char *why, size_t cap);

/* Fills directory with the folder of one; `id` was checked. 0, or -1 when this account has none of that id. */
int detached_folder_of(const char *kind, const char *id, char directory[FS_PATH_BYTES]);
void detached_folder_remove(const char *directory);

#endif
