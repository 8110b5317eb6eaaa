/* GPU-hours of people: what their slices used and held, by day, for a month. Outlives slices and the agent. */
#ifndef TRANCHE_HOURS_H
#define TRANCHE_HOURS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/people.h"
#include "json.h"

struct agent;

#define HOURS_DAYS 32
#define HOURS_PEOPLE_MAX 64 /* whoever used nothing for longest makes room */
#define DAY_MS INT64_C(86400000)

struct hours_person {
    uid_t uid;
    char name[OWNER_BYTES];
    int64_t last_day; /* since 1970, UTC */
    struct hours_day {
        int64_t day;
        uint64_t used_us; /* of GPU time, charged by the shim */
        uint64_t held_us; /* of a whole GPU: time, times the limit's part of the GPU's memory */
    } days[HOURS_DAYS];   /* by day modulo */
};

struct hours {
    struct hours_person *people; /* made with the first of them */
    size_t count;
    int64_t counted_at_ms, saved_at_ms; /* monotonic; 0: not yet */
    bool dirty;
};

/* Reads the state file `hours`. */
void hours_load(struct agent *agent);

/* Adds what was used and held since the last call; called once a second. Saves every five minutes. */
void hours_count(struct agent *agent, int64_t mono_ms);

/* Writes what was not written yet. 0 or errno. */
int hours_save(struct agent *agent, int64_t mono_ms);

/* "people":[…] over the last `days` days, today included; those who used most first. */
void hours_put(const struct agent *agent, int64_t today, int64_t days, struct json_writer *w);

#endif
