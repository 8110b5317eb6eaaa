/* Is the shim active in a process, as its own user sees it? */
#ifndef TRANCHE_DOCTOR_PROCESS_H
#define TRANCHE_DOCTOR_PROCESS_H

#include <sys/types.h>

#include "records/doctor.h"

enum doctor_entry { DOCTOR_ENTRY_UNKNOWN, DOCTOR_ENTRY_NONE, DOCTOR_ENTRY_THERE };

/* Is the shim active in this process, and if not, why? Reads /proc with the caller's rights: not for the agent. */
void doctor_process(const struct doctor *doctor, pid_t pid, enum doctor_entry entry);

#endif
