/* What is done, by the rule of the host, with processes outside every slice (docs/escapes.md, "Answers"). A signal is sent
 * only to what the driver has just listed, by the kernel's own handle of that very process, and never to what root runs
 * itself, to the agent, or to whom an operator exempted. */
#ifndef TRANCHE_ESCAPE_ANSWERS_H
#define TRANCHE_ESCAPE_ANSWERS_H

#include <stdint.h>

#include "cards/escapes.h"

struct agent;

/* Notices and audit records of one person's processes in this time; those left out are counted in the next. */
#define ESCAPE_TOLD_MAX 10
#define ESCAPE_TOLD_MS 60000

/* Goes by the last look, which must be of this turn of the loop. */
void escape_answers(struct agent *agent, int64_t mono_ms);
/* On the wire. */
const char *escape_answer_name(enum escape_answer answer);

#endif
