/* What is likely to hurt on this host, each with a code, a level and one sentence on what to do. */
#ifndef TRANCHE_DOCTOR_H
#define TRANCHE_DOCTOR_H

#include <sys/types.h>

#include "json.h"

struct agent;

enum doctor_level { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_WARNING, DOCTOR_ERROR };

struct doctor {
    void (*found)(void *context, const char *code, const char *level, const char *message);
    void *context;
};

void doctor_say(const struct doctor *doctor, const char *code, enum doctor_level level, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Places and system, for a user: what any process can check. */
void doctor_places(const struct doctor *doctor, const char *state_dir, const char *runtime_dir, uid_t uid);

/* Codes by which the agent says whether a process has an entry. Agents of before say none of them: unknown. */
#define DOCTOR_IN_SLICE "process-in-slice"
#define DOCTOR_UNMANAGED "process-unmanaged"
#define DOCTOR_NOT_SEEN "process-not-seen"
enum doctor_entry { DOCTOR_ENTRY_UNKNOWN, DOCTOR_ENTRY_NONE, DOCTOR_ENTRY_THERE };

/* Is the shim active in this process, and if not, why? Reads /proc with the caller's rights: not for the agent. */
void doctor_process(const struct doctor *doctor, pid_t pid, enum doctor_entry entry);

/* What only the agent knows, and of one process (0: none) what it knows without a look into it. */
void doctor_agent(const struct doctor *doctor, struct agent *agent, pid_t pid);

#endif
