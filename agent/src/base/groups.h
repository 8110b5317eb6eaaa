/* Which unix groups a person is in. Asked of the system's directory, which may be slow: remembered for ten minutes. */
#ifndef TRANCHE_GROUPS_H
#define TRANCHE_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

/* In a private root the file ROOT/group (format of group(5)) comes before the machine's own groups. */
void groups_use_root(const char *root);

/* Is there such a group on this host? */
bool groups_exists(const char *group);

/* Were this user's groups asked for, and not too long ago? */
bool groups_remembers(const char *user, int64_t mono_ms);

/* 1: the user is in the group, by list or as the primary one; 0: is not; -1: not known, because the directory does not
 * say, or was not asked (may_ask false and nothing remembered). */
int groups_member(const char *group, const char *user, bool may_ask, int64_t mono_ms);

#endif
