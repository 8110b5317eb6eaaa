#include "attach/attach_doctor.h"

#include <string.h>

#include "base/failure.h"
#include "base/reply.h"
#include "json.h"
#include "records/doctor.h"
#include "records/doctor_process.h"

static void put_finding(void *context, const char *code, const char *level, const char *message)
{
    struct json_writer *w = context;
    json_open(w, '{');
    json_put_text(w, "code", code);
    json_put_text(w, "level", level);
    json_put_text(w, "message", message);
    json_close(w, '}');
}

bool attach_doctor_take(struct json_writer *replies, int64_t id, const char *op, const struct json_object *o)
{
    if (strcmp(op, ATTACH_DOCTOR_OP) != 0) return false;
    struct failure failure = {.code = NULL};
    int64_t pid;
    bool has_entry = false;
    int given = json_get_bool(o, "hasEntry", &has_entry);
    if (json_get_integer(o, "pid", 1, INT32_MAX, &pid) != 1)
        fail_field(&failure, "pid", "a process id");
    else if (given < 0)
        fail_field(&failure, "hasEntry", "true, false or null");
    if (failure.code) {
        reply_refuse(replies, id, &failure);
        return true;
    }
    enum doctor_entry entry = given == 0 ? DOCTOR_ENTRY_UNKNOWN : has_entry ? DOCTOR_ENTRY_THERE : DOCTOR_ENTRY_NONE;
    reply_begin(replies, id);
    json_key(replies, "findings");
    json_open(replies, '[');
    struct doctor doctor = {.found = put_finding, .context = replies};
    doctor_process(&doctor, (pid_t)pid, entry);
    json_close(replies, ']');
    json_end_line(replies);
    return true;
}
