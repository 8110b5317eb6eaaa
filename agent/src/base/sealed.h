/* Lines of small state files (operators, quotas, settings) that say themselves whether they are whole: a checksum at the end
 * of each, and in each how many there are. A line that a disk, or somebody, has changed is not taken, and that is told. */
#ifndef TRANCHE_SEALED_H
#define TRANCHE_SEALED_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hash.h"
#include "json.h"

#define SEAL_BYTES 26 /* ,"sum":"0123456789abcdef"} */

static inline void sealed_text(const char *line, size_t len, char out[SEAL_BYTES + 1])
{
    snprintf(out, SEAL_BYTES + 1, ",\"sum\":\"%016" PRIx64 "\"}", hash_bytes(line, len));
}

/* Ends the object that began at `start` of w, and its line. */
static inline void sealed_end(struct json_writer *w, size_t start)
{
    char seal[SEAL_BYTES + 1];
    if (w->failed || !w->data) return;
    sealed_text(w->data + start, w->len - start, seal);
    json_raw(w, seal, SEAL_BYTES);
    json_raw(w, "\n", 1);
    w->comma = false;
}

/* 1: whole; the checksum is cut off, and the object ends without it. 0: it has none, as in files of before. -1: not whole. */
static inline int sealed_open(char *line)
{
    char seal[SEAL_BYTES + 1];
    size_t len = strlen(line);
    if (len < SEAL_BYTES || strncmp(line + len - SEAL_BYTES, ",\"sum\":\"", 8) != 0)
        return strstr(line, "sum") ? -1 : 0;
    sealed_text(line, len - SEAL_BYTES, seal);
    if (strcmp(line + len - SEAL_BYTES, seal) != 0) return -1;
    strcpy(line + len - SEAL_BYTES, "}");
    return 1;
}

/* Another sentence to what is told of the state; %s in it is the path. */
static inline void sealed_note(char *notes, size_t cap, const char *format, const char *path)
{
    size_t len = strlen(notes);
    if (len > 0 && len + 1 < cap) notes[len++] = ' ';
    snprintf(notes + len, cap - len, format, path);
}

#endif
