/* How a request is answered: one JSON line, by the agent or by whoever answers in its place. */
#ifndef TRANCHE_REPLY_H
#define TRANCHE_REPLY_H

#include <stdint.h>

#include "base/failure.h"
#include "json.h"

/* Of what was done. The caller adds what there is to say and ends it with json_end_line. */
void reply_begin(struct json_writer *w, int64_t id);

/* Of what was not done. id < 0: the request had none that could be read. */
void reply_refuse(struct json_writer *w, int64_t id, const struct failure *failure);
/* The same without its end, for who has more to say. */
void reply_refuse_begin(struct json_writer *w, int64_t id, const struct failure *failure);

#endif
