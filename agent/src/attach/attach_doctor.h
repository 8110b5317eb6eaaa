/* A look into a process, as the user whose connection it is, with that user's rights and not the agent's. */
#ifndef TRANCHE_ATTACH_DOCTOR_H
#define TRANCHE_ATTACH_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "json.h"

#define ATTACH_DOCTOR_OP "doctor-process"

/* True: this request was ours and is answered in `replies`. */
bool attach_doctor_take(struct json_writer *replies, int64_t id, const char *op, const struct json_object *o);

#endif
