/* What a process belongs to, as far as its control groups tell without any rights: a container, a batch job, a service.
 * Pure: takes the text of /proc/PID/cgroup. */
#ifndef TRANCHE_WORKLOAD_H
#define TRANCHE_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>

#define WORKLOAD_BYTES 96

struct workload {
    char container[WORKLOAD_BYTES]; /* "docker 3f2a91c0b1de"; "": in none that shows itself there */
    char unit[WORKLOAD_BYTES];      /* "Slurm job 123", "jupyter.service"; "": neither */
};

/* The lines of cgroup v1 and v2 alike ("ID:CONTROLLERS:PATH"). A user may name groups of their own: nothing is taken for
 * an id but hexadecimal digits, nothing for a name but letters, digits and . _ @ : -. */
void workload_of_cgroup(const char *text, size_t len, struct workload *out);

/* Whether one of those lines is of this group ("/system.slice/dcgm.service") or of one below it. */
bool workload_in_group(const char *text, size_t len, const char *group);

#endif
