/* What is likely to hurt on this host, each with a code, a level and one sentence on what to do. */
#ifndef TRANCHE_DOCTOR_H
#define TRANCHE_DOCTOR_H

#include <sys/types.h>

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

/* What only the agent knows, and of one process (0: none) what it knows without a look into it. */
void doctor_agent(const struct doctor *doctor, struct agent *agent, pid_t pid);

#endif
