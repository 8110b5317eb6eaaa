/* How the attach process itself answers what it does not pass on to the agent: one JSON line. */
#ifndef TRANCHE_ATTACH_REPLY_H
#define TRANCHE_ATTACH_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"
#include "json.h"

static inline void attach_reply_begin(struct json_writer *w, int64_t id, bool ok)
{
    w->comma = false;
    json_open(w, '{');
    json_put_integer(w, "id", id);
    json_put_bool(w, "ok", ok);
}

static inline void attach_reply_end(struct json_writer *w)
{
    json_close(w, '}');
    json_raw(w, "\n", 1);
}

static inline void attach_reply_refuse(struct json_writer *w, int64_t id, const struct failure *failure)
{
    attach_reply_begin(w, id, false);
    json_put_text(w, "code", failure->code);
    json_put_text(w, "message", failure->message);
    attach_reply_end(w);
}

#endif
