/* What stands beside a job or a terminal: a process of its user's, detached from whoever started it, with a folder of
 * its own that nobody else may look into. Everything here runs as that user. */
#ifndef TRANCHE_DETACHED_H
#define TRANCHE_DETACHED_H

#include "fs.h"

/* Runs this executable with these words (NULL-terminated, the first is its name) in a session of its own, without a
 * terminal and without inherited files but keep_fd; its environment is the caller's. 0 or errno. */
int detached_start(const char *const words[], int keep_fd);

/* Fills directory with the folder of that kind ("jobs", "terminals"), in which each has its own. 0, or -1 with a
 * sentence. */
int detached_folders_find(const char *kind, char directory[FS_PATH_BYTES], char *why, size_t cap);
int detached_folders_make(const char *kind, char directory[FS_PATH_BYTES], char *why, size_t cap);

/* Fills directory with the folder of one; `id` was checked. 0, or -1 when this account has none of that id. */
int detached_folder_of(const char *kind, const char *id, char directory[FS_PATH_BYTES]);
void detached_folder_remove(const char *directory);

#endif
