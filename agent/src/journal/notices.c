#include "journal/notices.h"

#include <string.h>

#include "base/line.h"
#include "base/now.h"
#include "json.h"
#include "state/agent_state.h"

void notices_send(struct agent *agent, struct json_writer *w, bool is_minor)
{
    struct shared_line *line = line_from(w);
    json_writer_free(w);
    if (!line) return;
    line->is_minor = is_minor;
    if (agent->post) agent->post(agent, line);
    line_release(line);
}

static void notice(struct agent *agent, const char *code, const char *slice_id, const char *gpu_uuid, uint32_t pid,
                   const char *message)
{
    struct json_writer w;
    json_writer_init(&w, 8192);
    json_open(&w, '{');
    json_put_text(&w, "ev", "notice");
    json_put_integer(&w, "atMs", now_wall_ms());
    json_put_text(&w, "code", code);
    json_put_text(&w, "sliceId", slice_id);
    json_put_text(&w, "gpuUuid", gpu_uuid);
    json_put_known(&w, "pid", pid != 0, pid);
    json_put_text(&w, "message", message);
    notices_send(agent, &w, slice_id && strcmp(code, "audit-not-saved") != 0); /* what a process did */
}

void notices_tell(struct agent *agent, const char *code, const char *slice_id, uint32_t pid, const char *message)
{
    notice(agent, code, slice_id, NULL, pid, message);
}

void notices_tell_gpu(struct agent *agent, const char *code, const char *gpu_uuid, const char *message)
{
    notice(agent, code, NULL, gpu_uuid, 0, message);
}
