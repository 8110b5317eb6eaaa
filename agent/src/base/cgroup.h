/* Folders of a cgroup v2 hierarchy, as root uses them: found, made, filled with processes, and removed. A folder counts
 * only if it is of that file system, is no link, and root alone can change it: what stands in it then is the kernel's
 * word. Errors are errno values; where a descriptor is the answer, -errno. */
#ifndef TRANCHE_CGROUP_H
#define TRANCHE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "fs.h"

/* Where this host has its v2 hierarchy: the only one, or the one beside v1's. NULL: there is none at either place. */
const char *cgroup_mount(void);
/* The group that this process is in, as seen from the hierarchy's root: "/system.slice/tranche.service". 0 or errno. */
int cgroup_own(char out[FS_PATH_BYTES]);
/* A folder: below `parent`, or by its absolute path. EPERM: somebody other than root could change it. */
int cgroup_open(int parent, const char *name);
/* The same, made where it is not there yet. */
int cgroup_make(int parent, const char *name, bool *new_out);
/* Whether systemd has given it over to who runs in it. */
bool cgroup_is_delegated(int group);
/* Moves a whole process. ESRCH: there is none of that number. */
int cgroup_put(int group, pid_t pid);
/* Whether a process is in it or below it. */
int cgroup_is_populated(int group, bool *populated_out);
/* Gives the groups below it a controller. ENOENT: there is none of that name here. */
int cgroup_enable(int group, const char *controller);
/* EBUSY: it is not empty. */
int cgroup_remove(int parent, const char *name);

#endif
