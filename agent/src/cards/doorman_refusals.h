/* Who was refused by the door, told: to operators, and to the person whose program it was. */
#ifndef TRANCHE_DOORMAN_REFUSALS_H
#define TRANCHE_DOORMAN_REFUSALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cards/doorman_devices.h"
#include "program.h"
#include "state/agent_state.h"

#define REFUSED_KEPT_MAX 128
#define REFUSED_PEOPLE_MAX 64
#define REFUSED_COMMAND_BYTES 64

/* One process that was refused, for whoever asks about it later. */
struct refused_process {
    uint32_t pid;
    uid_t uid;
    uint64_t start_ticks;          /* 0: it had ended before it could be asked */
    int64_t at_ms, terminal_at_ms; /* monotonic; 0: never */
    uint64_t times;
    bool watched; /* it was let through: the door only watches */
    unsigned major_number, minor_number;
};

struct refused_person {
    uid_t uid;
    int64_t since_ms; /* monotonic; 0: none is here */
    unsigned told;
    uint64_t omitted;
};

struct refused {
    struct refused_process kept[REFUSED_KEPT_MAX]; /* a ring */
    size_t next;
    struct refused_person people[REFUSED_PEOPLE_MAX];
};

void refused_tell(struct agent *agent, struct refused *refused, const struct guarded *guarded,
                  const struct door_record *record, int64_t mono_ms);

/* The last refusal of the process with this number, or NULL. */
const struct refused_process *refused_find(const struct refused *refused, uint32_t pid);

#endif
