/* A line that several connections are sent: made once, freed with the last of them. */
#ifndef TRANCHE_LINE_H
#define TRANCHE_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define AGENT_LINE_MAX_BYTES (256u * 1024)

struct shared_line {
    size_t references, len;
    bool is_minor; /* somebody without rights can cause it at will: the first to go where there is no room */
    char data[];
};

struct json_writer;

/* With one reference, the caller's. NULL: no memory. */
struct shared_line *line_new(const char *data, size_t len);
/* Closes what w holds as a line, which is then as above; NULL, and a word in the log, where it is longer than a line may
 * be. */
struct shared_line *line_from(struct json_writer *w);
void line_release(struct shared_line *line); /* NULL is fine */

#endif
