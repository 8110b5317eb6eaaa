#include "base/line.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "log.h"

struct shared_line *line_new(const char *data, size_t len)
{
    struct shared_line *line = malloc(sizeof *line + len);
    if (!line) return NULL;
    line->references = 1;
    line->len = len;
    line->is_minor = false;
    memcpy(line->data, data, len);
    return line;
}

void line_release(struct shared_line *line)
{
    if (line && --line->references == 0) free(line);
}

struct shared_line *line_from(struct json_writer *w)
{
    json_end_line(w);
    if (w->failed) {
        log_line("a line was longer than %u bytes and was not sent", AGENT_LINE_MAX_BYTES);
        return NULL;
    }
    return line_new(w->data, w->len);
}
