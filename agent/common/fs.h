/* The few file operations that must be right: whole-or-nothing writes, safe private directories, what kind of file
 * system a path is on. Errors are errno values. */
#ifndef TRANCHE_FS_H
#define TRANCHE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FS_PATH_BYTES 1024

/* Joins with one slash; -1 (errno ENAMETOOLONG) when it does not fit. */
int fs_join(char out[FS_PATH_BYTES], const char *directory, const char *name);

/* Makes the directory and its parents. 0 or errno. Existing directories are left as they are. */
int fs_make_directories(const char *path, mode_t mode);

/* Makes one directory that nobody but us may write to, or checks that an existing one is such: a directory, no link,
 * owned by uid, not writable by group or others. Protects places in /tmp from being prepared by someone else. */
int fs_own_directory(const char *path, mode_t mode, uid_t uid);

/* Opens a regular file, and nothing else: a device or a FIFO is not opened even for a moment, because for those opening
 * is an act. Flags of open(2), with O_NOFOLLOW for the last part of the path. A descriptor, or -errno (-EINVAL: it is no
 * regular file). Needs /proc. */
int fs_open_regular(const char *path, int flags);

/* Reads a whole regular file of at most max bytes; *data is malloc'ed and NUL-terminated. 0 or errno (EFBIG). */
int fs_read_file(const char *path, size_t max, char **data, size_t *len);

/* Reads a small file of /proc into buf, NUL-terminated. Length or -1. */
ssize_t fs_read_small(const char *path, char *buf, size_t cap);

/* Writes a new file path.tmp (another name where somebody else has that one), syncs it, keeps what was at path as path.prev when keep_previous, renames, syncs the directory.
 * 0 or errno; on an error what was at path is still there, unless only the last sync of the directory failed. */
int fs_write_atomic(const char *directory, const char *name, const void *data, size_t len, mode_t mode,
                    bool keep_previous);

enum fs_kind { FS_LOCAL, FS_MEMORY, FS_REMOTE, FS_UNKNOWN };
enum fs_kind fs_kind(const char *path);
bool fs_is_noexec(const char *path);

/* Cryptographic random bytes. 0 or errno. */
int fs_random(void *buf, size_t len);

#endif
