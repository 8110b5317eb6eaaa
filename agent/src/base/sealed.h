/* Lines of small state files (operators, quotas, settings) that say themselves whether they are whole: a checksum at the end
 * of each, and in each how many there are. A line that a disk, or somebody, has changed is not taken, and that is told. */
#ifndef TRANCHE_SEALED_H
#define TRANCHE_SEALED_H

#include <stddef.h>

#include "json.h"

/* Ends the object that began at `start` of w, and its line. */
void sealed_end(struct json_writer *w, size_t start);

/* 1: whole; the checksum is cut off, and the object ends without it. 0: it has none, as in files of before. -1: not whole. */
int sealed_open(char *line);

/* Another sentence to what is told of the state; %s in it is the path. */
void sealed_note(char *notes, size_t cap, const char *format, const char *path);

#endif
