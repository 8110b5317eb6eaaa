/* Is a path ours alone? A folder in /tmp or /var/tmp may have been prepared by anybody, and whoever owns a folder above ours
 * may put another one in its place. */
#ifndef TRANCHE_OURS_H
#define TRANCHE_OURS_H

#include <stddef.h>
#include <sys/types.h>

#define OURS_WHY_BYTES 256

/* Follows the path from / on, each part opened in the one before. Up to the first folder in which somebody else than root
 * and `uid` may make names (group or world may write, or it is somebody else's) everything is taken as it is, links of
 * root's or of `uid`'s included. Below it every part must be root's or uid's, no link, and writable for nobody else.
 * `given` is a folder that is taken as it is whoever made it, with all above it: "" for none.
 * 0, or errno: EPERM or ELOOP with a part of a sentence in why ("/var/tmp/tranche-1003 belongs to uid 1004"). */
int ours_check(const char *path, const char *given, uid_t uid, char why[OURS_WHY_BYTES]);

/* The same for a program or library that is loaded from there: below a folder where anybody may make names (sticky)
 * alone. Software of a third person, in a place where only that person writes, is loaded on its user's own word. */
int ours_check_loaded(const char *path, uid_t uid, char why[OURS_WHY_BYTES]);

/* Makes the folder (and those above it), then ours_check; closes what is ours to `mode`. 0 or errno. */
int ours_make(const char *path, const char *given, mode_t mode, uid_t uid, char why[OURS_WHY_BYTES]);

/* The program of this name in the folders of PATH that nobody but root and uid can write to. 0, or ENOENT. */
int ours_find_program(const char *name, uid_t uid, char *out, size_t cap);

#endif
