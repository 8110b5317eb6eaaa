#include "base/sealed.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hash.h"

#define SEAL_BYTES 26 /* ,"sum":"0123456789abcdef"} */

static void seal_of(const char *line, size_t len, char out[SEAL_BYTES + 1])
{
    snprintf(out, SEAL_BYTES + 1, ",\"sum\":\"%016" PRIx64 "\"}", hash_bytes(line, len));
}

void sealed_end(struct json_writer *w, size_t start)
{
    char seal[SEAL_BYTES + 1];
    if (w->failed || !w->data) return;
    seal_of(w->data + start, w->len - start, seal);
    json_raw(w, seal, SEAL_BYTES);
    json_raw(w, "\n", 1);
    w->comma = false;
}

int sealed_open(char *line)
{
    char seal[SEAL_BYTES + 1];
    size_t len = strlen(line);
    if (len < SEAL_BYTES || strncmp(line + len - SEAL_BYTES, ",\"sum\":\"", 8) != 0)
        return strstr(line, "sum") ? -1 : 0;
    seal_of(line, len - SEAL_BYTES, seal);
    if (strcmp(line + len - SEAL_BYTES, seal) != 0) return -1;
    strcpy(line + len - SEAL_BYTES, "}");
    return 1;
}

void sealed_note(char *notes, size_t cap, const char *format, const char *path)
{
    size_t len = strlen(notes);
    if (len > 0 && len + 1 < cap) notes[len++] = ' ';
    snprintf(notes + len, cap - len, format, path);
}
