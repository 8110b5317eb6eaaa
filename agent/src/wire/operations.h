/* What does each request. Returns 0 and has answered, or -1 with a failure, which requests.c answers. */
#ifndef TRANCHE_OPERATIONS_H
#define TRANCHE_OPERATIONS_H

#include "wire/requests_fields.h"

#define REQUEST(name, run, verb, kept) int run(struct request *r);
#include "wire/requests.def"
#undef REQUEST

#endif
