/* Whom no rule for processes outside every slice ends or stops, and who says so (docs/escapes.md, "Who is left alone"). Each
 * of these functions sets the answer and its reason where it returns true. */
#ifndef TRANCHE_ESCAPE_SPARED_H
#define TRANCHE_ESCAPE_SPARED_H

#include <stdbool.h>
#include <stdint.h>

#include "cards/escapes.h"

struct agent;
struct proc;

void escape_set_answer(struct escape *e, enum escape_answer answer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* It belongs to the host: the agent and what it started, the daemon of programs that run at the same time, the services of
 * the GPUs' vendor. It is not even told. */
bool escape_is_of_host(struct agent *agent, struct escape *e);
/* An operator named its user or its unit, here or for the door. It is not told. */
bool escape_is_exempt(struct agent *agent, struct escape *e);
/* Root runs it, in no container: the display server, the system's own. Told, and left alone. */
bool escape_is_roots(struct escape *e, struct proc *proc, int64_t mono_ms);

#endif
