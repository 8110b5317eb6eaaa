/* Which devices the door guards: those of the GPUs' drivers. */
#ifndef TRANCHE_DOORMAN_DEVICES_H
#define TRANCHE_DOORMAN_DEVICES_H

#include <stdbool.h>
#include <stddef.h>

#include "door.h"

#define GUARDED_MAX 128

struct guarded {
    struct door_device devices[GUARDED_MAX];
    char names[GUARDED_MAX][24]; /* as the kernel calls them */
    size_t count;
    bool cut; /* there were more */
};

/* Pure: adds those of the text of /proc/devices whose names begin so. */
void guarded_of_text(struct guarded *out, const char *text, const char *prefix);
/* Pure: adds those of a list as ENV_DOOR_DEVICES has it. False: it is none. */
bool guarded_of_list(struct guarded *out, const char *list);
/* Looks at this host. 0 or errno; E2BIG: there are more than can be guarded. */
int guarded_find(struct guarded *out);
bool guarded_has(const struct guarded *guarded, unsigned major_number, unsigned minor_number);
bool guarded_same(const struct guarded *a, const struct guarded *b);
/* "nvidia 195:0"; returns buf. */
char *guarded_text(char *buf, size_t cap, const struct guarded *guarded, unsigned major_number, unsigned minor_number);

#endif
