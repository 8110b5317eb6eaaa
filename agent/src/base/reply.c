#include "base/reply.h"

#include "base/failure.h"
#include "json.h"

void reply_begin(struct json_writer *w, int64_t id)
{
    json_open(w, '{');
    json_put_integer(w, "id", id);
    json_put_bool(w, "ok", true);
}

void reply_refuse_begin(struct json_writer *w, int64_t id, const struct failure *failure)
{
    json_open(w, '{');
    json_put_known(w, "id", id >= 0, id);
    json_put_bool(w, "ok", false);
    json_put_text(w, "code", failure->code);
    json_put_text(w, "message", failure->message);
}

void reply_refuse(struct json_writer *w, int64_t id, const struct failure *failure)
{
    reply_refuse_begin(w, id, failure);
    json_end_line(w);
}
